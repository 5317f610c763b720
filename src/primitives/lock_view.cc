// What there is to see of locks.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "base/error.h"
#include "primitives/lock_internal.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

constexpr int kLayout = 1;
// Bits of an entry's flags; lua/lib/lock_layout.lua has the same.
constexpr int64_t kExclusive = 1, kShared = 2, kOffered = 4, kRevoked = 8, kNested = 16,
                  kResting = 32;

// Locks a call: with nobody in line that is well below a millisecond of the server's time.
constexpr size_t kTogether = 50;
// Calls a pipeline, so that answers are decoded while others are under way.
constexpr size_t kCallsTogether = 200;

LockMode mode_of(int64_t flags) {
  return (flags & kExclusive) != 0 ? LockMode::exclusive
         : (flags & kShared) != 0  ? LockMode::shared
                                   : LockMode::slot;
}

LockParty decode_holder_entry(const Reply& r, size_t i, Millis server_time) {
  LockParty p;
  const int64_t flags = r.at(i + 1).number();
  p.token = r.at(i).text();
  p.mode = mode_of(flags);
  p.offered = (flags & kOffered) != 0;
  p.revoked = (flags & kRevoked) != 0;
  p.nested = (flags & kNested) != 0;
  p.resting = (flags & kResting) != 0;
  p.slot = static_cast<int>(r.at(i + 2).number());
  p.lease_left = Millis(r.at(i + 3).number()) - server_time;
  p.since = Millis(r.at(i + 4).number());
  p.fence = r.at(i + 5).number();
  p.ttl = Millis(r.at(i + 6).number());
  p.parent = r.at(i + 7).text();
  p.who = decode_holder(r.at(i + 8).text());
  return p;
}

LockParty decode_waiter_entry(const Reply& r, size_t i) {
  LockParty p;
  p.token = r.at(i).text();
  p.mode = mode_of(r.at(i + 1).number());
  p.since = Millis(r.at(i + 2).number() / 1000);
  p.parent = r.at(i + 3).text();
  p.who = decode_holder(r.at(i + 4).text());
  return p;
}

/// One element of what lock/show answers.
LockView decode_element(std::string name, const Reply& r, Millis server_time, bool all) {
  LockView view;
  view.name = std::move(name);
  view.server_time = server_time;
  if (r.is_nil()) return view;
  view.known = true;
  view.fence = r.at(0).number();
  view.limit = static_cast<int>(r.at(1).number());
  view.acquired = r.at(2).number();
  view.contended = r.at(3).number();
  view.lost = r.at(4).number();
  view.timed_out = r.at(5).number();
  view.term = r.at(6).number();
  const auto holders = static_cast<size_t>(r.at(7).number());
  view.waiting = r.at(8).number();
  const auto listed = static_cast<size_t>(r.at(9).number());
  size_t i = 10;
  for (size_t n = 0; n < holders; ++n, i += 9)
    view.holders.push_back(decode_holder_entry(r, i, server_time));
  for (size_t n = 0; n < listed; ++n, i += 5) view.waiters.push_back(decode_waiter_entry(r, i));
  if (!view.holders.empty()) {
    view.state =
        view.holders[0].lease_left > Millis(0) ? LockView::State::held : LockView::State::stale;
    view.mode = view.holders[0].mode;
  }
  if (view.limit > 0) view.mode = LockMode::slot;
  if (!all) return view;
  view.pool = split_names(r.at(i).text());
  view.waits = decode_histogram(r.at(i + 1).text());
  view.holds = decode_histogram(r.at(i + 2).text());
  view.counted_since = Millis(r.at(i + 3).number());
  view.log = decode_lock_log(r.at(i + 4).text());
  return view;
}

/// The locks that an answer is about: it may be fewer than were asked for, never none.
std::vector<LockView> decode_views(const Reply& r, LockKind kind,
                                   const std::vector<std::string>& names, size_t from, bool all) {
  check_reply(scripts::lock_show, r, fmt::format("{} '{}'", noun(kind), names[from]));
  if (r.word() != "locks" || r.size() < 3) throw unexpected_reply(scripts::lock_show, r);
  const Millis server_time(r.at(1).number());
  std::vector<LockView> views;
  for (size_t i = 2; i < r.size(); ++i) {
    const std::string& name = names[from + i - 2];
    if (!r.at(i).is_nil() && r.at(i).word() == "layout") {
      throw layout_error(fmt::format("{} '{}': this lock has layout {}, this dcoord knows {}",
                                     noun(kind), name, r.at(i).at(1).number(), kLayout));
    }
    views.push_back(decode_element(name, r.at(i), server_time, all));
  }
  return views;
}

redis::Call show_calls(const Keys& keys, LockKind kind, const std::vector<std::string>& names,
                       size_t from, size_t to, const LockListing& listing) {
  redis::Call call;
  call.script = &scripts::lock_show;
  for (size_t i = from; i < to; ++i) {
    for (auto& key : hold_keys(keys, kind, names[i])) call.keys.push_back(std::move(key));
  }
  call.args = {std::to_string(listing.waiters), listing.all ? "a" : ""};
  return call;
}

}  // namespace

const char* noun(LockKind kind) { return kind == LockKind::lock ? "lock" : "elect"; }

std::vector<std::string> hold_keys(const Keys& keys, LockKind kind, const std::string& name) {
  if (kind == LockKind::elect)
    return {keys.elect(name), keys.elect_line(name), keys.elect_waiters(name)};
  return {keys.lock(name), keys.lock_line(name), keys.lock_waiters(name)};
}

std::vector<std::string> split_names(std::string_view names) {
  std::vector<std::string> out;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    out.emplace_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return out;
}

redis::Call show_call(const Keys& keys, LockKind kind, const std::string& name, int waiters) {
  LockListing listing;
  listing.waiters = waiters;
  listing.all = true;
  return show_calls(keys, kind, {name}, 0, 1, listing);
}

LockView decode_view(std::string name, const Reply& reply) {
  return std::move(decode_views(reply, LockKind::lock, {std::move(name)}, 0, true).front());
}

LockService::Revoked decode_revoked(const Reply& r) {
  using What = LockService::Revoked::What;
  if (r.word() == "gone") return {What::gone};
  if (r.word() == "absent") return {What::no_successor};
  if (r.word() != "revoked") throw unexpected_reply(scripts::lock_revoke, r);
  return {What::revoked, Millis(r.at(1).number())};
}

LockService::Forgotten decode_forgotten(const Reply& r) {
  using What = LockService::Forgotten::What;
  const std::string_view word = r.word();
  if (word == "held") return {What::held, decode_holder(r.at(1).text())};
  if (word == "forgotten") return {What::forgotten};
  if (word == "absent") return {What::absent};
  if (word == "waited") return {What::waited};
  throw unexpected_reply(scripts::lock_forget, r);
}

Task<LockView> Lock::show(int waiters, Patience patience) {
  redis::Call call = show_call(keys_, kind_, name_, waiters);
  const Answer answer =
      co_await run(*call.script, std::move(call.keys), std::move(call.args), patience);
  co_return decode_view(name_, answer.reply);
}

Task<std::vector<LockView>> list_locks(redis::ScriptRunner& runner, const Keys& keys, LockKind kind,
                                       LockListing listing, Patience patience) {
  std::string index = noun(kind);
  // One bucket after the other, so those of a call share their slot.
  const std::vector<std::string> names =
      co_await list_names(runner, keys, std::move(index), patience, listing.wanted);
  std::vector<std::pair<size_t, size_t>> ranges;
  for (size_t from = 0, to = 0; from < names.size(); from = to) {
    const int bucket = bucket_of(names[from]);
    while (to < names.size() && to - from < kTogether && bucket_of(names[to]) == bucket) ++to;
    ranges.emplace_back(from, to);
  }
  std::vector<LockView> views;
  views.reserve(names.size());
  std::vector<std::string> absent;
  while (!ranges.empty()) {
    const size_t together = std::min(ranges.size(), kCallsTogether);
    std::vector<redis::Call> calls;
    for (size_t i = 0; i < together; ++i) {
      calls.push_back(show_calls(keys, kind, names, ranges[i].first, ranges[i].second, listing));
    }
    const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
    std::vector<std::pair<size_t, size_t>> rest;
    for (size_t i = 0; i < together; ++i) {
      auto [from, to] = ranges[i];
      for (LockView& view : decode_views(answers[i].reply, kind, names, from, listing.all)) {
        ++from;
        if (view.known)
          views.push_back(std::move(view));
        else
          absent.push_back(std::move(view.name));
      }
      if (from < to) rest.emplace_back(from, to);
    }
    rest.insert(rest.end(), ranges.begin() + static_cast<std::ptrdiff_t>(together), ranges.end());
    ranges = std::move(rest);
  }
  index = noun(kind);
  std::function<std::string(const std::string&)> key_of = [&](const std::string& name) {
    return hold_keys(keys, kind, name).front();
  };
  co_await prune_index(runner, keys, std::move(index), std::move(absent), std::move(key_of),
                       patience);
  std::sort(views.begin(), views.end(),
            [](const LockView& a, const LockView& b) { return a.name < b.name; });
  co_return views;
}

}  // namespace dcoord::primitives
