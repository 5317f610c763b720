#include "redis/runner.h"

#include <utility>

#include "redis/cluster.h"

namespace dcoord::redis {

std::unique_ptr<ScriptRunner> make_runner(Loop& loop, Target target, SessionOptions options) {
  if (target.topology == Target::Topology::cluster)
    return make_cluster(loop, std::move(target), std::move(options));
  return make_session(loop, std::move(target), std::move(options));
}

}  // namespace dcoord::redis
