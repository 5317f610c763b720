#pragma once

#include <optional>

#include "base/clock.h"
#include "cli/options.h"

namespace dcoord::cli {

class Context;

/// What whoever holds something asks of the servers that remember it.
struct StorageOptions {
  long long replicas = 0;
  std::optional<Duration> replica_timeout;
  bool allow_eviction = false;

  void declare(OptionSet& options);
  /// Has the scripts of this context run so; before they are first used. Throws Error (64) when the
  /// replicas' time does not fit into the lease.
  void apply(Context& context, Duration ttl) const;
};

}  // namespace dcoord::cli
