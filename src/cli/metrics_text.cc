#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "cli/metrics.h"
#include "output/prometheus.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Family;
using output::Labels;
using Type = output::Family::Type;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

/// Which things get series of their own, while there is room: a thing has all of its series or
/// none, so that what is shown is whole.
class Room {
 public:
  explicit Room(size_t most) : left_(most) {}
  bool take(size_t series) {
    if (series > left_) {
      ++left_out_;
      return false;
    }
    left_ -= series;
    return true;
  }
  size_t left_out() const { return left_out_; }

 private:
  size_t left_;
  size_t left_out_ = 0;
};

/// Families that several kinds share, printed in the order in which they were made.
class Families {
 public:
  Family& make(std::string name, Type type, std::string help) {
    return families_.emplace_back(std::move(name), type, std::move(help));
  }
  std::string text() const {
    std::string out;
    for (const Family& family : families_) out += family.text();
    return out;
  }

 private:
  std::deque<Family> families_;
};

/// Those that matter most first.
template <class View>
std::vector<const View*> ranked(const std::vector<View>& views,
                                std::function<std::array<long long, 3>(const View&)> weight) {
  std::vector<const View*> list;
  for (const View& view : views) list.push_back(&view);
  std::stable_sort(list.begin(), list.end(),
                   [&](const View* a, const View* b) { return weight(*a) > weight(*b); });
  return list;
}

constexpr std::array kBreakerStates{BreakerState::closed, BreakerState::open,
                                    BreakerState::half_open};

/// The state's word without a hyphen, as the labels of other things have it.
std::string breaker_label(BreakerState state) {
  std::string word = breaker_state_word(state);
  std::replace(word.begin(), word.end(), '-', '_');
  return word;
}

class LockFamilies {
 public:
  LockFamilies(Families& f, const std::string& prefix, const std::string& what)
      : holders_(f.make(prefix + "_holders", Type::gauge, "Who holds the " + what + " now.")),
        waiters_(f.make(prefix + "_waiters", Type::gauge, "Who waits for the " + what + ".")),
        stale_(f.make(prefix + "_stale", Type::gauge,
                      "1 when the last holder's lease ended unreleased.")),
        held_(f.make(prefix + "_held_seconds", Type::gauge,
                     "For how long the oldest holder has had it.")),
        lease_(f.make(prefix + "_lease_remaining_seconds", Type::gauge,
                      "What is left of the lease of the oldest holder.")),
        acquired_(f.make(prefix + "_acquired_total", Type::counter, "Grants.")),
        contended_(f.make(prefix + "_contended_total", Type::counter,
                          "Grants that somebody had to wait for.")),
        lost_(f.make(prefix + "_lost_total", Type::counter, "Leases that ended unreleased.")),
        timed_out_(f.make(prefix + "_timed_out_total", Type::counter, "Waits that were given up.")),
        waits_(
            f.make(prefix + "_wait_seconds", Type::histogram, "How long grants were waited for.")),
        holds_(f.make(prefix + "_hold_seconds", Type::histogram, "How long holds lasted.")) {}

  void add(const std::vector<LockView>& views, Room& room) {
    constexpr size_t kSeries = 9 + 2 * Family::kHistogramSeries;
    std::function<std::array<long long, 3>(const LockView&)> weight = [](const LockView& v) {
      const bool held = v.state != LockView::State::free;
      return std::array<long long, 3>{v.waiting, held ? 1 : 0, v.acquired};
    };
    for (const LockView* view : ranked(views, weight)) {
      if (room.take(kSeries)) add(*view);
    }
  }

 private:
  void add(const LockView& view) {
    const Labels labels{{"name", view.name}};
    const bool held = view.state == LockView::State::held;
    holders_.add(labels, held ? static_cast<double>(view.holders.size()) : 0);
    waiters_.add(labels, static_cast<double>(view.waiting));
    stale_.add(labels, view.state == LockView::State::stale ? 1 : 0);
    if (held) {
      held_.add(labels, seconds(view.server_time - view.holders[0].since));
      lease_.add(labels, seconds(view.holders[0].lease_left));
    }
    acquired_.add(labels, static_cast<double>(view.acquired));
    contended_.add(labels, static_cast<double>(view.contended));
    lost_.add(labels, static_cast<double>(view.lost));
    timed_out_.add(labels, static_cast<double>(view.timed_out));
    waits_.add(labels, view.waits);
    holds_.add(labels, view.holds);
  }

  Family &holders_, &waiters_, &stale_, &held_, &lease_, &acquired_, &contended_, &lost_,
      &timed_out_, &waits_, &holds_;
};

void add_queues(Families& f, const std::vector<QueueView>& queues, Room& room) {
  Family& items = f.make("dcoord_queue_items", Type::gauge, "Items, by where they are.");
  Family& oldest = f.make("dcoord_queue_oldest_ready_seconds", Type::gauge,
                          "The age of the oldest item that is ready.");
  Family& consumers =
      f.make("dcoord_queue_waiting_consumers", Type::gauge, "Consumers that wait for an item.");
  Family& pushed = f.make("dcoord_queue_pushed_total", Type::counter, "Items pushed.");
  Family& done = f.make("dcoord_queue_done_total", Type::counter, "Items acknowledged.");
  Family& returned = f.make("dcoord_queue_returned_total", Type::counter,
                            "Deliveries that ended without success.");
  Family& buried = f.make("dcoord_queue_buried_total", Type::counter, "Items given up as dead.");
  std::function<std::array<long long, 3>(const QueueView&)> weight = [](const QueueView& v) {
    return std::array<long long, 3>{v.ready + v.in_flight, v.dead, v.pushed};
  };
  for (const QueueView* view : ranked(queues, weight)) {
    if (!room.take(10)) continue;
    const Labels labels{{"name", view->name}};
    const auto of = [&](const char* where, long long n) {
      items.add({{"name", view->name}, {"state", where}}, static_cast<double>(n));
    };
    of("ready", view->ready);
    of("delayed", view->delayed);
    of("in_flight", view->in_flight);
    of("dead", view->dead);
    oldest.add(labels, view->oldest ? seconds(*view->oldest) : 0);
    consumers.add(labels, static_cast<double>(view->waiting));
    pushed.add(labels, static_cast<double>(view->pushed));
    done.add(labels, static_cast<double>(view->done));
    returned.add(labels, static_cast<double>(view->returned));
    buried.add(labels, static_cast<double>(view->buried));
  }
}

void add_barriers(Families& f, const std::vector<BarrierView>& barriers, Room& room) {
  Family& parties =
      f.make("dcoord_barrier_parties", Type::gauge, "How many have to arrive; 0: nobody waits.");
  Family& arrived = f.make("dcoord_barrier_arrived", Type::gauge, "How many have arrived.");
  Family& tripped =
      f.make("dcoord_barrier_tripped_total", Type::counter, "Generations that all arrived in.");
  Family& broken =
      f.make("dcoord_barrier_broken_total", Type::counter, "Generations that were given up.");
  Family& dropped =
      f.make("dcoord_barrier_dropped_total", Type::counter, "Parties that died while they waited.");
  for (const BarrierView& view : barriers) {
    if (!room.take(5)) continue;
    const Labels labels{{"name", view.name}};
    parties.add(labels, view.parties);
    arrived.add(labels, view.arrived);
    tripped.add(labels, static_cast<double>(view.tripped));
    broken.add(labels, static_cast<double>(view.broken));
    dropped.add(labels, static_cast<double>(view.dropped));
  }
}

void add_breakers(Families& f, const std::vector<BreakerView>& breakers, Room& room) {
  Family& states = f.make("dcoord_breaker_state", Type::gauge, "1 for the state it is in.");
  Family& in_state =
      f.make("dcoord_breaker_state_seconds", Type::gauge, "For how long it has been in its state.");
  Family& next = f.make("dcoord_breaker_next_try_seconds", Type::gauge,
                        "Until the next call is let through; +Inf: not before it is reset.");
  Family& calls = f.make("dcoord_breaker_window_calls", Type::gauge, "Calls in the window.");
  Family& failures =
      f.make("dcoord_breaker_window_failures", Type::gauge, "Calls in the window that failed.");
  Family& reporters = f.make("dcoord_breaker_reporters", Type::gauge,
                             "How many different ones reported these failures.");
  Family& opened = f.make("dcoord_breaker_opened_total", Type::counter, "How often it opened.");
  Family& all = f.make("dcoord_breaker_calls_total", Type::counter, "Calls.");
  Family& failed = f.make("dcoord_breaker_failures_total", Type::counter, "Calls that failed.");
  std::function<std::array<long long, 3>(const BreakerView&)> weight = [](const BreakerView& v) {
    const bool open = v.state != BreakerState::closed;
    return std::array<long long, 3>{open ? 1 : 0, v.window_failures, v.all_calls};
  };
  for (const BreakerView* view : ranked(breakers, weight)) {
    if (!room.take(8 + kBreakerStates.size())) continue;
    const Labels labels{{"name", view->name}};
    for (const BreakerState state : kBreakerStates) {
      states.add({{"name", view->name}, {"state", breaker_label(state)}},
                 view->state == state ? 1 : 0);
    }
    in_state.add(labels, seconds(view->age));
    next.add(labels,
             view->next_try ? seconds(*view->next_try) : std::numeric_limits<double>::infinity());
    calls.add(labels, static_cast<double>(view->window_calls));
    failures.add(labels, static_cast<double>(view->window_failures));
    reporters.add(labels, static_cast<double>(view->reporter_count));
    opened.add(labels, static_cast<double>(view->opened));
    all.add(labels, static_cast<double>(view->all_calls));
    failed.add(labels, static_cast<double>(view->all_failures));
  }
}

/// Jobs come and go by the run: they are counted, never series of their own.
void add_totals(Families& f, const Survey& survey) {
  Family& things = f.make("dcoord_things", Type::gauge, "How many there are, by kind and state.");
  const auto count_locks = [&](const char* kind, const std::vector<LockView>& views) {
    std::array<long long, 3> by_state{};
    for (const LockView& view : views) ++by_state[static_cast<size_t>(view.state)];
    static constexpr const char* kStates[] = {"free", "held", "stale"};
    for (size_t i = 0; i < by_state.size(); ++i)
      things.add({{"kind", kind}, {"state", kStates[i]}}, static_cast<double>(by_state[i]));
  };
  count_locks("lock", survey.locks);
  count_locks("elect", survey.elections);
  std::map<std::string, long long> jobs;
  for (const JobView& job : survey.jobs) ++jobs[job.lost ? "lost" : job_state_word(job.state)];
  for (const auto& [state, n] : jobs)
    things.add({{"kind", "job"}, {"state", state}}, static_cast<double>(n));
  things.add({{"kind", "queue"}, {"state", "any"}}, static_cast<double>(survey.queues.size()));
  things.add({{"kind", "barrier"}, {"state", "any"}}, static_cast<double>(survey.barriers.size()));
  for (const BreakerState state : kBreakerStates) {
    const auto n = std::count_if(survey.breakers.begin(), survey.breakers.end(),
                                 [&](const BreakerView& view) { return view.state == state; });
    things.add({{"kind", "breaker"}, {"state", breaker_label(state)}}, static_cast<double>(n));
  }
}

}  // namespace

std::string metrics_text_when_down() {
  Family up("dcoord_up", Type::gauge, "1 when Redis answered.");
  up.add({}, 0);
  return up.text();
}

MetricsText metrics_text(const Survey& survey, Duration took, size_t most) {
  Families f;
  f.make("dcoord_up", Type::gauge, "1 when Redis answered.").add({}, 1);
  f.make("dcoord_scrape_duration_seconds", Type::gauge, "How long it took to find all this out.")
      .add({}, seconds(took));
  Room room(most);
  add_totals(f, survey);
  LockFamilies locks(f, "dcoord_lock", "lock");
  locks.add(survey.locks, room);
  LockFamilies elections(f, "dcoord_election", "leadership");
  elections.add(survey.elections, room);
  add_queues(f, survey.queues, room);
  add_barriers(f, survey.barriers, room);
  add_breakers(f, survey.breakers, room);
  f.make("dcoord_things_left_out", Type::gauge, "Things without series, for want of --max-series.")
      .add({}, static_cast<double>(room.left_out()));
  return {f.text(), room.left_out()};
}

}  // namespace dcoord::cli
