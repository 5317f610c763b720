#include "primitives/survey.h"

#include <fmt/format.h>

#include <utility>

#include "base/duration.h"

namespace dcoord::primitives {
namespace {

using State = LockView::State;

template <class View>
void keep_wanted(std::vector<View>& views, const std::function<bool(const std::string&)>& wanted) {
  if (wanted) std::erase_if(views, [&](const View& view) { return !wanted(view.name); });
}

std::string job_name(const JobView& job) { return job.run + "/" + job.name; }

Task<std::vector<JobView>> list_jobs(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys,
                                     std::function<bool(const std::string&)> wanted,
                                     redis::Patience patience) {
  std::vector<JobView> jobs;
  const std::vector<std::string> runs = co_await list_job_runs(scripts, keys, patience);
  for (const auto& run : runs) {
    JobRun of_run(loop, scripts, keys, run);
    std::vector<JobView> some = co_await of_run.show("", patience);
    for (auto& job : some) {
      if (!wanted || wanted(job_name(job))) jobs.push_back(std::move(job));
    }
  }
  co_return jobs;
}

/// The one that has a job, or stands ready for it.
LockParty party_of(const JobView& job) {
  LockParty party;
  party.token = job.token;
  party.who = job.who;
  party.since = job.state == JobState::running ? job.started : job.asked;
  party.lease_left = job.ends - job.server_time;
  return party;
}

Thing thing_of(const JobView& job) {
  Thing thing{ThingKind::job, {}, job_state_word(job.state)};
  thing.view.name = job_name(job);
  for (const JobDependency& edge : job.after) thing.after.push_back(job.run + "/" + edge.name);
  thing.view.server_time = job.server_time;
  if (job.state == JobState::waiting && !job.lost) {
    thing.view.waiting = 1;
    thing.view.waiters.push_back(party_of(job));
    return thing;
  }
  thing.view.state = job.lost ? State::stale : State::held;
  thing.view.holders.push_back(party_of(job));
  return thing;
}

Thing thing_of(const BarrierView& barrier) {
  Thing thing{ThingKind::barrier, {}, "nobody has arrived"};
  thing.view.name = barrier.name;
  thing.view.server_time = barrier.server_time;
  thing.view.waiting = barrier.waiting + barrier.only_waiting;
  if (barrier.parties > 0)
    thing.detail = fmt::format("{} of {} arrived", barrier.arrived, barrier.parties);
  if (barrier.arrived > 0) thing.view.state = State::held;
  for (const BarrierParty& member : barrier.members) {
    if (member.arrived && !member.waits) continue;  // it has gone on
    LockParty party;
    party.who = member.who;
    party.since = member.since;
    thing.view.waiters.push_back(std::move(party));
  }
  return thing;
}

Thing thing_of(const QueueView& queue) {
  Thing thing{ThingKind::queue, {}, fmt::format("{} ready", queue.ready)};
  thing.view.name = queue.name;
  thing.view.server_time = queue.server_time;
  thing.view.waiting = queue.waiting;
  if (queue.in_flight > 0) {
    thing.view.state = State::held;
    thing.detail += fmt::format(", {} in flight", queue.in_flight);
  }
  if (queue.dead > 0) thing.detail += fmt::format(", {} dead", queue.dead);
  return thing;
}

/// Why it is open, without times, so that a watch has no news in their passing.
std::string reason_of(const BreakerView& breaker) {
  switch (breaker.why) {
    case BreakerWhy::failures:
    case BreakerWhy::rate:
      return fmt::format(": {} of {} calls failed", breaker.failures, breaker.calls);
    case BreakerWhy::probe_failed:
      return ": a probe failed";
    case BreakerWhy::tripped:
      return ": tripped";
    case BreakerWhy::held:
      return breaker.next_try ? ": held open" : ": held open until it is reset";
    case BreakerWhy::none:
    case BreakerWhy::recovered:
    case BreakerWhy::reset:
      break;
  }
  return "";
}

Thing thing_of(const BreakerView& breaker) {
  Thing thing{ThingKind::breaker, {}, breaker_state_word(breaker.state)};
  thing.view.name = breaker.name;
  thing.view.server_time = breaker.server_time;
  if (breaker.state == BreakerState::closed) {
    if (breaker.window_failures > 0)
      thing.detail +=
          fmt::format(": {} of {} calls failed", breaker.window_failures, breaker.window_calls);
    return thing;
  }
  thing.view.state = State::held;
  thing.detail += reason_of(breaker);
  if (breaker.state == BreakerState::half_open || !breaker.next_try) return thing;
  LockParty party;
  party.who = breaker.who;
  party.since = breaker.server_time - breaker.age;
  party.lease_left = *breaker.next_try;
  thing.view.holders.push_back(std::move(party));
  return thing;
}

}  // namespace

Task<Survey> survey(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, SurveyWish wish,
                    redis::Patience patience) {
  Survey found;
  const auto wants = [&](ThingKind kind) { return wish.kinds.count(kind) != 0; };
  if (wants(ThingKind::lock))
    found.locks = co_await list_locks(scripts, keys, LockKind::lock, wish.listing, patience);
  if (wants(ThingKind::elect))
    found.elections = co_await list_locks(scripts, keys, LockKind::elect, wish.listing, patience);
  if (wants(ThingKind::job)) {
    Task<std::vector<JobView>> listing =
        list_jobs(loop, scripts, keys, wish.listing.wanted, patience);
    found.jobs = co_await listing;
  }
  if (wants(ThingKind::barrier)) {
    found.barriers = co_await list_barriers(scripts, keys, wish.listing.waiters, patience);
    keep_wanted(found.barriers, wish.listing.wanted);
  }
  if (wants(ThingKind::queue)) {
    found.queues = co_await list_queues(scripts, keys, patience);
    keep_wanted(found.queues, wish.listing.wanted);
  }
  if (wants(ThingKind::breaker)) {
    found.breakers = co_await list_breakers(scripts, keys, patience);
    keep_wanted(found.breakers, wish.listing.wanted);
  }
  co_return found;
}

std::vector<Thing> things_of(Survey survey) {
  std::vector<Thing> things;
  for (auto& view : survey.locks) things.push_back({ThingKind::lock, std::move(view), ""});
  for (auto& view : survey.elections) things.push_back({ThingKind::elect, std::move(view), ""});
  for (const auto& job : survey.jobs) {
    if (job.state == JobState::running || job.state == JobState::waiting)
      things.push_back(thing_of(job));
  }
  for (const auto& barrier : survey.barriers) things.push_back(thing_of(barrier));
  for (const auto& queue : survey.queues) things.push_back(thing_of(queue));
  for (const auto& breaker : survey.breakers) things.push_back(thing_of(breaker));
  return things;
}

const char* kind_word(ThingKind kind) {
  static constexpr const char* kWords[] = {"lock", "elect", "job", "barrier", "queue", "breaker"};
  return kWords[static_cast<size_t>(kind)];
}

}  // namespace dcoord::primitives
