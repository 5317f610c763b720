#pragma once

#include <optional>

#include "base/clock.h"
#include "cli/options.h"

namespace dcoord::cli {

/// The lease that a command runs under, as flags say it.
struct LeaseOptions {
  Duration ttl = std::chrono::seconds(30);
  std::optional<Duration> renew_every;
  bool no_renew = false;
  std::optional<Duration> kill_after;
  const char* flag = "--ttl";          ///< what messages call it
  const char* pace = "--renew-every";  ///< and what they call that

  void declare(OptionSet& options);
};

/// The times that follow from them. Two attempts to renew fit before TERM, and KILL lands `margin`
/// before the lease's end.
struct LeaseTimes {
  Duration ttl;
  Duration renew_every;  ///< kForever: never
  Duration attempt;      ///< one attempt to renew
  Duration grace;        ///< from TERM to KILL
  Duration margin;       ///< from KILL to the lease's end
};

inline constexpr Duration kShortestTtl = std::chrono::seconds(1);

/// Throws Error (64) for a TTL under a second or without end, and for a --renew-every or
/// --kill-after that does not fit into it, naming the TTL that would do.
LeaseTimes lease_times(const LeaseOptions& options);

/// Throws Error (64) unless `ttl` is from a second to a year; `flag` names it.
void check_ttl(Duration ttl, const char* flag);

}  // namespace dcoord::cli
