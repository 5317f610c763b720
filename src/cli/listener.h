#pragma once

#include <memory>
#include <string>
#include <vector>

#include "primitives/servers.h"
#include "redis/script_runner.h"

namespace dcoord::cli {

/// Hears, over connections of its own, that a hold was taken away.
class Listener {
 public:
  using Runners = std::vector<std::unique_ptr<redis::ScriptRunner>>;
  Listener(Loop& loop, Runners runners);

  Task<bool> heard_revoked(std::string mailbox, TimePoint until) {
    return servers_.hear(std::move(mailbox), "revoked", until);
  }

 private:
  Runners runners_;
  primitives::Servers servers_;
};

}  // namespace dcoord::cli
