#include "cli/hold.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"

namespace dcoord::cli {

using namespace std::chrono_literals;

LeaseKeeper::LeaseKeeper(Loop& loop, LeaseTimes times, TimePoint valid_end, Hooks hooks)
    : loop_(loop),
      times_(times),
      valid_end_(valid_end),
      hooks_(std::move(hooks)),
      renew_now_(loop) {}

void LeaseKeeper::start() {
  if (times_.renew_every == kForever) return;
  renewing_ = renew_on();
  loop_.start(renewing_);
  if (hooks_.revoked) {
    listening_ = listen();
    loop_.start(listening_);
  }
}

void LeaseKeeper::stop() {
  renewing_.cancel();
  listening_.cancel();
}

Task<void> LeaseKeeper::renew_on() {
  TimePoint next = add(valid_end_ - times_.ttl, times_.renew_every);
  while (true) {
    co_await renew_now_.wait(next);
    std::optional<RenewResult> result;
    try {
      // Until the command must be dead there is a chance; the session tries again and again by
      // itself. Should the guard end the command meanwhile, this is why.
      if (last_failure_.empty()) last_failure_ = "no answer from Redis";
      Task<RenewResult> renewal = hooks_.renew(valid_end_ - times_.margin);
      result.emplace(co_await renewal);
      last_failure_.clear();
    } catch (const std::exception& error) {  // what it is that failed, the lease is there
      last_failure_ = error.what();
    }
    const TimePoint now = loop_.now();
    if (result && std::holds_alternative<primitives::LockRenewed>(*result)) {
      const auto& renewed = std::get<primitives::LockRenewed>(*result);
      valid_end_ = std::max(valid_end_, renewed.valid_end);
      if (!hooks_.extended(valid_end_)) co_return;
      if (renewed.server_time) compare_clocks(*renewed.server_time, now);
      next = add(now, times_.renew_every);
      continue;
    }
    if (result) {
      const bool revoked = std::get<primitives::LockLost>(*result).revoked;
      hooks_.lost(
          {revoked,
           revoked ? "it was taken away by an operator" : "the server no longer knows the lease",
           !revoked});
      co_return;
    }
    if (now >= valid_end_ - times_.margin) {
      hooks_.lost({false, "it could not be renewed in time: " + last_failure_});
      co_return;
    }
    log::note(1, fmt::format("renewal failed, trying again: {}", last_failure_));
    next = add(now, std::min<Duration>(times_.attempt, 1s));
  }
}

Task<void> LeaseKeeper::listen() {
  // Most commands are over sooner; only longer ones are worth a second connection.
  co_await loop_.sleep(1s);
  while (true) {
    // Shorter than any time-out on the way, so that a dead connection is noticed.
    Task<bool> word =
        hooks_.revoked(add(loop_.now(), std::clamp<Duration>(times_.ttl / 3, 5s, 60s)));
    if (co_await word) renew_now_.set();
  }
}

void LeaseKeeper::compare_clocks(Millis server_time, TimePoint now) {
  if (!first_server_time_) {
    first_server_time_ = server_time;
    first_compared_ = now;
    return;
  }
  const Duration ours = now - first_compared_;
  const Duration theirs = server_time - *first_server_time_;
  const Duration apart = ours > theirs ? ours - theirs : theirs - ours;
  if (warned_of_clocks_ || apart <= std::max<Duration>(100ms, ours / 100)) return;
  warned_of_clocks_ = true;
  log::warning(
      fmt::format("the server's clock went {} {} than ours within {}: leases may end early or late",
                  format_age(apart), theirs > ours ? "further" : "less far", format_age(ours)));
}

}  // namespace dcoord::cli
