#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/config_verbs.h"
#include "cli/context.h"
#include "cli/nouns.h"

namespace dcoord::cli {
namespace {

struct ShowOptions {
  std::string noun;
  bool origin = false;
};

/// Without a noun: the global options, and what is set of nouns.
bool is_wanted(const Setting& setting, const std::string& noun) {
  const auto dot = setting.name.find('.');
  if (!noun.empty()) return dot != std::string::npos && setting.name.substr(0, dot) == noun;
  return dot == std::string::npos || (!setting.origin.empty() && setting.origin != "default");
}

int show(Context& context, const ShowOptions& options) {
  const auto& known = nouns();
  if (!options.noun.empty() &&
      std::none_of(known.begin(), known.end(),
                   [&](const NounEntry& entry) { return options.noun == entry.name; })) {
    throw usage_error(fmt::format("there is no noun '{}'", log::printable(options.noun)),
                      "dcoord --help lists them");
  }
  std::vector<output::Record> records;
  for (auto& setting : context.config().settings()) {
    if (!is_wanted(setting, options.noun)) continue;
    output::Record record;
    record.add("option", std::move(setting.name)).add("value", std::move(setting.value));
    if (options.origin) record.add("origin", std::move(setting.origin));
    records.push_back(std::move(record));
  }
  context.printer().print(records);
  return 0;
}

Verb show_verb() {
  auto options = std::make_shared<ShowOptions>();
  Verb verb;
  verb.name = "show";
  verb.summary = "show every option with its value: the global ones and what is set, or a noun's";
  verb.usage = "[NOUN] [--origin]";
  verb.examples = {"dcoord config show", "dcoord config show --origin",
                   "dcoord config show lock --origin"};
  verb.declare = [options](OptionSet& set) {
    auto& noun = set.positional("NOUN", "", options->noun, "all options of this noun", false);
    for (const auto& entry : nouns()) noun.choices.emplace_back(entry.name);
    set.flag("--origin", options->origin, "also show where each value comes from")
        .from_environment = false;
  };
  verb.run = [options](Context& context) { return show(context, *options); };
  return verb;
}

}  // namespace

Noun config_noun() {
  Noun noun;
  noun.name = "config";
  noun.summary = "the configuration, put together from options, environment and files";
  noun.examples = {"dcoord config show --origin"};
  noun.verbs.push_back(show_verb());
  noun.verbs.push_back(config_acl_verb());
  return noun;
}

}  // namespace dcoord::cli
