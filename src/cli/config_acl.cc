#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "cli/config_verbs.h"
#include "cli/context.h"
#include "cli/nouns.h"
#include "output/printers.h"
#include "redis/permissions.h"

namespace dcoord::cli {
namespace {

/// Nouns that are about all the others.
constexpr std::string_view kAboutAll[] = {"batch", "health", "locks", "metrics", "top"};

/// The folders of lua/, and the scripts of others, that a noun runs.
std::vector<std::string> parts_of(const std::string& noun, bool several_servers) {
  std::vector<std::string> parts{noun, "index"};
  if (several_servers) parts.emplace_back("quorum");
  if (noun == "elect") parts.emplace_back("lock");
  if (noun == "event") parts.emplace_back("queue/extend");
  return parts;
}

int print_acl(Context& context, const std::vector<std::string>& wanted) {
  const Config& config = context.config();
  std::vector<std::string> parts;
  bool everything = wanted.empty();
  for (const std::string& noun : wanted) {
    const auto& all = nouns();
    const bool known =
        std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == noun; });
    if (!known)
      throw usage_error(fmt::format("there is no noun '{}'", noun), "`dcoord` lists them");
    everything = everything ||
                 std::find(std::begin(kAboutAll), std::end(kAboutAll), noun) != std::end(kAboutAll);
    const auto more = parts_of(noun, config.targets.size() > 1);
    parts.insert(parts.end(), more.begin(), more.end());
  }
  const std::string& user = config.target.server.user;
  const std::string who = user.empty() ? "dcoord" : user;
  const std::string keys = fmt::format("~{}:*", config.key_namespace);
  if (everything) parts.clear();
  const auto rules = redis::permissions(parts, config.targets);
  if (config.format == Config::Format::json) {
    output::Record record;
    record.add("user", who)
        .add("keys", keys)
        .add("rules", fmt::format("{}", fmt::join(rules, " ")));
    context.printer().print(record);
    return to_int(ExitCode::ok);
  }
  output::write_out(fmt::format("ACL SETUSER {} on resetkeys {} resetchannels -@all {}\n", who,
                                keys, fmt::join(rules, " ")));
  return to_int(ExitCode::ok);
}

}  // namespace

Verb config_acl_verb() {
  auto nouns = std::make_shared<std::vector<std::string>>();
  Verb verb;
  verb.name = "acl";
  verb.summary = "the command that makes a Redis user with the fewest permissions that will do";
  verb.usage = "[NOUN...]";
  verb.examples = {"dcoord config acl --user ci lock elect",
                   "redis-cli $(dcoord config acl) '>the password'"};
  verb.declare = [nouns](OptionSet& set) {
    set.positionals("NOUN", *nouns, "what it is to be used for; without one, for everything");
  };
  verb.run = [nouns](Context& context) { return print_acl(context, *nouns); };
  return verb;
}

}  // namespace dcoord::cli
