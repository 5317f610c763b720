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

/// A value as it was found. Versions only rise, over deletion and loss of all data too.
struct StateValue {
  std::string name;
  bool present = false;  ///< false: deleted, expired or never set
  std::string bytes;
  std::string version = "0";   ///< decimal; "0": nothing is known of it
  long long changes = 0;       ///< so many since something is known of it
  Millis at{};                 ///< of the last change, wall clock of the server
  std::optional<Millis> left;  ///< until it expires
  Holder writer;
};

/// What a write may depend on.
struct StateGuard {
  std::string token;  ///< identifies the request: asked again, it is done once
  std::string fence;  ///< decimal, "" for none
  std::string lock;   ///< its name, "" for none
  std::string lock_token;
  Holder who;
};

struct StateChange {
  bool deletes = false;
  std::string bytes;
  Duration ttl{};  ///< zero: none
  bool if_absent = false;
  std::string if_version;  ///< "" for any, "0": there is none
  std::optional<std::string> if_value;
};

struct StateIncrement {
  long long by = 1;
  std::optional<long long> least, most;
  Duration ttl{};  ///< zero: what it has
};

struct StateWritten {
  std::string version;
  std::string number;  ///< incr: what it is now
};
/// Not written.
struct StateRefused {
  enum class Why {
    absent,   ///< delete: there is none
    exists,   ///< if_absent
    version,  ///< if_version
    differs,  ///< if_value; `bytes` is what it is
    bound,    ///< incr: beyond a bound; `number` is what it is
    no_integer,
    overflow,
    fenced,    ///< `number` is the fencing token that has written
    unlocked,  ///< the token does not hold the lock
  };
  Why why;
  std::string version;
  std::string number;
  std::string bytes{};
};
using StateAnswer = std::variant<StateWritten, StateRefused>;

/// One value over its scripts. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class State {
 public:
  State(Loop& loop, redis::ScriptRunner& runner, const Keys& keys, std::string name);

  Task<StateValue> get(redis::Patience patience);
  Task<StateAnswer> set(StateChange change, StateGuard guard, redis::Patience patience);
  Task<StateAnswer> incr(StateIncrement increment, StateGuard guard, redis::Patience patience);

  /// The value as soon as its version is another than `known`; nothing when `until` came first. The
  /// newest is never missed, those in between may be. `first` bounds the first answer; afterwards a
  /// lost connection is retried until `until`.
  Task<std::optional<StateValue>> next(std::string known, std::string token, TimePoint until,
                                       redis::Patience first);

  const std::string& name() const { return name_; }

 private:
  Task<redis::Answer> write(const redis::Script& script, std::vector<std::string> args,
                            std::string lock, redis::Patience patience);

  Loop& loop_;
  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string name_;
};

/// A value of many: what a list shows of it, and no more.
struct ListedValue {
  std::string name;
  std::string bytes;
  long long version = 0;
  Millis at{};                 ///< of the last change, wall clock of the server
  std::optional<Millis> left;  ///< until it expires
  std::string host;            ///< of the last change
  long pid = 0;
};

/// All values that there are whose names begin with `prefix`, in the order of their names; `bytes`
/// only if asked for.
Task<std::vector<ListedValue>> list_values(redis::ScriptRunner& runner, const Keys& keys,
                                           std::string prefix, bool bytes,
                                           redis::Patience patience);

}  // namespace dcoord::primitives
