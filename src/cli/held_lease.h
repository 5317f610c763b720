#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/hold.h"
#include "cli/listener.h"
#include "hold/supervisor.h"
#include "primitives/lock.h"

namespace dcoord::cli {

class Context;

/// A lease that is renewed for as long as this object lives, and commands that run under it, one
/// after the other: each is dead before the lease ends. After a second it also listens on the
/// mailbox for word that the lease was taken away.
class HeldLease {
 public:
  struct Lease {
    /// Renews once, trying until the given moment.
    std::function<Task<LeaseKeeper::RenewResult>(TimePoint until)> renew;
    std::string mailbox;  ///< ""; nobody can take it away
    LeaseTimes times;
    TimePoint valid_end;
    /// Hears each new end; may be null.
    std::function<void(TimePoint valid_end)> renewed;
  };

  /// Of a supervisor with a crew, `place` is where the commands run.
  HeldLease(Context& context, hold::Supervisor& supervisor, Lease lease, int place = 0);

  /// Runs a command. When the lease is lost already it is not started: the outcome is `lost`, with
  /// loss() set. Throws Error when the system refuses.
  Task<hold::Outcome> run(hold::Command command, hold::Options options);

  /// True when the lease is lost, as soon as it is; false when `until` came first. Not while a
  /// command runs.
  Task<bool> lost_before(TimePoint until);

  /// Of a lease that was lost while no command ran.
  hold::Outcome lost_outcome() const;
  /// False when some process of one of the commands could not be ended: then the lease must not be
  /// released.
  bool trees_ended() const { return !survivors_; }

  const std::optional<LossReason>& loss() const { return loss_; }
  TimePoint valid_end() const { return lease_.valid_end; }
  /// No more renewals.
  void stop() { keeper_.stop(); }

 private:
  LeaseKeeper::Hooks hooks();
  LossReason loss_of_time() const;

  Context& context_;
  hold::Supervisor& supervisor_;
  const int place_;
  Lease lease_;
  std::optional<LossReason> loss_;
  std::optional<std::string> survivors_;
  Event lost_;
  std::unique_ptr<Listener> listener_;
  LeaseKeeper keeper_;  // last: its tasks use all of the above
};

/// The lease of a lock that was granted under `token`.
HeldLease::Lease lease_of(primitives::LockService& lock, std::string token, const LeaseTimes& times,
                          const primitives::LockGranted& granted);

}  // namespace dcoord::cli
