#pragma once

#include <sys/types.h>

#include <span>

#include "base/loop.h"
#include "base/task.h"
#include "base/unique_fd.h"
#include "hold/start_state.h"

namespace dcoord::hold {

/// Somebody else's process that something is bound to: `lock acquire --bind-pid PID`.
class BoundProcess {
 public:
  /// Throws Error (65) when there is no such process.
  BoundProcess(Loop& loop, pid_t pid);
  BoundProcess(const BoundProcess&) = delete;
  BoundProcess& operator=(const BoundProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// To be kept by detach(); -1 where there is none.
  int descriptor() const { return held_.get(); }
  /// Awaits its end. Another process that got its number later is not mistaken for it.
  Task<void> ended();
  /// Sends it a signal; false when it has ended, or may not be signalled (errno).
  bool signal(int number);

 private:
  bool alive() const;

  Loop& loop_;
  const pid_t pid_;
  UniqueFd held_;  // a pidfd; none on a kernel before 5.3
  unsigned long long start_ = 0;
};

/// Goes on in the background: returns 0 in a new process and its id in this one. The new process
/// has a session of its own, so that no terminal's HUP reaches it, descriptors 0-2 on /dev/null and
/// of the others only `keep`, the root folder as its place, and `start`'s signal mask and
/// dispositions. What it inherited in memory and needs a descriptor (a Loop's clock, a connection)
/// is to be made anew. Throws Error when the system refuses.
pid_t detach(std::span<const int> keep, const StartState& start);

}  // namespace dcoord::hold
