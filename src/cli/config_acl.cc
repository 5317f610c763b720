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

/// The folders of lua/ whose scripts a noun runs.
std::vector<std::string> folders_of(const std::string& noun) {
  std::vector<std::string> folders{noun, "index", "quorum"};
  if (noun == "locks" || noun == "elect") folders.emplace_back("lock");
  return folders;
}

int print_acl(Context& context, const std::vector<std::string>& wanted) {
  std::vector<std::string> folders;
  for (const std::string& noun : wanted) {
    const auto& all = nouns();
    const bool known =
        std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == noun; });
    if (!known)
      throw usage_error(fmt::format("there is no noun '{}'", noun), "`dcoord` lists them");
    const auto more = folders_of(noun);
    folders.insert(folders.end(), more.begin(), more.end());
  }
  const Config& config = context.config();
  const std::string& user = config.target.server.user;
  const std::string who = user.empty() ? "dcoord" : user;
  const std::string keys = fmt::format("~{}:*", config.key_namespace);
  const auto rules = redis::permissions(folders, config.targets);
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
