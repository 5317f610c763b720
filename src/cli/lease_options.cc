#include "cli/lease_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
#include "base/error.h"

namespace dcoord::cli {
namespace {

using namespace std::chrono_literals;
constexpr Duration kLongestTtl = 24h * 366;

Duration margin_of(Duration ttl) { return std::max<Duration>(50ms, ttl / 100); }

/// The smallest whole second at which `fits` holds.
template <class Fits>
std::string ttl_needed(Duration from, Fits fits) {
  Duration ttl = std::chrono::ceil<std::chrono::seconds>(from);
  while (!fits(ttl))
    ttl += std::max<Duration>(1s, std::chrono::floor<std::chrono::seconds>(ttl / 100));
  return format_duration(ttl);
}

}  // namespace

void LeaseOptions::declare(OptionSet& options) {
  options.duration("-t,--ttl", ttl,
                   "length of the lease: how long a crash of this host blocks others");
  options.duration("--renew-every", renew_every, "time between renewals; a third of the TTL");
  options.flag("--no-renew", no_renew, "never renew: the command is stopped when the TTL is over");
  options.duration("-k,--kill-after", kill_after,
                   "time between TERM and KILL: when the lease ends (the lesser of 5s and TTL/4), "
                   "or after a TERM "
                   "that was passed on (only if given)");
}

void check_ttl(Duration ttl, const char* flag) {
  if (ttl == kForever) {
    throw usage_error(fmt::format("{} must end some time", flag),
                      "a lease without end would outlive a crash of its holder; it is renewed "
                      "while the command runs");
  }
  if (ttl < kShortestTtl || ttl > kLongestTtl) {
    throw usage_error(
        fmt::format("{} must be from 1s to 366d, not {}", flag, format_duration(ttl)));
  }
}

LeaseTimes lease_times(const LeaseOptions& o) {
  check_ttl(o.ttl, o.flag);
  LeaseTimes t{};
  t.ttl = o.ttl;
  t.margin = margin_of(o.ttl);
  t.attempt = o.ttl / 6;
  t.grace = o.kill_after.value_or(std::min<Duration>(5s, o.ttl / 4));
  t.renew_every = o.no_renew ? kForever : o.renew_every.value_or(o.ttl / 3);
  if (t.grace == kForever) {
    throw usage_error("--kill-after must end some time",
                      "the command must be dead before its lease is over");
  }
  if (o.no_renew) {
    if (o.renew_every)
      throw usage_error(fmt::format("{} and --no-renew contradict each other", o.pace));
    const auto fits = [&](Duration ttl) { return t.grace + margin_of(ttl) < ttl; };
    if (!fits(o.ttl)) {
      throw usage_error(fmt::format("--kill-after {} does not fit into {} {}",
                                    format_duration(t.grace), o.flag, format_duration(o.ttl)),
                        fmt::format("it needs {} {}", o.flag, ttl_needed(o.ttl, fits)));
    }
    return t;
  }
  if (t.renew_every <= Duration::zero())
    throw usage_error(fmt::format("{} must be longer than 0", o.pace));
  const bool own_pace = o.renew_every.has_value();
  const auto fits = [&](Duration ttl) {
    const Duration every = own_pace ? t.renew_every : ttl / 3;
    return every <= ttl && t.grace <= ttl && every + ttl / 3 + t.grace + margin_of(ttl) <= ttl;
  };
  if (!fits(o.ttl)) {
    const bool by_grace = o.kill_after && !own_pace;
    const std::string what = by_grace
                                 ? fmt::format("--kill-after {}", format_duration(t.grace))
                                 : fmt::format("{} {}", o.pace, format_duration(t.renew_every));
    const Duration longest = std::max(t.grace, own_pace ? t.renew_every : Duration::zero());
    if (longest > kLongestTtl / 4) throw usage_error(fmt::format("{} is too long", what));
    throw usage_error(
        fmt::format("{} does not fit into {} {}", what, o.flag, format_duration(o.ttl)),
        fmt::format(
            "two attempts to renew must fit before the command is stopped; that needs {} {}",
            o.flag, ttl_needed(std::max(o.ttl, longest), fits)));
  }
  return t;
}

}  // namespace dcoord::cli
