#include <algorithm>
#include <map>

#include "primitives/lock_internal.h"
#include "primitives/quorum.h"

// What several servers know of a lock, as one.

namespace dcoord::primitives {
namespace {

/// One party as each server that knows it tells of it.
struct Sightings {
  LockParty party;
  size_t claimed = 0;
  std::vector<Millis> left;
};

void see(std::map<std::string, Sightings>& all, const LockParty& party) {
  Sightings& one = all[party.token];
  const bool first = one.left.empty() && one.claimed == 0;
  if (first || party.fence > one.party.fence) one.party = party;
  one.party.revoked = one.party.revoked || party.revoked;
  if (!party.offered) ++one.claimed;
  one.left.push_back(party.lease_left);
}

/// What `view` tells besides who holds and who waits.
void merge_counts(LockView& all, const LockView& view) {
  all.server_time = std::max(all.server_time, view.server_time);
  all.fence = std::max(all.fence, view.fence);
  all.term = std::max(all.term, view.term);
  all.acquired = std::max(all.acquired, view.acquired);
  all.contended = std::max(all.contended, view.contended);
  all.lost = std::max(all.lost, view.lost);
  all.timed_out = std::max(all.timed_out, view.timed_out);
}

/// Whether those that have not answered could make a majority of somebody's minority.
bool is_open(const std::string& name, const Servers::Answers& answers, size_t majority) {
  std::map<std::string, size_t> holders;
  size_t silent = 0;
  for (const ServerAnswer& one : answers) {
    if (!one.answer) {
      ++silent;
      continue;
    }
    const LockView view = decode_view(name, one.answer->reply);
    if (view.state != LockView::State::held) continue;
    for (const LockParty& party : view.holders) ++holders[party.token];
  }
  return std::any_of(holders.begin(), holders.end(), [&](const auto& holder) {
    return holder.second < majority && holder.second + silent >= majority;
  });
}

}  // namespace

Task<LockView> QuorumLock::show(int waiters, redis::Patience patience) {
  const size_t majority = servers_.majority();
  MakeCall show = [&](size_t) { return show_call(keys_, kind_, name_, waiters); };
  std::function<bool(const Answers&)> enough = [this, majority](const Answers& answers) {
    const auto n = std::count_if(answers.begin(), answers.end(),
                                 [](const auto& one) { return one.answer.has_value(); });
    return static_cast<size_t>(n) >= majority && !is_open(name_, answers, majority);
  };
  Task<Answers> showing = on_all(std::move(show), patience.until, std::move(enough));
  const Answers answers = co_await showing;
  require_majority(answers);
  LockView all;
  all.name = name_;
  all.limit = kKeptByServers;
  std::map<std::string, Sightings> live, in_line;
  std::optional<LockParty> stale;
  size_t silent = 0;
  for (const ServerAnswer& one : answers) {
    if (!one.answer) {
      ++silent;
      continue;
    }
    const LockView view = decode_view(name_, one.answer->reply);
    merge_counts(all, view);
    all.waiting = std::max(all.waiting, view.waiting);
    for (const LockParty& party : view.waiters) see(in_line, party);
    if (view.state == LockView::State::held) {
      for (const LockParty& party : view.holders) see(live, party);
    } else if (view.state == LockView::State::stale &&
               (!stale || view.holders[0].fence > stale->fence)) {
      stale = view.holders[0];
    }
  }
  for (auto& [token, seen] : live) {
    // Those that do not answer may hold it, too.
    if (seen.claimed == 0 || seen.left.size() + silent < majority) continue;
    std::sort(seen.left.rbegin(), seen.left.rend());
    seen.party.offered = false;
    seen.party.lease_left = seen.left[std::min(majority, seen.left.size()) - 1];
    all.holders.push_back(seen.party);
  }
  for (auto& [token, seen] : in_line) {
    if (!live.contains(token)) all.waiters.push_back(seen.party);
  }
  const auto earlier = [](const LockParty& a, const LockParty& b) { return a.since < b.since; };
  std::sort(all.holders.begin(), all.holders.end(), earlier);
  std::sort(all.waiters.begin(), all.waiters.end(), earlier);
  all.waiting = std::max<long long>(all.waiting, static_cast<long long>(all.waiters.size()));
  if (!all.holders.empty()) {
    all.state = LockView::State::held;
  } else if (stale) {
    all.state = LockView::State::stale;
    all.holders.push_back(*stale);
  }
  if (!all.holders.empty()) all.mode = all.holders[0].mode;
  co_return all;
}

}  // namespace dcoord::primitives
