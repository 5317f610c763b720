#include "cli/held_lease.h"

#include "cli/context.h"

namespace dcoord::cli {

HeldLease::HeldLease(Context& context, hold::Supervisor& supervisor, Lease lease, int place)
    : context_(context),
      supervisor_(supervisor),
      place_(place),
      lease_(std::move(lease)),
      lost_(context.loop()),
      keeper_(context.loop(), lease_.times, lease_.valid_end, hooks()) {
  keeper_.start();
}

Task<hold::Outcome> HeldLease::run(hold::Command command, hold::Options options) {
  hold::Outcome outcome;
  if (loss_) co_return lost_outcome();
  Task<hold::Outcome> running =
      supervisor_.run(std::move(command), options, lease_.valid_end, place_);
  outcome = co_await running;
  if (!outcome.tree_ended) survivors_ = outcome.survivors;
  // The guard may have ended it before a renewal had failed for good.
  if (outcome.ending == hold::Ending::lost && !loss_) loss_ = loss_of_time();
  co_return outcome;
}

hold::Outcome HeldLease::lost_outcome() const {
  hold::Outcome outcome;
  outcome.ending = hold::Ending::lost;
  outcome.tree_ended = !survivors_;
  outcome.survivors = survivors_.value_or("");
  return outcome;
}

Task<bool> HeldLease::lost_before(TimePoint until) {
  while (!loss_ && context_.loop().now() < until) {
    // Between commands nobody else looks at the time.
    const TimePoint end = lease_.valid_end - lease_.times.margin;
    co_await lost_.wait(std::min(until, end));
    if (!loss_ && context_.loop().now() >= lease_.valid_end - lease_.times.margin) {
      loss_ = loss_of_time();
    }
  }
  co_return loss_.has_value();
}

LossReason HeldLease::loss_of_time() const {
  if (lease_.times.renew_every == kForever) {
    return {false, "its time was over, and --no-renew was given"};
  }
  const std::string& failure = keeper_.last_failure();
  return {false, failure.empty() ? "its end came before it was renewed"
                                 : "it could not be renewed in time: " + failure};
}

LeaseKeeper::Hooks HeldLease::hooks() {
  LeaseKeeper::Hooks hooks;
  hooks.renew = lease_.renew;
  if (!lease_.mailbox.empty())
    hooks.revoked = [this](TimePoint until) {
      if (!listener_)
        listener_ = std::make_unique<Listener>(context_.loop(), context_.new_runners());
      return listener_->heard_revoked(lease_.mailbox, until);
    };
  hooks.extended = [this](TimePoint valid_end) {
    if (loss_) return false;
    lease_.valid_end = valid_end;
    if (lease_.renewed) lease_.renewed(valid_end);
    // What ends a command for another reason, its time being up, ends not the lease.
    if (supervisor_.running(place_)) supervisor_.extend(valid_end, place_);
    return true;
  };
  hooks.lost = [this](const LossReason& reason) {
    if (!loss_) loss_ = reason;
    supervisor_.lose(place_);
    lost_.set();
  };
  return hooks;
}

HeldLease::Lease lease_of(primitives::LockService& lock, std::string token, const LeaseTimes& times,
                          const primitives::LockGranted& granted) {
  HeldLease::Lease lease;
  lease.mailbox = lock.mailbox(token);
  lease.renew = [&lock, token = std::move(token), ttl = times.ttl](TimePoint until) {
    return lock.renew(token, ttl, redis::Patience{until, kNever});
  };
  lease.times = times;
  lease.valid_end = granted.valid_end;
  return lease;
}

}  // namespace dcoord::cli
