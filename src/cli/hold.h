#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "base/loop.h"
#include "base/task.h"
#include "cli/lease_options.h"
#include "hold/supervisor.h"
#include "primitives/lock.h"

namespace dcoord::cli {

/// Why a lease was lost, for the message.
struct LossReason {
  bool revoked = false;
  std::string text;      ///< "its lease ended", "Redis did not answer in time: ..."
  bool unknown = false;  ///< the server answers that it knows no such lease
};

/// Keeps a lease alive while something is held: renews it, hears of its revocation, and tells the
/// holder each new end. Knows nothing of processes.
class LeaseKeeper {
 public:
  using RenewResult = std::variant<primitives::LockRenewed, primitives::LockLost>;
  struct Hooks {
    /// Renews once, trying until the given moment.
    std::function<Task<RenewResult>(TimePoint until)> renew;
    /// Waits for word that the lease was taken away; true when so, false to be asked again. May be
    /// null.
    std::function<Task<bool>(TimePoint until)> revoked;
    /// The lease's end moved to; false: the holder is ending, no more renewals are wanted.
    std::function<bool(TimePoint valid_end)> extended;
    /// The lease is gone. Called once, nothing follows.
    std::function<void(const LossReason& reason)> lost;
  };

  LeaseKeeper(Loop& loop, LeaseTimes times, TimePoint valid_end, Hooks hooks);

  /// Begins renewing. Destroying the keeper ends it.
  void start();
  /// No more renewals.
  void stop();
  /// Why the last attempts to renew failed, if they did: the guard may end the command before
  /// lost() is called.
  const std::string& last_failure() const { return last_failure_; }

 private:
  Task<void> renew_on();
  Task<void> listen();
  void compare_clocks(Millis server_time, TimePoint now);

  Loop& loop_;
  LeaseTimes times_;
  TimePoint valid_end_;
  Hooks hooks_;
  Event renew_now_;
  std::string last_failure_;
  std::optional<Millis> first_server_time_;
  TimePoint first_compared_;
  bool warned_of_clocks_ = false;
  Task<void> renewing_;
  Task<void> listening_;
};

}  // namespace dcoord::cli
