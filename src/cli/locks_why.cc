#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/left_behind.h"
#include "cli/locks_story.h"
#include "cli/locks_verbs.h"
#include "output/printers.h"
#include "primitives/wait_graph.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

/// What has that name, of those kinds: locks and elections in full.
std::vector<Thing> find(Context& context, const ThingFilter& filter, LeftBehind& left_behind) {
  const Keys keys(context.config().key_namespace);
  std::vector<Thing> things;
  SurveyWish others = filter.wish(all_kinds());
  for (const ThingKind kind : {ThingKind::lock, ThingKind::elect}) {
    if (others.kinds.erase(kind) == 0) continue;
    Lock lock(context.loop(), context.scripts(), keys, filter.pattern, lock_kind(kind));
    LockView view = context.loop().run(lock.show(kMostWaiters, context.patience()));
    if (!view.known) continue;
    things.push_back({kind, std::move(view), "", false, "", {}});
    left_behind.judge(things.back());
  }
  // RUN/NAME: without the stroke there is no need to look through all runs.
  if (filter.pattern.find('/') == std::string::npos) others.kinds.erase(ThingKind::job);
  others.listing.waiters = kMostWaiters;
  others.listing.wanted = [&](const std::string& name) { return name == filter.pattern; };
  for (Thing& thing : find_things(context, std::move(others))) things.push_back(std::move(thing));
  return things;
}

int why(Context& context, const ThingFilter& filter) {
  // RUN/NAME may be longer than one name.
  if (filter.pattern.find('/') == std::string::npos) check_name(filter.pattern, "name");
  LeftBehind left_behind;
  const std::vector<Thing> things = find(context, filter, left_behind);
  if (things.empty()) {
    throw Error(
        ExitCode::no, "unknown_name", fmt::format("nothing is known of '{}'", filter.pattern),
        "never used, ended, forgotten, or idle for over a day; `dcoord locks list` has all; "
        "the name of a job is RUN/NAME");
  }
  const bool alone = std::all_of(things.begin(), things.end(), [](const Thing& thing) {
    return thing.view.waiting == 0 && thing.view.holders.empty();
  });
  const auto all = alone ? std::vector<Thing>() : find_things(context, ThingFilter().waits_wish());
  const WaitGraph graph(all);
  for (const Thing& thing : things) {
    if (context.json())
      context.printer().print(story_record(thing, graph, left_behind));
    else
      output::write_out(story_text(thing, graph, left_behind));
  }
  return to_int(ExitCode::ok);
}

}  // namespace

Verb locks_why_verb() {
  auto filter = std::make_shared<ThingFilter>();
  Verb verb;
  verb.name = "why";
  verb.summary = "the story of a name: who has it and had it, who waits and for what, what is odd";
  verb.usage = "NAME [--kind KIND]";
  verb.examples = {"dcoord locks why deploy", "dcoord locks why scheduler --kind elect --json",
                   "dcoord locks why \"$CI_PIPELINE_ID/test\""};
  verb.declare = [filter](OptionSet& set) {
    set.positional("NAME", "lock", filter->pattern, "name of whatever it is; of a job RUN/NAME");
    set.texts("--kind", "KIND", filter->kinds,
              fmt::format("{}; whatever has that name without it", kKindWords));
  };
  verb.run = [filter](Context& context) { return why(context, *filter); };
  return verb;
}

}  // namespace dcoord::cli
