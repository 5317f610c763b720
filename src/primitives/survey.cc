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
  party.who = job.who;
  party.since = job.state == JobState::running ? job.started : job.asked;
  party.lease_left = job.ends - job.server_time;
  return party;
}

Thing thing_of(const JobView& job) {
  Thing thing{ThingKind::job, {}, job_state_word(job.state)};
  thing.view.name = job_name(job);
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
    found.barriers = co_await list_barriers(scripts, keys, patience);
    keep_wanted(found.barriers, wish.listing.wanted);
  }
  if (wants(ThingKind::queue)) {
    found.queues = co_await list_queues(scripts, keys, patience);
    keep_wanted(found.queues, wish.listing.wanted);
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
  return things;
}

const char* kind_word(ThingKind kind) {
  static constexpr const char* kWords[] = {"lock", "elect", "job", "barrier", "queue"};
  return kWords[static_cast<size_t>(kind)];
}

}  // namespace dcoord::primitives
