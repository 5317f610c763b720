#include <fmt/format.h>

#include <memory>
#include <set>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/lock_options.h"
#include "cli/locks_verbs.h"
#include "output/printers.h"
#include "primitives/wait_graph.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using output::Record;

std::vector<Thing> read(Context& context) {
  return find_things(context, ThingFilter().waits_wish());
}

Task<void> pause(Loop& loop) { co_await loop.sleep(500ms); }

std::string step_text(const WaitGraph& graph, const WaitGraph::Cycle& cycle, size_t i) {
  const size_t next = cycle[(i + 1) % cycle.size()].wait;
  const WaitGraph::Wait& wait = graph.waits()[cycle[i].wait];
  const WaitGraph::Step& step = cycle[i];
  std::string text = describe_holder(wait.request->who, std::nullopt) + " " + wait_text(wait);
  const std::string holder =
      step.hold == nullptr ? "" : describe_holder(step.hold->who, std::nullopt);
  if (wait.thing->kind == ThingKind::job) {
    const Thing& before = step.held != nullptr ? *step.held : *graph.waits()[next].thing;
    return text + fmt::format(", after {}{}", thing_name(before),
                              holder.empty() ? ", which waits, too" : ", run by " + holder);
  }
  return text + (holder.empty() ? ", behind the next one in its line" : ", held by " + holder);
}

void add_party(Record& record, const std::string& role, const LockParty& party) {
  record.add(role + "_id", output::holder_id(party))
      .add(role + "_host", party.who.host)
      .add(role + "_pid", static_cast<long long>(party.who.pid))
      .add(role + "_user", party.who.user)
      .add(role + "_command", party.who.command);
}

Record cycle_record(const WaitGraph& graph, const WaitGraph::Cycle& cycle) {
  std::vector<Record> steps;
  for (const auto& step : cycle) {
    const WaitGraph::Wait& wait = graph.waits()[step.wait];
    const LockView& view = wait.thing->view;
    Record record;
    record.add("kind", kind_word(wait.thing->kind)).add("name", view.name);
    record.add("waited_ms", (view.server_time - wait.request->since).count());
    add_party(record, "waiter", *wait.request);
    if (step.hold == nullptr)
      record.add_null("holder_id");  // the next of them has to go first
    else
      add_party(record, "holder", *step.hold);
    if (step.held != nullptr && step.held != wait.thing) record.add("after", step.held->view.name);
    steps.push_back(std::move(record));
  }
  Record record;
  record.add_list("waits", std::move(steps));
  return record;
}

/// The cycles that were there a while ago and still are: what was read between two changes may
/// look like one that never was.
int find(Context& context) {
  std::set<std::string> seen;
  std::vector<WaitGraph::Cycle> cycles;
  std::vector<Thing> things = read(context);
  {
    const WaitGraph graph(things);
    for (const auto& cycle : graph.cycles()) seen.insert(graph.identity(cycle));
  }
  if (!seen.empty()) {
    context.loop().run(pause(context.loop()));
    things = read(context);
  }
  const WaitGraph graph(things);
  for (auto& cycle : graph.cycles()) {
    if (seen.count(graph.identity(cycle)) != 0) cycles.push_back(std::move(cycle));
  }
  if (context.json()) {
    std::vector<Record> records;
    for (const auto& cycle : cycles) records.push_back(cycle_record(graph, cycle));
    context.printer().print(records);
  } else {
    std::string text;
    for (size_t n = 0; n < cycles.size(); ++n) {
      text += fmt::format("deadlock {} of {}:\n", n + 1, cycles.size());
      for (size_t i = 0; i < cycles[n].size(); ++i)
        text += "  " + log::printable(step_text(graph, cycles[n], i)) + "\n";
    }
    output::write_out(text);
  }
  if (cycles.empty()) return to_int(ExitCode::ok);
  log::hint(
      "end one of the commands, or take a lock away: dcoord lock release NAME --force "
      "--holder ID (`dcoord locks why NAME` tells the id)");
  return to_int(ExitCode::no);
}

}  // namespace

Verb locks_deadlocks_verb() {
  Verb verb;
  verb.name = "deadlocks";
  verb.summary = "who waits in a circle and will never go on; exit 1 if anybody does";
  verb.usage = "";
  verb.examples = {"dcoord locks deadlocks", "dcoord locks deadlocks --json"};
  verb.run = [](Context& context) { return find(context); };
  return verb;
}

}  // namespace dcoord::cli
