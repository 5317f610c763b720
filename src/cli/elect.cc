#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/elect_verbs.h"
#include "cli/force.h"
#include "cli/nouns.h"
#include "cli/quorum_options.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

Verb show_verb() {
  auto name = std::make_shared<std::string>();
  Verb verb;
  verb.name = "show";
  verb.summary = "who leads and who stands by; exit 1 without a leader";
  verb.usage = "NAME";
  verb.examples = {"dcoord elect show scheduler", "dcoord elect show scheduler --json"};
  verb.declare = [name](OptionSet& set) {
    set.positional("NAME", "election", *name, "name of the election");
  };
  batchable(verb, [name](Context& context) -> Task<int> {
    check_name(*name, "election name");
    const Keys keys(context.config().key_namespace);
    const auto election = open_lock(context, keys, *name, LockKind::elect);
    auto showing = election->show(1000, context.patience());
    LockView view = co_await showing;  // gcc 12 destroys it twice within the braces below
    const output::Election shown{std::move(view)};
    context.printer().print(shown);
    const bool led = shown.leader() != nullptr && shown.view.state == LockView::State::held;
    co_return to_int(led ? ExitCode::ok : ExitCode::no);
  });
  return verb;
}

/// By its --candidate, or HOST:PID.
bool is_called(const LockParty& party, const std::string& id) {
  return party.who.label == id || fmt::format("{}:{}", party.who.host, party.who.pid) == id;
}

/// The candidate in line that `id` names.
const LockParty* find_candidate(const LockView& view, const std::string& id) {
  for (const auto& party : view.waiters) {
    if (is_called(party, id)) return &party;
  }
  return nullptr;
}

struct ResignOptions {
  std::string name, to, holder, request_id;
  bool anyway = false, at_once = false;
};

/// What was told to the leader.
void print_resign(Context& context, const LockView& view, const ResignOptions& o,
                  Millis lease_left) {
  const std::string& leader = view.holders[0].who.label;
  std::string next = view.waiting == 0 ? "it" : "the next one";
  if (!o.to.empty()) next = o.to;
  log::note(0,
            fmt::format("told {} to step down; {} leads{} when its command has stopped, in {} "
                        "at the latest",
                        leader, next, view.waiting == 0 ? " again" : "", format_age(lease_left)));
  if (!context.json()) return;
  output::Record record;
  record.add("name", o.name)
      .add("leader", leader)
      .add("term", view.term)
      .add("waiting", view.waiting)
      .add("lease_ms", static_cast<long long>(lease_left.count()));
  context.printer().print(record);
}

Error no_candidate(const ResignOptions& o, bool leads) {
  return Error(ExitCode::no, "no_candidate",
               leads ? fmt::format("{} leads election '{}' already", o.to, o.name)
                     : fmt::format("no candidate '{}' stands by in election '{}'", o.to, o.name),
               fmt::format("`dcoord elect show {}` lists who stands by; nothing was changed",
                           output::shell_quote(o.name)));
}

int resign(Context& context, const ResignOptions& o) {
  check_name(o.name, "election name");
  const Keys keys(context.config().key_namespace);
  const auto election = open_lock(context, keys, o.name, LockKind::elect);
  if (o.at_once) {
    if (!o.to.empty()) throw usage_error("--break and --to contradict each other");
    return context.loop().run(take_away(context, *election, fmt::format("election '{}'", o.name),
                                        "dcoord elect show " + output::shell_quote(o.name),
                                        o.holder, true));
  }
  if (!o.holder.empty()) throw usage_error("--holder goes with --break");
  const output::Election shown{context.loop().run(election->show(1000, context.patience()))};
  const LockView& view = shown.view;
  if (view.state != LockView::State::held || shown.leader() == nullptr) {
    throw Error(ExitCode::no, "no_leader", fmt::format("nobody leads election '{}'", o.name));
  }
  if (view.waiting == 0 && o.to.empty() && !o.anyway) {
    throw Error(ExitCode::no, "no_candidate",
                fmt::format("nobody stands by in election '{}': {} would only lead again", o.name,
                            view.holders[0].who.label),
                "nothing was changed; --anyway has its command stopped and run again");
  }
  std::string successor;
  if (!o.to.empty()) {
    const LockParty* const candidate = find_candidate(view, o.to);
    if (candidate != nullptr) successor = candidate->token;
  }
  LockService::Revoked result{LockService::Revoked::What::no_successor};
  if (o.to.empty() || !successor.empty()) {
    result =
        context.loop().run(election->revoke(view.holders[0].token, successor, context.patience()));
  }
  if (result.what == LockService::Revoked::What::no_successor)
    throw no_candidate(o, successor.empty() && is_called(view.holders[0], o.to));
  if (result.what == LockService::Revoked::What::gone) {
    throw Error(ExitCode::no, "no_leader",
                fmt::format("the leader of election '{}' has just gone", o.name));
  }
  print_resign(context, view, o, result.lease_left);
  return to_int(ExitCode::ok);
}

Verb resign_verb() {
  auto o = std::make_shared<ResignOptions>();
  Verb verb;
  verb.name = "resign";
  verb.summary = "make the leader step down: its command is stopped, then the next one leads";
  verb.usage = "NAME [--to CANDIDATE | --anyway | --break --holder ID]";
  verb.examples = {"dcoord elect resign scheduler", "dcoord elect resign scheduler --to web3:4711"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "election", o->name, "name of the election");
    auto& to = set.text("--to", "CANDIDATE", o->to, "the candidate that shall lead next");
    to.kind = "candidate";
    to.from_environment = false;
    set.flag("--anyway", o->anyway,
             "also when nobody stands by: the command is stopped, and the same candidate leads "
             "again")
        .from_environment = false;
    set.flag("--break", o->at_once,
             "at once: the next one leads while the leader's command may still run")
        .from_environment = false;
    set.text("--holder", "ID", o->holder, "with --break: the leader's id, as `elect show` lists it")
        .from_environment = false;
    set.text("--request-id", "ID", o->request_id,
             "accepted everywhere; asking again is always safe")
        .from_environment = false;
  };
  verb.run = [o](Context& context) { return resign(context, *o); };
  return verb;
}

Verb list_verb() {
  Verb verb;
  verb.name = "list";
  verb.summary = "all elections";
  verb.examples = {"dcoord elect list", "dcoord elect list --json"};
  batchable(verb, [](Context& context) -> Task<int> {
    const Keys keys(context.config().key_namespace);
    LockListing wish;
    wish.waiters = 100;
    Task<std::vector<LockView>> listing =
        list_locks(context.scripts(), keys, LockKind::elect, std::move(wish), context.patience());
    const std::vector<LockView> views = co_await listing;
    std::vector<output::Election> elections;
    for (const auto& view : views) elections.push_back({view});
    context.printer().print(elections);
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

}  // namespace

Noun elect_noun() {
  Noun noun;
  noun.name = "elect";
  noun.summary = "run a command on the one host that leads";
  noun.examples = {"dcoord elect run scheduler -- ./scheduler", "dcoord elect show scheduler",
                   "dcoord elect watch scheduler --json"};
  noun.verbs = {elect_run_verb("run"), show_verb(), elect_watch_verb(),
                resign_verb(),         list_verb(), elect_run_verb("")};
  return noun;
}

}  // namespace dcoord::cli
