#include "cli/locks_story.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/duration.h"
#include "base/log.h"
#include "cli/lock_options.h"
#include "cli/locks_verbs.h"
#include "output/printers.h"

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
  Story(const Thing& thing, const WaitGraph& graph, LeftBehind& left_behind)
      : thing_(thing), view_(thing.view), left_behind_(left_behind), graph_(graph) {}

  std::string text() {
    head();
    for (const LockParty& p : view_.holders) holder(p);
    if (is_lock()) fence();
    before();
    line();
    deadlock();
    if (!view_.log.empty()) say("latest first:");
    for (const LockEvent& event : view_.log) say("  " + event_text(event, view_.server_time));
    return std::move(text_);
  }

 private:
  void say(const std::string& line) { text_ += log::printable(line) + "\n"; }
  bool is_lock() const { return thing_.kind == ThingKind::lock || thing_.kind == ThingKind::elect; }

  void head() {
    const bool told = !is_lock() && thing_.state() != LockView::State::stale;
    std::string line = fmt::format("{}: {}", thing_name(thing_),
                                   told ? thing_.detail : output::state_word(thing_.state()));
    if (view_.limit > 0) line += fmt::format(", {} slots", view_.limit);
    if (thing_.kind == ThingKind::elect) line += fmt::format(", term {}", view_.term);
    const std::string why = output::stale_text(thing_);
    if (thing_.state() == LockView::State::stale && !why.empty()) line += ": " + why;
    say(line);
  }

  void holder(const LockParty& p) {
    if (thing_.kind == ThingKind::breaker) return opened(p);
    const Duration held = view_.server_time - p.since;
    const bool over = p.lease_left <= Millis(0);
    std::string line = fmt::format("{}{} {}, user {}", over ? "last " : "", role(),
                                   describe_holder(p.who, std::nullopt), p.who.user);
    if (is_lock()) line += fmt::format(", {}", output::mode_word(p.mode));
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
    for (const size_t i : graph_.waits_of(p))
      say(fmt::format("  within it {} {}",
                      describe_holder(graph_.waits()[i].request->who, std::nullopt),
                      wait_text(graph_.waits()[i])));
    if (!p.who.link.empty()) say("  see " + p.who.link);
    if (is_lock()) say("  id " + output::holder_id(p));
  }

  const char* role() const {
    if (thing_.kind != ThingKind::job) return "held by";
    return thing_.detail == job_state_word(JobState::running) ? "run by" : "asked for by";
  }

  /// Of a breaker, what it is held by is whose result, or word, opened it.
  void opened(const LockParty& p) {
    say(fmt::format("opened by {} {} ago", describe_holder(p.who, std::nullopt),
                    format_age(view_.server_time - p.since)));
    say(fmt::format("  the next call is let through in {}", format_age(p.lease_left)));
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

  /// What a job waits for: those that it comes after and that have not ended.
  void before() {
    std::set<std::string> told;
    const auto tell = [&](const Thing& job, const std::string& how) {
      told.insert(job.view.name);
      say(fmt::format("  after {}, {}", thing_name(job), how));
    };
    for (const auto& wait : graph_.waits()) {
      if (!is_same(*wait.thing) || thing_.kind != ThingKind::job) continue;
      for (const auto& blocker : wait.blockers) {
        const Duration age = blocker.thing->view.server_time - blocker.hold->since;
        tell(*blocker.thing, "run by " + describe_holder(blocker.hold->who, age));
      }
      for (const size_t i : wait.behind) tell(*graph_.waits()[i].thing, "which waits, too");
    }
    for (const std::string& name : thing_.after) {
      if (told.count(name) == 0) say(fmt::format("  after job '{}', which does not run", name));
    }
  }

  bool is_same(const Thing& other) const {
    return other.kind == thing_.kind && other.view.name == view_.name;
  }

  void line() {
    if (view_.waiting == 0) {
      if (thing_.kind != ThingKind::breaker) say("nobody waits");
      return;
    }
    const Histogram& waits = view_.waits;
    say(fmt::format("{} waiting{}{}", view_.waiting,
                    waits.total() == 0 ? ""
                                       : fmt::format(" (usually p50 {}, p95 {})",
                                                     format_age(waits.percentile(0.5)),
                                                     format_age(waits.percentile(0.95))),
                    view_.waiters.empty() ? "" : ":"));
    for (size_t i = 0; i < std::min(kShown, view_.waiters.size()); ++i) {
      const LockParty& p = view_.waiters[i];
      say(fmt::format("  {}. {} for {}{}", i + 1, describe_holder(p.who, std::nullopt),
                      format_age(view_.server_time - p.since),
                      is_lock() ? std::string(", ") + output::mode_word(p.mode) : ""));
    }
    // Of those that wait at a queue nobody is known.
    const auto more = view_.waiters.empty() ? 0 : view_.waiting - static_cast<long long>(kShown);
    if (more > 0) say(fmt::format("  and {} more", more));
  }

  void deadlock() {
    const auto& waits = graph_.waits();
    for (const auto& cycle : graph_.cycles()) {
      const bool here = std::any_of(cycle.begin(), cycle.end(), [&](const auto& step) {
        return is_same(*waits[step.wait].thing);
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
  const WaitGraph& graph_;
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

}  // namespace

std::string story_text(const Thing& thing, const WaitGraph& graph, LeftBehind& left_behind) {
  return Story(thing, graph, left_behind).text();
}

Record story_record(const Thing& thing, const WaitGraph& graph, LeftBehind& left_behind) {
  const LockView& view = thing.view;
  Record record;
  record.add("kind", kind_word(thing.kind)).add("name", view.name);
  record.add("state", output::state_word(thing.state())).add("why", output::stale_text(thing));
  record.add("detail", thing.detail);
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
    std::vector<Record> inside;
    for (const size_t i : graph.waits_of(p)) {
      Record wait;
      const Thing& other = *graph.waits()[i].thing;
      inside.push_back(wait.add("kind", kind_word(other.kind)).add("name", other.view.name));
    }
    holder.add_list("waits_for", std::move(inside));
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
  std::vector<Record> after;
  for (const std::string& name : thing.after) {
    Record job;
    after.push_back(job.add("name", name));
  }
  record.add_list("after", std::move(after));
  return record;
}

}  // namespace dcoord::cli
