#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/barrier_verbs.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/nouns.h"
#include "cli/within.h"
#include "output/printers.h"
#include "primitives/barrier.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

const char* state_word(const BarrierView& view) {
  if (view.complete) return "complete";
  return view.parties == 0 ? "empty" : "waiting";
}

const char* outcome_word(BarrierView::Outcome outcome) {
  switch (outcome) {
    case BarrierView::Outcome::tripped:
      return "tripped";
    case BarrierView::Outcome::broken:
      return "broken";
    case BarrierView::Outcome::reset:
      return "reset";
    case BarrierView::Outcome::none:
      break;
  }
  return "none";
}

Record summary(const BarrierView& view) {
  Record record;
  record.add("name", view.name)
      .add("state", state_word(view))
      .add("generation", view.generation)
      .add("parties", static_cast<long long>(view.parties))
      .add("arrived", static_cast<long long>(view.arrived))
      .add("waiting", static_cast<long long>(view.waiting))
      .add("only_waiting", static_cast<long long>(view.only_waiting))
      .add("last", outcome_word(view.last));
  if (view.last == BarrierView::Outcome::none)
    record.add_null("last_at");
  else
    record.add_time("last_at", view.last_at);
  return record;
}

Record describe(const BarrierParty& party) {
  Record record;
  if (party.arrived)
    record.add("index", static_cast<long long>(party.index)).add("id", party.id);
  else
    record.add_null("index").add_null("id");
  record.add_bool("arrived", party.arrived)
      .add_bool("stays", party.stays)
      .add_bool("waits", party.waits)
      .add_time("since", party.since)
      .add("host", party.who.host)
      .add("pid", static_cast<long long>(party.who.pid))
      .add("user", party.who.user);
  return record;
}

Task<int> arrive(Context& context, const BarrierOptions& o) {
  const Keys keys(context.config().key_namespace);
  Barrier barrier(context.loop(), context.scripts(), keys, o.name);
  auto arriving = barrier.arrive(o.request(), context.patience());
  const auto answer = co_await arriving;
  if (const auto* refused = std::get_if<BarrierRefused>(&answer))
    throw barrier_refusal(o, *refused);
  const auto& arrived = std::get<BarrierArrived>(answer);
  if (!context.json()) {
    output::write_out(fmt::format("{}\n", arrived.index));
    co_return to_int(ExitCode::ok);
  }
  Record record;
  record.add("name", o.name)
      .add("generation", arrived.generation)
      .add("index", static_cast<long long>(arrived.index))
      .add("arrived", static_cast<long long>(arrived.arrived))
      .add("parties", static_cast<long long>(arrived.parties));
  context.printer().print(record);
  co_return to_int(ExitCode::ok);
}

Verb arrive_verb() {
  auto o = std::make_shared<BarrierOptions>();
  Verb verb;
  verb.name = "arrive";
  verb.summary = "count as arrived without waiting; prints the arrival's index, from 0";
  verb.usage = "NAME --parties N [--id ID]";
  verb.examples = {"./batch 7 && dcoord barrier arrive build --parties 20 --id batch-7"};
  verb.declare = [o](OptionSet& set) { o->declare(set); };
  batchable(verb, [o](Context& context) { return arrive(context, *o); });
  return verb;
}

Verb show_verb() {
  auto name = std::make_shared<std::string>();
  Verb verb;
  verb.name = "show";
  verb.summary = "who has arrived and who waits; exit 0, or 1 if nobody";
  verb.usage = "NAME";
  verb.examples = {"dcoord barrier show phase1", "dcoord barrier show phase1 --json"};
  verb.declare = [name](OptionSet& set) {
    set.positional("NAME", "barrier", *name, "name of the barrier");
  };
  batchable(verb, [name](Context& context) -> Task<int> {
    check_name(*name, "barrier name");
    const Keys keys(context.config().key_namespace);
    Barrier barrier(context.loop(), context.scripts(), keys, *name);
    const BarrierView view = co_await barrier.show(kMostParties, context.patience());
    Record record = summary(view);
    record.add("tripped", view.tripped).add("broken", view.broken).add("dropped", view.dropped);
    std::vector<Record> members;
    for (const BarrierParty& party : view.members) members.push_back(describe(party));
    record.add_list("members", std::move(members));
    context.printer().print(record);
    co_return to_int(view.parties > 0 ? ExitCode::ok : ExitCode::no);
  });
  return verb;
}

Verb reset_verb() {
  struct Options {
    std::string name, request_id;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "reset";
  verb.summary = "forget who has arrived and begin anew; those that wait exit 124";
  verb.usage = "NAME";
  verb.examples = {"dcoord barrier reset phase1"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "barrier", o->name, "name of the barrier");
    set.text("--request-id", "ID", o->request_id,
             "identity of this request: run again with the same one, it is done once")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "barrier name");
    const Keys keys(context.config().key_namespace);
    Barrier barrier(context.loop(), context.scripts(), keys, o->name);
    auto resetting = barrier.reset(request_token(o->request_id), this_process(owner_id(), "", ""),
                                   context.patience());
    const BarrierReset result = co_await resetting;
    if (context.json()) {
      Record record;
      record.add("name", o->name)
          .add("generation", result.generation)
          .add("arrived", static_cast<long long>(result.arrived));
      context.printer().print(record);
    }
    co_return to_int(ExitCode::ok);
  });
  return verb;
}

Verb list_verb() {
  Verb verb;
  verb.name = "list";
  verb.summary = "all barriers";
  verb.usage = "";
  verb.examples = {"dcoord barrier list", "dcoord barrier list --json"};
  batchable(verb, [](Context& context) -> Task<int> {
    const Keys keys(context.config().key_namespace);
    const auto views = co_await list_barriers(context.scripts(), keys, 0, context.patience());
    std::vector<Record> records;
    for (const BarrierView& view : views) records.push_back(summary(view));
    context.printer().print(records);
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

}  // namespace

void BarrierOptions::declare(OptionSet& o) {
  o.positional("NAME", "barrier", name, "name of the barrier");
  Option& number = o.integer("--parties", "N", parties, 1, kMostParties,
                             "how many have to arrive; all say the same");
  number.required = true;
  number.default_text = "";
  o.text("--id", "ID", id, "of this party: one that arrives again is the same party");
  o.text("--request-id", "ID", request_id,
         "identity of this request: run again with the same one, an unknown outcome is resolved")
      .from_environment = false;
}

BarrierRequest BarrierOptions::request() const {
  check_name(name, "barrier name");
  if (id) check_name(*id, "--id");
  BarrierRequest r;
  r.token = request_token(request_id);
  r.id = id.value_or(r.token);
  r.parties = static_cast<int>(parties);
  r.who = this_process(owner_id(), "", "");
  r.who.within = within();
  return r;
}

Error barrier_refusal(const BarrierOptions& o, const BarrierRefused& refused) {
  switch (refused.why) {
    case BarrierRefused::Why::parties:
      return Error(ExitCode::data, "parties",
                   fmt::format("barrier '{}' is in use with --parties {}, not with --parties {}",
                               o.name, refused.parties, o.parties),
                   fmt::format("all parties of a generation say the same number; `dcoord barrier "
                               "reset {}` begins anew",
                               o.name));
    case BarrierRefused::Why::complete:
      return Error(
          ExitCode::refused, "complete",
          fmt::format(
              "all {} parties of barrier '{}' have arrived, and nobody has waited for them yet",
              refused.parties, o.name),
          fmt::format("`dcoord barrier wait {} --parties {} --no-arrive` takes it, `dcoord barrier "
                      "reset {}` drops it",
                      o.name, refused.parties, o.name));
    case BarrierRefused::Why::gone:
      break;
  }
  return Error(
      ExitCode::timed_out, "gone",
      fmt::format("this request at barrier '{}' is over: it gave up, or its party came again",
                  o.name),
      "use a new --request-id for a new request");
}

Noun barrier_noun() {
  Noun noun;
  noun.name = "barrier";
  noun.summary = "wait until N parties have arrived";
  noun.examples = {"dcoord barrier wait phase1 --parties 8",
                   "dcoord barrier arrive build --parties 20 --id batch-7",
                   "dcoord barrier wait build --parties 20 --no-arrive && ./merge-results"};
  noun.verbs = {barrier_wait_verb(), arrive_verb(), show_verb(), reset_verb(), list_verb()};
  return noun;
}

}  // namespace dcoord::cli
