#pragma once

#include <memory>

#include "redis/script_runner.h"
#include "redis/session.h"
#include "redis/target.h"

namespace dcoord::redis {

/// Runs scripts where the target says; nobody above needs to know what that is. See make_session
/// for what holds of every runner.
std::unique_ptr<ScriptRunner> make_runner(Loop& loop, Target target, SessionOptions options);

}  // namespace dcoord::redis
