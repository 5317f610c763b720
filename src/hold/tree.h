#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>

#include "base/clock.h"

namespace dcoord::hold {

/// The tree: every process descended from this one, a subreaper, which gets them as children when
/// their own parents die. Nothing here allocates or blocks; each function looks anew.

/// Children of this process that are none of the tree: neither signalled nor waited for.
struct Spared {
  const pid_t* pids = nullptr;
  int count = 0;
  bool has(pid_t pid) const;
};

/// Children of this process that are services for everybody: none of the tree either. True when
/// there are some, and no other child; where /proc cannot be read, there are none.
struct Services {
  static constexpr int kMost = 16;
  pid_t pids[kMost] = {};
  int count = 0;
  bool find();
  Spared spared() const { return {pids, count}; }
};

/// Where each process looked at is counted, so that others can see work going on; null for nowhere.
void count_work(std::atomic<unsigned>* counter);

/// Sends each descendant the signal once, parents before their children, and then CONT if `wake`,
/// so that a stopped one can act on it. `leader`, if not 0, is a child that leads a process group:
/// that group is signalled as one, so that none of it can fork away from under the signal.
void signal_tree(int signal, bool wake, pid_t leader, const Spared& spared);

/// Told of each child whose state changed, with its wait status.
struct Reaper {
  void (*reaped)(pid_t pid, int status, void* context) = nullptr;
  void* context = nullptr;
};

/// Collects children that have ended (and with `stops`, reports of stopped and continued ones).
/// True when there is no child left, which the kernel itself says: the proof that no descendant
/// lives.
bool reap_tree(const Spared& spared, const Reaper& reaper, bool stops, int* count = nullptr);

/// Ends the tree with KILL.
class TreeKiller {
 public:
  /// To be called after each SIGCHLD, and after kPause at the latest, until it returns true: no
  /// descendant is left.
  bool step(const Spared& spared, const Reaper& reaper);
  static constexpr auto kPause = std::chrono::milliseconds(2);

 private:
  unsigned steps_ = 0;
};

/// "pid 123 (sudo), pid 456 (cat)": who lives, as far as it fits.
void describe_tree(char* text, size_t size, const Spared& spared);

}  // namespace dcoord::hold
