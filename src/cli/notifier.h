#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/loop.h"
#include "base/task.h"

namespace dcoord::cli {

/// Tells the service manager how things are, as sd_notify(3) does, when NOTIFY_SOCKET asks for it;
/// else does nothing. What cannot be sent is no failure.
class Notifier {
 public:
  /// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: a command of ours
  /// would speak for us. So it has to come before the guard is forked.
  explicit Notifier(Loop& loop);
  /// Says STOPPING=1.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// Lines such as "READY=1\nSTATUS=leading".
  void tell(const std::string& lines);
  /// From now on says WATCHDOG=1 twice in the manager's interval, as long as `alive` says so.
  void watch(std::function<bool()> alive);

 private:
  Task<void> feed();

  Loop& loop_;
  std::string socket_;
  std::optional<Duration> interval_;
  std::function<bool()> alive_;
  Task<void> feeding_;
};

}  // namespace dcoord::cli
