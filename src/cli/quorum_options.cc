#include "cli/quorum_options.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/context.h"
#include "primitives/quorum.h"

namespace dcoord::cli {

using primitives::LockKind;

void QuorumOptions::declare(OptionSet& o) {
  o.flag("--require-quorum", require_quorum,
         "refuse a single server: it takes --min-nodes of them (-u several times)");
  o.integer("--min-nodes", "N", min_nodes, 2, 99, "of how many servers a majority is enough");
  o.flag("--no-restart-guard", no_restart_guard,
         "with several servers: count those, too, that were restarted so lately that they may have "
         "forgotten a lease");
}

void QuorumOptions::check(const Config& config) const {
  const auto given = static_cast<long long>(config.targets.size());
  if (given >= min_nodes || (given == 1 && !require_quorum)) return;
  throw usage_error(fmt::format("{} server{} named, and --min-nodes is {}", given,
                                given == 1 ? " is" : "s are", min_nodes),
                    "give -u for each of the servers, or `url = [\"redis://a\", ...]` in the "
                    "configuration; with fewer than three, none may be away");
}

Error kept_otherwise(const std::string& what, const primitives::LockRefused& refused) {
  const bool by_others = refused.server.empty();
  const std::string by = by_others              ? "several servers together"
                         : refused.kept.empty() ? refused.server + " alone"
                                                : refused.kept;
  return config_error(
      fmt::format("{} is in use and kept by {}, not by {}", what, by,
                  by_others ? "this server alone" : "the servers that were named here"),
      "all that use it have to name the same servers, and by the same addresses");
}

std::unique_ptr<primitives::LockService> open_lock(Context& context, const primitives::Keys& keys,
                                                   std::string name, LockKind kind,
                                                   const QuorumOptions& options) {
  return open_lock(context.loop(), context.config(), context.runners(), keys, std::move(name), kind,
                   options);
}

std::unique_ptr<primitives::LockService> open_lock(Loop& loop, const Config& config,
                                                   std::vector<redis::ScriptRunner*> runners,
                                                   const primitives::Keys& keys, std::string name,
                                                   LockKind kind, const QuorumOptions& options) {
  if (runners.size() == 1) {
    return std::make_unique<primitives::Lock>(loop, *runners.front(), keys, std::move(name), kind);
  }
  std::vector<std::string> names;
  for (const redis::Target& target : config.targets) names.push_back(server_name(target));
  return std::make_unique<primitives::QuorumLock>(
      loop, std::move(runners), std::move(names), keys, std::move(name), kind,
      primitives::QuorumOptions{.restart_guard = !options.no_restart_guard});
}

}  // namespace dcoord::cli
