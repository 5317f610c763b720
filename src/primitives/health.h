#pragma once

#include <string>
#include <vector>

#include "base/loop.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// How long each step of a real lock took.
struct LockProbe {
  Duration acquire{}, renew{}, release{};
};

/// Takes, renews, releases and forgets a lock of a name that nobody else uses, and reads an
/// election of that name. Throws what ScriptRunner::run throws, and Error (internal) when the lock
/// does not behave as one.
Task<LockProbe> probe_lock(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys,
                           std::string name, redis::Patience patience);

/// How long the next in line waits from the release until it has the lock; over two connections.
Task<Duration> probe_hand_over(Loop& loop, redis::ScriptRunner& holder, redis::ScriptRunner& waiter,
                               const Keys& keys, std::string name, redis::Patience patience);

/// The commands that the scripts of this dcoord use.
std::vector<std::string> script_commands();

struct RefusedCommand {
  std::string command;
  std::string why;  ///< as the server says it
};
/// Those of script_commands() and of what waiting needs that this user may not run.
Task<std::vector<RefusedCommand>> probe_commands(redis::ScriptRunner& scripts, const Keys& keys,
                                                 std::string name, redis::Patience patience);

}  // namespace dcoord::primitives
