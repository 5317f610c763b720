#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/task.h"
#include "primitives/holder.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

inline constexpr int kMostParties = 10000;

/// What is asked for. The token identifies the request, the id the party: the same one never counts
/// twice.
struct BarrierRequest {
  std::string token;
  std::string id;
  int parties = 0;
  bool arrives = true;  ///< false: only waits for the others
  bool leads = false;   ///< would be the one of the generation that leads
  Holder who;
};

/// All have arrived.
struct BarrierPassed {
  long long generation = 0;
  std::optional<int> index;  ///< from 0; nothing for one that only waited, or came after all N
  bool leader = false;       ///< one of those that asked to lead
  int parties = 0;
  Duration waited{};
};
struct BarrierWaiting {
  TimePoint look_at;  ///< when to ask again at the latest
  long long generation = 0;
  int arrived = 0;
  int parties = 0;
};
/// Somebody broke the generation for all, or reset it.
struct BarrierBroken {
  long long generation = 0;
  std::string why;  ///< "timeout", "signal" or "reset"
  Holder who;
};
/// Refused for a reason that waiting would not cure.
struct BarrierRefused {
  enum class Why {
    parties,   ///< the others come for another number: `parties`
    gone,      ///< this request gave up before, or its party came again after it
    complete,  ///< arrive: all have arrived and nobody has waited for them yet
  };
  Why why;
  int parties = 0;
  long long generation = 0;
};

using BarrierAnswer = std::variant<BarrierPassed, BarrierWaiting, BarrierBroken, BarrierRefused>;

struct BarrierArrived {
  long long generation = 0;
  int index = 0;
  int arrived = 0;
  int parties = 0;
};

struct BarrierLeft {};
/// How giving up ended: it may have been over already.
using BarrierFarewell = std::variant<BarrierLeft, BarrierPassed, BarrierBroken>;

struct BarrierReset {
  long long generation = 0;  ///< the one that was ended; 0: nobody had arrived
  int arrived = 0;
};

struct BarrierParty {
  std::string id;
  bool arrived = false;  ///< false: it only waits
  int index = 0;
  bool stays = false;
  bool waits = false;
  Millis since{};  ///< wall clock of the server, ms since the epoch
  Holder who;
};

struct BarrierView {
  std::string name;
  Millis server_time{};
  long long generation = 1;  ///< the open one
  int parties = 0;           ///< 0: nobody has arrived or waits
  bool complete = false;     ///< all have arrived, and none that waits has come yet
  int arrived = 0;
  int waiting = 0;       ///< of those that arrived
  int only_waiting = 0;  ///< for others to arrive
  long long tripped = 0, broken = 0, dropped = 0;
  enum class Outcome { none, tripped, broken, reset } last = Outcome::none;
  Millis last_at{};
  std::vector<BarrierParty> members;  ///< by index, then those that only wait
};

/// The barrier over its scripts. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class Barrier {
 public:
  Barrier(Loop& loop, redis::ScriptRunner& runner, const Keys& keys, std::string name);

  /// Arrives or looks again. `known` is the generation that the last BarrierWaiting told, or 0.
  Task<BarrierAnswer> ask(BarrierRequest request, long long known, redis::Patience patience);

  /// Asks and waits by mailbox until it is decided or `until` has passed: then the last
  /// BarrierWaiting is returned, and the party is still counted: leave. `first` bounds the first
  /// answer; afterwards a lost connection is retried until `until`. `on_wait` hears each
  /// BarrierWaiting. Cancelling leaves the party counted, too, until it stops to look.
  Task<BarrierAnswer> wait(BarrierRequest request, TimePoint until, redis::Patience first,
                           std::function<void(const BarrierWaiting&)> on_wait);

  /// Takes the arrival back; `broken`, "timeout" or "signal", breaks the generation for all, ""
  /// does not.
  Task<BarrierFarewell> leave(BarrierRequest request, long long known, std::string broken,
                              redis::Patience patience);

  Task<std::variant<BarrierArrived, BarrierRefused>> arrive(BarrierRequest request,
                                                            redis::Patience patience);
  Task<BarrierReset> reset(std::string token, Holder who, redis::Patience patience);
  /// With up to `members` parties.
  Task<BarrierView> show(int members, redis::Patience patience);

  const std::string& name() const { return name_; }
  std::string mailbox(std::string_view token) const { return keys_.mailbox(name_, token); }

 private:
  Task<redis::Answer> run(const redis::Script& script, std::vector<std::string> args, bool index,
                          redis::Patience patience);

  Loop& loop_;
  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string name_;
  std::vector<std::string> barrier_keys_;
};

/// All barriers of the namespace, in the order of their names, each with up to `members` parties.
Task<std::vector<BarrierView>> list_barriers(redis::ScriptRunner& runner, const Keys& keys,
                                             int members, redis::Patience patience);

}  // namespace dcoord::primitives
