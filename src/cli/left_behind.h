#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "primitives/holder.h"
#include "primitives/thing.h"

namespace dcoord::cli {

/// What can be told from this host about those that hold something.
class LeftBehind {
 public:
  LeftBehind();

  enum class Sign {
    none,      ///< on another host, in another container, or not tied to a process
    rebooted,  ///< this host, going by its name, has been started anew since
    alive,
    gone,  ///< provably: on this boot and in this PID namespace neither supervisor nor guard nor
           ///< any process with its token lives
  };
  Sign sign_of(const primitives::Holder& holder, const std::string& token);

  /// Sets Thing::gone and Thing::why of a lock or an election.
  void judge(primitives::Thing& thing);

 private:
  bool lives(long pid, long long start);

  const primitives::Holder here_;
  std::map<std::pair<long, long long>, bool> lives_;  // one process may hold much
  std::optional<std::string> variables_;              // of all processes; read when first needed
};

/// "host rebooted", "process gone on this host", or "".
const char* sign_text(LeftBehind::Sign sign);

}  // namespace dcoord::cli
