#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/token.h"
#include "cli/context.h"
#include "cli/left_behind.h"
#include "cli/lock_options.h"
#include "cli/locks_verbs.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;
using Leftover = Lock::Leftover;
using Reclaimed = Lock::Reclaimed;

struct ReleaseOptions {
  ThingFilter filter;
  Duration older_than{};
  bool dry_run = false, yes = false;
  std::string request_id;
};

/// A hold, or the last one of a lock, that is provably left behind.
struct Finding {
  const Thing* thing = nullptr;
  const LockParty* party = nullptr;
  Leftover leftover;
  std::string why;
};

/// Since its lease ended; of one that is gone before, since it gave a sign of life: was renewed.
Duration age_of(const LockParty& party) {
  return party.lease_left <= Millis(0) ? -party.lease_left : party.ttl - party.lease_left;
}

std::vector<Finding> find(const std::vector<Thing>& things, const ReleaseOptions& o) {
  LeftBehind left_behind;
  std::vector<Finding> found;
  for (const Thing& thing : things) {
    for (const LockParty& party : thing.view.holders) {
      const bool over = party.lease_left <= Millis(0);
      if (party.offered || party.resting || age_of(party) < o.older_than) continue;
      // Of one that lives on a booted host or in another container nothing is known from here.
      if (!over && left_behind.sign_of(party.who, party.token) != LeftBehind::Sign::gone) continue;
      Finding finding{&thing, &party, {}, thing.why};
      finding.why = over ? output::stale_text(thing) : sign_text(LeftBehind::Sign::gone);
      finding.leftover.proof = over ? Leftover::Proof::ended : Leftover::Proof::gone;
      if (!over) finding.leftover.token = party.token;
      finding.leftover.ends = thing.view.server_time + party.lease_left;
      finding.leftover.least_age = o.older_than;
      found.push_back(std::move(finding));
      if (over) break;  // what has ended is cleared at one go
    }
  }
  return found;
}

Record to_record(const Finding& finding, const std::string& outcome) {
  const Thing& thing = *finding.thing;
  Record record;
  record.add("name", thing.view.name)
      .add("kind", kind_word(thing.kind))
      .add("holder", describe_holder(finding.party->who, std::nullopt))
      .add("stale", finding.why)
      .add("waiters", thing.view.waiting)
      .add("outcome", outcome);
  return record;
}

const char* outcome_word(const Reclaimed& result) {
  switch (result.what) {
    case Reclaimed::What::reclaimed:
      return result.handed_on ? "released, handed to the next in line" : "released";
    case Reclaimed::What::renewed:
      return "left alone: it was renewed meanwhile";
    case Reclaimed::What::younger:
      return "left alone: younger";
    case Reclaimed::What::gone:
      return "left alone: not there any more";
  }
  return "";
}

int release_stale(Context& context, const ReleaseOptions& o) {
  const auto things = find_things(context, o.filter.held_wish());
  std::vector<Finding> findings = find(things, o);
  std::vector<Record> records;
  if (findings.empty()) {
    context.printer().print(records);
    log::note(0, "nothing is provably stale");
    return to_int(ExitCode::ok);
  }
  if (o.dry_run || !o.yes) {
    for (const Finding& finding : findings)
      records.push_back(to_record(finding, o.dry_run ? "would be released" : "to be released"));
    context.printer().print(records);
    if (o.dry_run) return to_int(ExitCode::ok);
    std::fflush(stdout);
  }
  confirm(o.yes, fmt::format("These {} are released.", findings.size()), "nothing was released");
  records.clear();
  const Keys keys(context.config().key_namespace);
  const Holder by = this_process(random_token(), "dcoord locks release-stale", "");
  for (Finding& finding : findings) {
    const Thing& thing = *finding.thing;
    Lock lock(context.loop(), context.scripts(), keys, thing.view.name, lock_kind(thing.kind));
    finding.leftover.by = by;
    const auto result =
        context.loop().run(lock.reclaim(std::move(finding.leftover), context.patience()));
    records.push_back(to_record(finding, outcome_word(result)));
  }
  context.printer().print(records);
  return to_int(ExitCode::ok);
}

}  // namespace

Verb locks_release_stale_verb() {
  auto o = std::make_shared<ReleaseOptions>();
  Verb verb;
  verb.name = "release-stale";
  verb.summary = "release what is provably left behind, and nothing that may be alive";
  verb.usage = "[PATTERN] [--older-than DUR] [--dry-run] [--yes]";
  verb.examples = {"dcoord locks release-stale --dry-run",
                   "dcoord locks release-stale 'build-*' --older-than 10m --yes"};
  verb.declare = [o](OptionSet& set) {
    o->filter.declare(set);
    set.duration("--older-than", o->older_than,
                 "only if the lease has been over that long, or was last renewed so long ago");
    set.flag("--dry-run", o->dry_run, "only show what would be released").from_environment = false;
    set.flag("--yes", o->yes, "do not ask").from_environment = false;
    set.text("--request-id", "ID", o->request_id, "accepted everywhere; releasing again is safe")
        .from_environment = false;
  };
  verb.run = [o](Context& context) { return release_stale(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
