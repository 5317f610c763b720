#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/task.h"
#include "hold/start_state.h"

namespace dcoord::hold {

/// Runs `/bin/sh -c script` with `env` added, for at most `limit` (then its process group is
/// killed), and returns its wait status; -1 when it could not be started. Not while a Supervisor
/// runs a command.
Task<int> run_hook(Loop& loop, const StartState& start, std::string script,
                   std::vector<std::pair<std::string, std::string>> env, Duration limit);

}  // namespace dcoord::hold
