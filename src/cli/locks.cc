#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string_view>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/glob.h"
#include "cli/left_behind.h"
#include "cli/locks_verbs.h"

namespace dcoord::cli {

using namespace primitives;
using namespace std::chrono_literals;

void ThingFilter::declare(OptionSet& set, bool option) {
  set.positional("PATTERN", "lock", pattern,
                 "names, as a pattern: * is anything, ? one character; of jobs RUN/NAME", false);
  if (!option) return;
  set.texts("--kind", "KIND", kinds,
            fmt::format("only these: {}; may be given several times", kKindWords));
}

SurveyWish ThingFilter::wish(std::vector<ThingKind> usual) const {
  SurveyWish wish;
  wish.kinds.clear();
  const auto known = all_kinds();
  for (const auto& word : kinds) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](ThingKind kind) { return word == kind_word(kind); });
    if (found == known.end()) {
      throw usage_error(fmt::format("--kind: there is no kind '{}'", log::printable(word)),
                        kKindWords);
    }
    wish.kinds.insert(*found);
  }
  if (kinds.empty()) wish.kinds.insert(usual.begin(), usual.end());
  if (!pattern.empty()) {
    wish.listing.wanted = [wanted = pattern](const std::string& name) {
      return glob_matches(wanted, name);
    };
  }
  return wish;
}

SurveyWish ThingFilter::held_wish() const {
  SurveyWish held = wish({ThingKind::lock, ThingKind::elect});
  for (const ThingKind kind : held.kinds) {
    if (kind == ThingKind::lock || kind == ThingKind::elect) continue;
    throw usage_error(
        fmt::format("--kind {}: this is for locks and elections", kind_word(kind)),
        fmt::format("`dcoord {} --help` lists what there is to see and do", kind_word(kind)));
  }
  return held;
}

SurveyWish ThingFilter::waits_wish() const {
  SurveyWish waits = wish({ThingKind::lock, ThingKind::elect, ThingKind::job, ThingKind::barrier});
  waits.listing.waiters = kMostWaiters;
  return waits;
}

std::vector<ThingKind> all_kinds() {
  return {ThingKind::lock,    ThingKind::elect, ThingKind::job,
          ThingKind::barrier, ThingKind::queue, ThingKind::breaker};
}

std::vector<Thing> find_things(Context& context, SurveyWish wish) {
  return context.loop().run(finding_things(context, std::move(wish)));
}

Task<std::vector<Thing>> finding_things(Context& context, SurveyWish wish) {
  const Keys keys(context.config().key_namespace);
  // A long list is many answers, each of which comes soon.
  const redis::Patience patience = context.patience(context.config().command_timeout + 30s);
  Task<Survey> surveying =
      survey(context.loop(), context.scripts(), keys, std::move(wish), patience);
  Survey found = co_await surveying;
  std::vector<Thing> things = things_of(std::move(found));
  LeftBehind left_behind;
  for (Thing& thing : things) left_behind.judge(thing);
  co_return things;
}

const char* kind_name(ThingKind kind) {
  return kind == ThingKind::elect ? "election" : kind_word(kind);
}

std::string thing_name(const Thing& thing) {
  return fmt::format("{} '{}'", kind_name(thing.kind), log::printable(thing.view.name));
}

std::string wait_text(const WaitGraph::Wait& wait) {
  const Thing& thing = *wait.thing;
  const std::string time = format_age(thing.view.server_time - wait.request->since);
  if (thing.kind == ThingKind::job)
    return fmt::format("waits to run {} for {}", thing_name(thing), time);
  if (thing.kind == ThingKind::barrier)
    return fmt::format("waits at {} for {}, {}", thing_name(thing), time, thing.detail);
  return fmt::format("waits for {} for {}", thing_name(thing), time);
}

LockKind lock_kind(ThingKind kind) {
  return kind == ThingKind::elect ? LockKind::elect : LockKind::lock;
}

void confirm(bool yes, const std::string& question, const char* refusal) {
  if (yes) return;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0)
    throw usage_error(question, "say that this is meant with --yes");
  log::note(0, question + " Type yes:");
  char line[16] = {};
  if (std::fgets(line, sizeof line, stdin) == nullptr || std::string_view(line) != "yes\n")
    throw Error(ExitCode::refused, "not_confirmed", refusal);
}

Noun locks_noun() {
  Noun noun;
  noun.name = "locks";
  noun.summary = "see all that is held and waited for, and repair";
  noun.examples = {"dcoord locks list", "dcoord locks why deploy", "dcoord locks stats 'build-*'",
                   "dcoord locks release-stale --dry-run"};
  noun.verbs = {locks_list_verb(),  locks_why_verb(),   locks_deadlocks_verb(),
                locks_graph_verb(), locks_stats_verb(), locks_release_stale_verb()};
  return noun;
}

}  // namespace dcoord::cli
