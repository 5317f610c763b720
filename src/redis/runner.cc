#include "redis/runner.h"

#include <utility>

namespace dcoord::redis {

std::unique_ptr<ScriptRunner> make_runner(Loop& loop, Target target, SessionOptions options) {
  if (target.topology == Target::Topology::cluster) {
    throw config_error(target.server.origin + ": clusters are not supported yet",
                       "give the URL of one server, or of sentinels");
  }
  return make_session(loop, std::move(target), std::move(options));
}

}  // namespace dcoord::redis
