#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// One decision about a named thing, or a request for one.
struct TraceEvent {
  std::string kind;  ///< "lock", "elect", "queue", ...
  std::string name;
  std::string event;   ///< of locks and elections: asked, queued, granted, refused, renewed, lost,
                       ///< released, left, gone, revoked, reclaimed; else what was asked for
  std::string result;  ///< the script's own word for it: "granted", "wait"
  std::string mode;    ///< of a request for a lock: "exclusive", "shared", "slots"; of a reclaim
                       ///< its proof: "ended", "gone", "broken"; else ""
  std::string token;   ///< of the request; "" where there is none
  std::string who;     ///< HOST:PID of the asker
  std::optional<Millis> at;         ///< the server's clock, ms since the epoch
  bool at_is_exact = true;          ///< false: reckoned from an earlier answer
  std::optional<Millis> lease_end;  ///< on the server's clock
  std::optional<long long> fence, place;
  std::string error;  ///< there was no answer, or an error
};

/// The kinds of things whose scripts can be traced.
const std::vector<std::string>& trace_kinds();

struct TraceOptions {
  std::set<std::string> kinds;                      ///< of trace_kinds()
  std::string who;                                  ///< HOST:PID
  std::function<void(const TraceEvent&)> on_event;  ///< null: tell nobody
  bool stream = false;  ///< have the scripts record in Redis what they answer, in the same step
};

/// A runner that tells of what it runs. Scripts that change nothing, and kinds that are not traced,
/// pass unseen. The keys must be those of `keys`.
std::unique_ptr<redis::ScriptRunner> trace(Loop& loop, std::unique_ptr<redis::ScriptRunner> runner,
                                           const Keys& keys, TraceOptions options);

/// What is recorded of a name since a moment of the server's clock, in order; of all kinds if
/// `kind` is "".
Task<std::vector<TraceEvent>> read_trace(redis::ScriptRunner& scripts, const Keys& keys,
                                         std::string name, std::string kind, Millis since,
                                         redis::Patience patience);

/// Two grants of which the second came before the first had ended, by what the events tell.
struct TraceOverlap {
  TraceEvent first, second;
  Millis ended;  ///< when the first one ended
};
/// Of what holds exclusively: those that held at once, as a failover that lost writes lets them.
std::vector<TraceOverlap> overlaps(const std::vector<TraceEvent>& events);

}  // namespace dcoord::primitives
