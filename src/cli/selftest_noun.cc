#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "cli/nouns.h"
#include "cli/selftest.h"

namespace dcoord::cli {
namespace {

int report(Context& context, const std::vector<SelfTestPart>& parts, bool chaos, Duration took) {
  std::vector<output::Record> rows;
  long long operations = 0, interrupted = 0, violations = 0;
  for (const SelfTestPart& part : parts) {
    output::Record& row = rows.emplace_back();
    row.add("part", part.name)
        .add("operations", part.operations)
        .add("interrupted", part.interrupted);
    row.add("violations", static_cast<long long>(part.violations.size()));
    row.add("looked_at", part.violations.empty() ? part.promise : part.violations.front());
    operations += part.operations;
    interrupted += part.interrupted;
    violations += static_cast<long long>(part.violations.size());
  }
  const std::string cut =
      chaos ? fmt::format(", {} of them cut off and sent again", interrupted) : "";
  const std::string verdict =
      violations == 0
          ? fmt::format(
                "this server keeps what dcoord promises: {} requests{}, in {}, nothing lost, never "
                "two",
                operations, cut, format_age(took))
          : fmt::format("do not rely on this server: {} promises were broken in {} requests{}",
                        violations, operations, cut);
  output::Record all;
  all.add("verdict", verdict).add_list("parts", std::move(rows));
  context.printer().print(all);
  return to_int(violations == 0 ? ExitCode::ok : ExitCode::no);
}

}  // namespace

Noun selftest_noun() {
  struct Options {
    bool chaos = false;
    long long clients = 4;
    long long rounds = 25;
  };
  auto options = std::make_shared<Options>();
  Verb verb;
  verb.summary = "put your own servers through what dcoord promises";
  verb.usage = "[--chaos]";
  verb.examples = {"dcoord selftest", "dcoord -u redis://db1:6379 selftest --chaos"};
  verb.declare = [options](OptionSet& set) {
    set.flag("--chaos", options->chaos,
             "cut connections in the middle of requests, and send the requests again");
    set.integer("--clients", "N", options->clients, 2, 64,
                "so many contend, each over its own connection");
    set.integer("--rounds", "N", options->rounds, 1, 10000, "so often each");
  };
  verb.run = [options](Context& context) {
    const TimePoint began = context.loop().now();
    SelfTestSettings settings;
    settings.clients = static_cast<int>(options->clients);
    settings.rounds = static_cast<int>(options->rounds);
    settings.chaos = options->chaos;
    const auto parts = context.loop().run(self_test(context, settings));
    return report(context, parts, options->chaos, context.loop().now() - began);
  };
  Noun noun;
  noun.name = "selftest";
  noun.summary = "put your own servers through what dcoord promises; exit 1 if they do not keep it";
  noun.examples = verb.examples;
  noun.verbs.push_back(std::move(verb));
  return noun;
}

}  // namespace dcoord::cli
