#pragma once

#include <memory>

#include "redis/script_runner.h"
#include "redis/session.h"
#include "redis/target.h"

namespace dcoord::redis {

/// Runs scripts in a cluster: each on the node that serves the slot of its keys, over one
/// connection a node. What is asked in one call goes to all nodes concerned at the same time. A
/// node that is not known to serve a slot is found by asking another: it says where to go. See
/// make_session for what else holds.
std::unique_ptr<ScriptRunner> make_cluster(Loop& loop, Target target, SessionOptions options);

}  // namespace dcoord::redis
