#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/elect_verbs.h"
#include "cli/nouns.h"
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
    Lock election(context.loop(), context.scripts(), keys, *name, LockKind::elect);
    auto showing = election.show(1000, context.patience());
    const output::Election shown{co_await showing};
    context.printer().print(shown);
    const bool led = shown.leader() != nullptr && shown.view.state == LockView::State::held;
    co_return to_int(led ? ExitCode::ok : ExitCode::no);
  });
  return verb;
}

/// The candidate in line that `id` names: its --candidate, or HOST:PID.
const LockParty* find_candidate(const LockView& view, const std::string& id) {
  for (const auto& party : view.waiters) {
    if (party.who.label == id || fmt::format("{}:{}", party.who.host, party.who.pid) == id)
      return &party;
  }
  return nullptr;
}

struct ResignOptions {
  std::string name, to, request_id;
};

int resign(Context& context, const ResignOptions& o) {
  check_name(o.name, "election name");
  const Keys keys(context.config().key_namespace);
  Lock election(context.loop(), context.scripts(), keys, o.name, LockKind::elect);
  const output::Election shown{context.loop().run(election.show(1000, context.patience()))};
  const LockView& view = shown.view;
  if (view.state != LockView::State::held || shown.leader() == nullptr) {
    throw Error(ExitCode::no, "no_leader", fmt::format("nobody leads election '{}'", o.name));
  }
  std::string successor;
  if (!o.to.empty()) {
    const LockParty* const candidate = find_candidate(view, o.to);
    if (candidate != nullptr) successor = candidate->token;
  }
  Lock::Revoked result{Lock::Revoked::What::no_successor};
  if (o.to.empty() || !successor.empty()) {
    result =
        context.loop().run(election.revoke(view.holders[0].token, successor, context.patience()));
  }
  if (result.what == Lock::Revoked::What::no_successor) {
    throw Error(ExitCode::no, "no_candidate",
                fmt::format("no candidate '{}' stands by in election '{}'", o.to, o.name),
                fmt::format("`dcoord elect show {}` lists them; nothing was changed", o.name));
  }
  if (result.what == Lock::Revoked::What::gone) {
    throw Error(ExitCode::no, "no_leader",
                fmt::format("the leader of election '{}' has just gone", o.name));
  }
  log::note(0, fmt::format("told {} to step down; the next one leads when its command has stopped, "
                           "in {} at the latest",
                           view.holders[0].who.label, format_age(result.lease_left)));
  return to_int(ExitCode::ok);
}

Verb resign_verb() {
  auto o = std::make_shared<ResignOptions>();
  Verb verb;
  verb.name = "resign";
  verb.summary = "make the leader step down: its command is stopped, then the next one leads";
  verb.usage = "NAME [--to CANDIDATE]";
  verb.examples = {"dcoord elect resign scheduler", "dcoord elect resign scheduler --to web3:4711"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "election", o->name, "name of the election");
    auto& to = set.text("--to", "CANDIDATE", o->to, "the candidate that shall lead next");
    to.kind = "candidate";
    to.from_environment = false;
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
  verb.run = [](Context& context) {
    const Keys keys(context.config().key_namespace);
    const auto views = context.loop().run(
        list_locks(context.scripts(), keys, LockKind::elect, 100, context.patience()));
    std::vector<output::Election> elections;
    for (const auto& view : views) elections.push_back({view});
    context.printer().print(elections);
    return to_int(ExitCode::ok);
  };
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
