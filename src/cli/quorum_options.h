#pragma once

#include <memory>
#include <string>

#include "cli/options.h"
#include "primitives/lock.h"

namespace dcoord::cli {

class Context;
struct Config;

/// What whoever holds something asks of several servers that keep it together.
struct QuorumOptions {
  bool require_quorum = false;
  long long min_nodes = 3;
  bool no_restart_guard = false;

  void declare(OptionSet& options);
  /// Throws Error (64) when the servers that were named are too few.
  void check(const Config& config) const;
};

/// Who is in it keeps `what` ("lock 'x'") on other servers than the caller (78): two that do not
/// agree on where it is would both get it.
Error kept_otherwise(const std::string& what, const primitives::LockRefused& refused);

/// The lock or election of that name, on the one server or the several of the configuration. All
/// but the name must outlive it.
std::unique_ptr<primitives::LockService> open_lock(Context& context, const primitives::Keys& keys,
                                                   std::string name, primitives::LockKind kind,
                                                   const QuorumOptions& options = {});
/// The same on another loop than the context's, over these connections.
std::unique_ptr<primitives::LockService> open_lock(Loop& loop, const Config& config,
                                                   std::vector<redis::ScriptRunner*> runners,
                                                   const primitives::Keys& keys, std::string name,
                                                   primitives::LockKind kind,
                                                   const QuorumOptions& options);

}  // namespace dcoord::cli
