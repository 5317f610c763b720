#include <memory>

#include "cli/context.h"
#include "cli/nouns.h"

namespace dcoord::cli {
namespace {

struct ShowOptions {
  bool origin = false;
};

int show(Context& context, const ShowOptions& options) {
  std::vector<output::Record> records;
  for (auto& setting : context.config().settings()) {
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
  verb.summary = "show every global option with its value";
  verb.usage = "[--origin]";
  verb.examples = {"dcoord config show", "dcoord config show --origin"};
  verb.declare = [options](OptionSet& set) {
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
  return noun;
}

}  // namespace dcoord::cli
