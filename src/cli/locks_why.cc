#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/left_behind.h"
#include "cli/lock_options.h"
#include "cli/locks_verbs.h"
#include "output/printers.h"
#include "primitives/wait_graph.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

constexpr size_t kShown = 10;  // waiters that the story tells one by one

const char* event_word(LockEvent::What what) {
  switch (what) {
    case LockEvent::What::released:
      return "released";
    case LockEvent::What::lost:
      return "lost";
    case LockEvent::What::revoked:
      return "revoked";
    case LockEvent::What::broken:
      return "broken";
    case LockEvent::What::reclaimed:
      return "reclaimed";
  }
  return "ended";
}

std::string event_text(const LockEvent& event, Millis now) {
  std::string text = describe_holder(event.who, std::nullopt);
  const std::string ago = format_age(now - event.at) + " ago";
  const std::string held = " held it for " + format_age(event.at - event.since);
  const std::string by = describe_holder(event.by, std::nullopt);
  switch (event.what) {
    case LockEvent::What::released:
      return text + held + ", released " + ago;
    case LockEvent::What::lost:
      return text + " lost it: its lease was over, noticed " + ago;
    case LockEvent::What::revoked:
      return fmt::format("{} was asked to stop by {} {}", text, by, ago);
    case LockEvent::What::broken:
      return fmt::format("{}{}, until {} took it away by force {}", text, held, by, ago);
    case LockEvent::What::reclaimed:
      return fmt::format("{} had left it behind, {} released it {}", text, by, ago);
  }
  return text + held;
}

/// All lines of the story, escaped when they are written.
class Story {
 public:
  Story(const Thing& thing, const std::vector<Thing>& all, LeftBehind& left_behind)
      : thing_(thing), view_(thing.view), left_behind_(left_behind), graph_(all) {}

  std::string text() {
    head();
    for (const LockParty& p : view_.holders) holder(p);
    fence();
    line();
    deadlock();
    if (!view_.log.empty()) say("latest first:");
    for (const LockEvent& event : view_.log) say("  " + event_text(event, view_.server_time));
    return std::move(text_);
  }

 private:
  void say(const std::string& line) { text_ += log::printable(line) + "\n"; }

  void head() {
    std::string line =
        fmt::format("{}: {}", thing_name(thing_), output::state_word(thing_.state()));
    if (view_.limit > 0) line += fmt::format(", {} slots", view_.limit);
    if (thing_.kind == ThingKind::elect) line += fmt::format(", term {}", view_.term);
    const std::string why = output::stale_text(thing_);
    if (thing_.state() == LockView::State::stale && !why.empty()) line += ": " + why;
    say(line);
  }

  void holder(const LockParty& p) {
    const Duration held = view_.server_time - p.since;
    const bool over = p.lease_left <= Millis(0);
    std::string line =
        fmt::format("{} {}, user {}, {}", over ? "last held by" : "held by",
                    describe_holder(p.who, std::nullopt), p.who.user, output::mode_word(p.mode));
    if (p.offered) line += ", offered and not claimed yet";
    if (p.revoked) line += ", asked to stop by an operator";
    say(line);
    if (over)
      say(fmt::format("  since {} ago; its lease was over {} ago", format_age(held),
                      format_age(-p.lease_left)));
    else
      say(fmt::format("  for {}{}; its lease has {} left", format_age(held), usual(held),
                      format_age(p.lease_left)));
    const std::string sign = sign_text(left_behind_.sign_of(p.who, p.token));
    if (!sign.empty()) say("  " + sign);
    if (!p.who.link.empty()) say("  see " + p.who.link);
    say("  id " + output::holder_id(p));
  }

  std::string usual(Duration held) const {
    if (view_.holds.total() == 0) return "";
    const Duration p95 = view_.holds.percentile(0.95);
    return fmt::format(" (usually p50 {}, p95 {}{})", format_age(view_.holds.percentile(0.5)),
                       format_age(p95), held > p95 ? ": longer than usual" : "");
  }

  /// Whether somebody got it after the one that is shown, so that a write of that one is late.
  void fence() {
    if (view_.fence == 0) return;
    const bool newest = std::any_of(view_.holders.begin(), view_.holders.end(),
                                    [&](const LockParty& p) { return p.fence == view_.fence; });
    if (view_.holders.empty())
      say(fmt::format("fence {}: nobody has it", view_.fence));
    else if (newest)
      say(fmt::format("fence {}: nobody has got it since", view_.fence));
    else
      say(fmt::format("fence {}: it has moved on, {} is behind", view_.fence,
                      view_.holders[0].fence));
  }

  void line() {
    if (view_.waiting == 0) return say("nobody waits");
    const Histogram& waits = view_.waits;
    say(fmt::format("{} waiting{}:", view_.waiting,
                    waits.total() == 0 ? ""
                                       : fmt::format(" (usually p50 {}, p95 {})",
                                                     format_age(waits.percentile(0.5)),
                                                     format_age(waits.percentile(0.95)))));
    for (size_t i = 0; i < std::min(kShown, view_.waiters.size()); ++i) {
      const LockParty& p = view_.waiters[i];
      say(fmt::format("  {}. {} for {}, {}", i + 1, describe_holder(p.who, std::nullopt),
                      format_age(view_.server_time - p.since), output::mode_word(p.mode)));
    }
    const auto more = view_.waiting - static_cast<long long>(kShown);
    if (more > 0) say(fmt::format("  and {} more", more));
  }

  void deadlock() {
    const auto& waits = graph_.waits();
    for (const auto& cycle : graph_.cycles()) {
      const bool here = std::any_of(cycle.begin(), cycle.end(), [&](const auto& step) {
        return waits[step.wait].thing->kind == thing_.kind &&
               waits[step.wait].thing->view.name == view_.name;
      });
      if (!here) continue;
      std::string names;
      for (const auto& step : cycle)
        names += (names.empty() ? "" : ", ") + thing_name(*waits[step.wait].thing);
      say(fmt::format("deadlock over {}: see `dcoord locks deadlocks`", names));
    }
  }

  const Thing& thing_;
  const LockView& view_;
  LeftBehind& left_behind_;
  const WaitGraph graph_;
  std::string text_;
};

void add_percentiles(Record& record, const std::string& what, const Histogram& h) {
  record.add(what + "_p50_ms", to_ms(h.percentile(0.5)))
      .add(what + "_p95_ms", to_ms(h.percentile(0.95)));
}

std::vector<Record> events_of(const LockView& view) {
  std::vector<Record> events;
  for (const LockEvent& event : view.log) {
    Record record;
    record.add("event", event_word(event.what)).add_time("at", event.at);
    record.add("held_ms", (event.at - event.since).count()).add("fence", event.fence);
    record.add("host", event.who.host)
        .add("pid", static_cast<long long>(event.who.pid))
        .add("user", event.who.user)
        .add("command", event.who.command)
        .add("by_host", event.by.host)
        .add("by_user", event.by.user);
    events.push_back(std::move(record));
  }
  return events;
}

Record story_record(const Thing& thing, LeftBehind& left_behind) {
  const LockView& view = thing.view;
  Record record;
  record.add("kind", kind_word(thing.kind)).add("name", view.name);
  record.add("state", output::state_word(thing.state())).add("why", output::stale_text(thing));
  record.add("fence", view.fence).add("waiting", view.waiting);
  std::vector<Record> holders, waiters;
  for (const LockParty& p : view.holders) {
    Record holder;
    holder.add("id", output::holder_id(p)).add("host", p.who.host);
    holder.add("pid", static_cast<long long>(p.who.pid)).add("user", p.who.user);
    holder.add("command", p.who.command).add("link", p.who.link);
    holder.add("held_ms", (view.server_time - p.since).count());
    holder.add("lease_ms", p.lease_left.count()).add("fence", p.fence);
    holder.add("sign", sign_text(left_behind.sign_of(p.who, p.token)));
    holders.push_back(std::move(holder));
  }
  for (const LockParty& p : view.waiters) {
    Record waiter;
    waiter.add("id", output::holder_id(p)).add("host", p.who.host);
    waiter.add("pid", static_cast<long long>(p.who.pid)).add("user", p.who.user);
    waiter.add("command", p.who.command);
    waiter.add("waited_ms", (view.server_time - p.since).count());
    waiters.push_back(std::move(waiter));
  }
  record.add_list("holders", std::move(holders)).add_list("waiters", std::move(waiters));
  add_percentiles(record, "hold", view.holds);
  add_percentiles(record, "wait", view.waits);
  record.add_list("events", events_of(view));
  return record;
}

/// The lock and the election of that name, in full: those that are known.
std::vector<Thing> find(Context& context, const ThingFilter& filter, LeftBehind& left_behind) {
  const Keys keys(context.config().key_namespace);
  std::vector<Thing> things;
  for (const ThingKind kind : filter.held_wish().kinds) {
    Lock lock(context.loop(), context.scripts(), keys, filter.pattern, lock_kind(kind));
    LockView view = context.loop().run(lock.show(1000, context.patience()));
    if (!view.known) continue;
    things.push_back({kind, std::move(view), "", false, ""});
    left_behind.judge(things.back());
  }
  return things;
}

int why(Context& context, const ThingFilter& filter) {
  check_name(filter.pattern, "name");
  LeftBehind left_behind;
  const std::vector<Thing> things = find(context, filter, left_behind);
  if (things.empty()) {
    throw Error(ExitCode::no, "unknown_name",
                fmt::format("nothing is known of a lock or election '{}'", filter.pattern),
                "never used, forgotten, or idle for over a day; `dcoord locks list` has all");
  }
  if (context.config().format == Config::Format::json) {
    for (const Thing& thing : things) context.printer().print(story_record(thing, left_behind));
    return to_int(ExitCode::ok);
  }
  SurveyWish wish = ThingFilter().held_wish();
  wish.listing.waiters = 1000;
  const bool waited = std::any_of(things.begin(), things.end(),
                                  [](const Thing& thing) { return thing.view.waiting > 0; });
  const auto all = waited ? find_things(context, std::move(wish)) : std::vector<Thing>();
  for (const Thing& thing : things) output::write_out(Story(thing, all, left_behind).text());
  return to_int(ExitCode::ok);
}

}  // namespace

Verb locks_why_verb() {
  auto filter = std::make_shared<ThingFilter>();
  Verb verb;
  verb.name = "why";
  verb.summary =
      "the story of a lock or an election: who has it and had it, who waits, what is odd";
  verb.usage = "NAME [--kind lock|elect]";
  verb.examples = {"dcoord locks why deploy", "dcoord locks why scheduler --kind elect --json"};
  verb.declare = [filter](OptionSet& set) {
    set.positional("NAME", "lock", filter->pattern, "name of the lock or election");
    set.texts("--kind", "KIND", filter->kinds, "lock or elect; both without it");
  };
  verb.run = [filter](Context& context) { return why(context, *filter); };
  return verb;
}

}  // namespace dcoord::cli
