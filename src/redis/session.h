#pragma once

#include <memory>
#include <string>

#include "base/loop.h"
#include "redis/script_runner.h"
#include "redis/target.h"

namespace dcoord::redis {

struct SessionOptions {
  Duration connect_timeout =
      std::chrono::seconds(5);  ///< one attempt to connect, name look-up and TLS included
  Duration command_timeout = std::chrono::seconds(5);  ///< one attempt to get an answer
  std::string client_name = "dcoord";                  ///< CLIENT SETNAME, best effort
  int replicas = 0;  ///< how many have to acknowledge what a Call has `confirm` for
  Duration replica_timeout = std::chrono::seconds(1);  ///< and within which time
  bool refuse_eviction = false;  ///< throw Error (78) before anything is run on a server that may
                                 ///< drop keys when its memory is full
};

/// Runs scripts on one server (given, or the master that sentinels name) over one connection that
/// is opened when needed and opened again when it broke.
///
/// Every error ends a connection for good: a late reply can never be taken for the next one's. What
/// a reply means is decided in classify.h. A cancelled run or wait_message leaves no request behind
/// on a connection that is used again.
///
/// It does one thing at a time (a second one throws Error, internal) and outlives the tasks that it
/// gives. Of `local:` it sees to it that the server runs.
std::unique_ptr<ScriptRunner> make_session(Loop& loop, Server server, SessionOptions options);
std::unique_ptr<ScriptRunner> make_session(Loop& loop, Target target, SessionOptions options);

}  // namespace dcoord::redis
