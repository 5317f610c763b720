#include "primitives/wait_graph.h"

#include <algorithm>
#include <set>

namespace dcoord::primitives {
namespace {

std::string_view start_of(const std::string& token) {
  return std::string_view(token).substr(0, kTokenStart);
}

/// Whether `request` is nested in `hold`, so that it does not wait for it.
bool is_around(const LockParty& hold, const LockParty& request,
               const std::vector<LockParty>& holders) {
  std::string parent = request.parent;
  for (size_t hops = 0; !parent.empty() && hops <= holders.size(); ++hops) {
    if (parent == hold.token) return true;
    const auto outer = std::find_if(holders.begin(), holders.end(),
                                    [&](const LockParty& p) { return p.token == parent; });
    if (outer == holders.end()) return false;
    parent = outer->parent;
  }
  return false;
}

/// Whether those that wait for it wait for whoever holds it, in line.
bool has_line(ThingKind kind) { return kind == ThingKind::lock || kind == ThingKind::elect; }

bool stands_in_the_way(const LockParty& hold, const LockParty& request,
                       const std::vector<LockParty>& holders) {
  if (hold.offered || hold.resting || hold.lease_left <= Millis(0)) return false;
  if (hold.mode == LockMode::shared && request.mode == LockMode::shared) return false;
  return !is_around(hold, request, holders);
}

}  // namespace

WaitGraph::WaitGraph(const std::vector<Thing>& things) {
  for (const Thing& thing : things) add_waits(thing);
  for (Wait& wait : waits_) find_blockers(wait);
  find_stuck();
}

void WaitGraph::add_waits(const Thing& thing) {
  if (thing.kind == ThingKind::job) jobs_.emplace(thing.view.name, &thing);
  for (const LockParty& request : thing.view.waiters) {
    const size_t at = waits_.size();
    first_.try_emplace(&thing, at);
    Wait wait;
    wait.thing = &thing;
    wait.request = &request;
    if (has_line(thing.kind) && at != first_[&thing]) wait.behind.push_back(at - 1);
    std::string_view within = request.who.within;
    while (!within.empty()) {
      const size_t end = std::min(within.find(' '), within.size());
      inside_[within.substr(0, end)].push_back(at);
      within.remove_prefix(std::min(end + 1, within.size()));
    }
    waits_.push_back(std::move(wait));
  }
}

void WaitGraph::find_blockers(Wait& wait) {
  if (has_line(wait.thing->kind)) add_blockers(wait, *wait.thing);
  for (const std::string& name : wait.thing->after) {
    const auto job = jobs_.find(name);
    if (job == jobs_.end()) continue;  // it has ended, or nobody has asked for it yet
    add_blockers(wait, *job->second);
    const auto first = first_.find(job->second);
    if (first != first_.end()) wait.behind.push_back(first->second);
  }
}

void WaitGraph::add_blockers(Wait& wait, const Thing& held) const {
  const auto& holders = held.view.holders;
  for (const LockParty& hold : holders) {
    if (stands_in_the_way(hold, *wait.request, holders))
      wait.blockers.push_back({&held, &hold, waits_of(hold)});
  }
}

const std::vector<size_t>& WaitGraph::waits_of(const LockParty& hold) const {
  static const std::vector<size_t> kNone;
  const auto found = inside_.find(start_of(hold.token));
  return found == inside_.end() ? kNone : found->second;
}

bool WaitGraph::is_blocked(const Wait& wait) const {
  const auto is_stuck = [&](size_t i) { return waits_[i].stuck; };
  if (std::any_of(wait.behind.begin(), wait.behind.end(), is_stuck)) return true;
  const auto never_ends = [&](const Blocker& blocker) {
    return std::any_of(blocker.inside.begin(), blocker.inside.end(), is_stuck);
  };
  // One slot that is given back is enough; of readers and writers, and of jobs, all have to go.
  if (wait.thing->view.limit > 0) {
    return !wait.blockers.empty() &&
           std::all_of(wait.blockers.begin(), wait.blockers.end(), never_ends);
  }
  return std::any_of(wait.blockers.begin(), wait.blockers.end(), never_ends);
}

/// All wait; then whoever waits for nobody that does goes on, until no more can.
void WaitGraph::find_stuck() {
  for (Wait& wait : waits_) wait.stuck = true;
  for (bool again = true; again;) {
    again = false;
    for (Wait& wait : waits_) {
      if (!wait.stuck || is_blocked(wait)) continue;
      wait.stuck = false;
      again = true;
    }
  }
}

/// By breadth: the first way back that is found is a shortest one.
std::optional<WaitGraph::Cycle> WaitGraph::shortest_cycle(size_t from) const {
  struct Reached {
    size_t by;  // the request before it on the way
    const Blocker* blocker;
  };
  std::map<size_t, Reached> reached;
  std::vector<size_t> queue{from};
  for (size_t head = 0; head < queue.size() && reached.count(from) == 0; ++head) {
    const size_t at = queue[head];
    const auto reach = [&](size_t next, const Blocker* blocker) {
      if (waits_[next].stuck && reached.try_emplace(next, Reached{at, blocker}).second)
        queue.push_back(next);
    };
    for (const Blocker& blocker : waits_[at].blockers) {
      for (const size_t next : blocker.inside) reach(next, &blocker);
    }
    for (const size_t next : waits_[at].behind) reach(next, nullptr);
  }
  if (reached.count(from) == 0) return std::nullopt;
  Cycle cycle;
  size_t at = from;
  do {
    const Reached& step = reached.at(at);
    const Blocker* const blocker = step.blocker;
    cycle.push_back({step.by, blocker == nullptr ? nullptr : blocker->hold,
                     blocker == nullptr ? nullptr : blocker->thing});
    at = step.by;
  } while (at != from);
  std::reverse(cycle.begin(), cycle.end());
  return cycle;
}

std::vector<WaitGraph::Cycle> WaitGraph::cycles() const {
  std::vector<Cycle> all;
  std::set<size_t> shown;
  for (size_t i = 0; i < waits_.size(); ++i) {
    if (!waits_[i].stuck || shown.count(i) != 0) continue;
    auto cycle = shortest_cycle(i);
    if (!cycle) continue;
    for (const Step& step : *cycle) shown.insert(step.wait);
    all.push_back(std::move(*cycle));
  }
  return all;
}

std::string WaitGraph::identity(const Cycle& cycle) const {
  std::vector<std::string> parts;
  for (const Step& step : cycle) {
    parts.push_back(waits_[step.wait].request->token + ">" +
                    (step.hold == nullptr ? "" : step.hold->token));
  }
  std::sort(parts.begin(), parts.end());
  std::string text;
  for (const auto& part : parts) text += part + "\n";
  return text;
}

}  // namespace dcoord::primitives
