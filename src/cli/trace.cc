#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/nouns.h"
#include "cli/trace_sink.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct TraceVerbOptions {
  std::string name, kind;
  Duration since = kForever;
};

output::Record row_of(const TraceEvent& event) {
  output::Record row;
  row.add("time", output::rfc3339(event.at.value_or(Millis(0))))
      .add("kind", event.kind)
      .add("event", event.event == event.result || event.result.empty() || event.result == "new"
                        ? event.event
                        : fmt::format("{} ({})", event.event, event.result))
      .add("who", event.who)
      .add("id", event.token.substr(0, 12))
      .add("fence", event.fence ? std::to_string(*event.fence) : "-")
      .add("lease",
           event.lease_end && event.at ? format_age(*event.lease_end - *event.at) + " left" : "-");
  if (!event.error.empty()) row.add("error", event.error);
  return row;
}

/// Since when, by the server's clock.
Millis since_when(Context& context, Duration since) {
  if (since == kForever) return Millis(0);
  std::vector<std::vector<std::string>> commands{{"TIME"}};
  const auto answers =
      context.loop().run(context.scripts().run_commands(std::move(commands), context.patience()));
  const redis::Reply& time = answers.front().reply;
  return Millis(time.at(0).number() * 1000) - std::chrono::duration_cast<Millis>(since);
}

int run(Context& context, const TraceVerbOptions& o) {
  check_name(o.name, "name");
  const Keys keys(context.config().key_namespace);
  const auto events = context.loop().run(read_trace(
      context.scripts(), keys, o.name, o.kind, since_when(context, o.since), context.patience()));
  const bool json = context.json();
  std::vector<output::Record> rows;
  for (const auto& event : events) {
    if (json)
      output::write_out(output::json_text(trace_record(event)) + "\n");
    else
      rows.push_back(row_of(event));
  }
  if (!json) context.printer().print(rows);
  for (const auto& overlap : overlaps(events)) {
    log::warning(fmt::format(
        "{} '{}': {} was granted fence {} at {}, while {} had it with fence {} until {}",
        overlap.second.kind, o.name, overlap.second.who, overlap.second.fence.value_or(0),
        output::rfc3339(*overlap.second.at), overlap.first.who, overlap.first.fence.value_or(0),
        output::rfc3339(overlap.ended)));
  }
  if (!events.empty()) return to_int(ExitCode::ok);
  log::hint(
      fmt::format("nothing is recorded of '{}'; --trace-stream (DCOORD_TRACE_STREAM=1) has "
                  "what is done be recorded",
                  o.name));
  return to_int(ExitCode::no);
}

}  // namespace

Noun trace_noun() {
  auto o = std::make_shared<TraceVerbOptions>();
  Verb verb;
  verb.summary =
      "what was decided about a name, merged over all hosts; exit 1 if nothing is recorded";
  verb.usage = "NAME [--since DUR] [--kind KIND]";
  verb.examples = {"dcoord lock run deploy --trace-stream -- make deploy",
                   "dcoord trace deploy --since 1h", "dcoord trace deploy --kind lock --json"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "lock", o->name, "name of the lock, the election, or what it is");
    set.duration("--since", o->since, "only what was decided within this time");
    auto& kind =
        set.text("--kind", "KIND", o->kind, "only of this kind, such as lock, elect or queue");
    kind.choices = trace_kinds();
  };
  verb.run = [o](Context& context) { return run(context, *o); };
  Noun noun;
  noun.name = "trace";
  noun.summary = verb.summary;
  noun.examples = verb.examples;
  noun.verbs = {verb};
  return noun;
}

}  // namespace dcoord::cli
