#include "cli/storage_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"

namespace dcoord::cli {

using namespace std::chrono_literals;

void StorageOptions::declare(OptionSet& o) {
  o.integer("--replicas", "N", replicas, 0, 100,
            "a grant or renewal counts only when so many replicas have it");
  o.duration("--replica-timeout", replica_timeout,
             "with --replicas: how long they may take; the lesser of 1s and TTL/6");
  o.flag("--allow-eviction", allow_eviction,
         "use a server that may drop keys when its memory is full");
}

void StorageOptions::apply(Context& context, Duration ttl) const {
  const Duration most = ttl / 6;  // two attempts to renew fit before the command is stopped
  const Duration timeout = replica_timeout.value_or(std::min<Duration>(1s, most));
  if (replicas > 0 && (timeout > most || timeout < 1ms)) {
    throw usage_error(fmt::format("--replica-timeout {} does not fit into --ttl {}",
                                  format_duration(timeout), format_duration(ttl)),
                      fmt::format("it may be a sixth of it, {}", format_duration(most)));
  }
  if (replicas > 0 && context.config().targets.size() > 1)
    throw usage_error("--replicas is for one server: of several a majority has it");
  context.require({static_cast<int>(replicas), timeout, !allow_eviction});
}

}  // namespace dcoord::cli
