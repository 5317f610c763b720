#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "primitives/holder.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// When a breaker opens and how it closes again. The server keeps those of its first use.
struct BreakerSettings {
  long long failures = 5;    ///< so many in a window open it; 0: their number does not
  long long rate = 0;        ///< such a percentage of the calls does; 0: it does not
  long long min_calls = 10;  /// of so many calls at least
  Duration window = std::chrono::minutes(5);
  Duration recovery = std::chrono::minutes(1);  ///< open for so long, doubled each time in a row
  Duration longest_recovery = std::chrono::minutes(8);
  long long probes = 1;     ///< so many calls at a time find out; all have to succeed
  long long reporters = 1;  ///< so many different ones must have reported a failure in the window
};
inline constexpr size_t kBreakerSettings = 8;

/// What somebody who uses a breaker wants of it.
struct BreakerWanted {
  BreakerSettings settings;
  /// Which of them were asked for, in their order, '1' or '0' each; the others are defaults, for a
  /// breaker that is new.
  std::string given = std::string(kBreakerSettings, '0');
  bool reconfigure = false;  ///< those asked for replace what is stored
};

enum class BreakerState { closed = 0, open = 1, half_open = 2 };
/// Why it is in its state: the first five opened it.
enum class BreakerWhy {
  none = 0,
  failures = 1,
  rate = 2,
  probe_failed = 3,
  tripped = 4,
  held = 5,
  recovered = 6,
  reset = 7,
};

struct BreakerView {
  std::string name;
  bool known = false;  ///< false: nothing is stored of it, it lets calls through
  BreakerState state = BreakerState::closed;
  std::optional<Millis> next_try = Millis(0);  ///< until then no call; nothing: until it is reset
  BreakerWhy why = BreakerWhy::none;
  long long failures = 0, calls = 0;  ///< in the window when it opened
  Millis age{};                       ///< so long in this state
  long long row = 0;                  ///< so often has it opened again without a rest
  Holder who;                         ///< whose result, or word, made it so
  BreakerSettings settings;

  // Of status alone.
  Millis server_time{};
  long long window_calls = 0, window_failures = 0;
  long long probes_out = 0, probes_succeeded = 0;
  long long opened = 0, all_calls = 0, all_failures = 0;
  long long reporter_count = 0;
  std::vector<std::pair<std::string, Millis>> reporters;  ///< and their last failures, latest first
};

/// What allow answers.
struct BreakerAnswer {
  enum class What { allowed, probe, refused };
  What what = What::refused;
  std::string epoch;  ///< to be given back with the result
  BreakerView view;
};

enum class BreakerOutcome { success, failure, ignored };

/// What record answers.
struct BreakerRecorded {
  bool counted = false;  ///< false: of an earlier epoch, or without a permit while it is not closed
  bool changed = false;  ///< this result has opened or closed it
  BreakerView view;
};

/// One breaker over its scripts. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class Breaker {
 public:
  Breaker(redis::ScriptRunner& runner, const Keys& keys, std::string name);

  /// Asks whether a call may be made; `lease` is how long a probe has its permit. Asked again with
  /// the same token, it is the same permit.
  Task<BreakerAnswer> allow(std::string token, BreakerWanted wanted, Duration lease,
                            redis::Patience patience);
  /// Tells how it ended, once for each token. `epoch` is that of the answer, "" for a call that was
  /// not asked for.
  Task<BreakerRecorded> record(std::string token, std::string epoch, BreakerOutcome outcome,
                               std::string reporter, Holder who, BreakerWanted wanted,
                               redis::Patience patience);
  Task<BreakerView> status(int reporters, redis::Patience patience);

  /// Opens it for its recovery time-out.
  Task<BreakerView> trip(std::string token, Holder who, redis::Patience patience);
  /// Opens it for so long; kForever: until it is reset.
  Task<BreakerView> hold_open(std::string token, Duration length, Holder who,
                              redis::Patience patience);
  /// Closes it; not `known` when there was nothing to close.
  Task<BreakerView> reset(std::string token, Holder who, redis::Patience patience);

  const std::string& name() const { return name_; }

 private:
  Task<redis::Answer> ask(const redis::Script& script, std::vector<std::string> args,
                          redis::Patience patience);
  Task<BreakerView> force(std::string token, std::string what, long long length, Holder who,
                          redis::Patience patience);

  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string name_;
};

/// All breakers, in the order of their names, without their reporters.
Task<std::vector<BreakerView>> list_breakers(redis::ScriptRunner& runner, const Keys& keys,
                                             redis::Patience patience);

/// "closed", "open" or "half-open".
const char* breaker_state_word(BreakerState state);

}  // namespace dcoord::primitives
