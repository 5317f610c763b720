#include <algorithm>
#include <functional>

#include "primitives/lock_internal.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

// What is known of a lock, and of all of them.

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

// Bits of an entry's flags; lua/lib/lock_layout.lua has the same.
constexpr int64_t kExclusive = 1, kShared = 2, kOffered = 4, kRevoked = 8, kNested = 16,
                  kResting = 32;

LockMode mode_of(int64_t flags) {
  return (flags & kExclusive) != 0 ? LockMode::exclusive
         : (flags & kShared) != 0  ? LockMode::shared
                                   : LockMode::slot;
}

LockParty decode_party(const Reply& r, size_t i, Millis server_time) {
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
  p.who = decode_holder(r.at(i + 8).text());
  return p;
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
  redis::Call call;
  call.script = &scripts::lock_show;
  call.keys = hold_keys(keys, kind, name);
  call.args = {std::to_string(waiters)};
  return call;
}

LockView decode_view(std::string name, const Reply& r) {
  LockView view;
  view.name = std::move(name);
  view.server_time = Millis(r.at(1).number());
  if (r.word() == "absent") return view;
  if (r.word() != "lock") throw unexpected_reply(scripts::lock_show, r);
  view.fence = r.at(2).number();
  view.limit = static_cast<int>(r.at(3).number());
  view.pool = split_names(r.at(4).text());
  view.acquired = r.at(5).number();
  view.contended = r.at(6).number();
  view.lost = r.at(7).number();
  view.timed_out = r.at(8).number();
  view.term = r.at(9).number();
  const auto holders = static_cast<size_t>(r.at(10).number());
  view.waiting = r.at(11).number();
  const auto listed = static_cast<size_t>(r.at(12).number());
  size_t i = 13;
  for (size_t n = 0; n < holders; ++n, i += 9)
    view.holders.push_back(decode_party(r, i, view.server_time));
  for (size_t n = 0; n < listed; ++n, i += 4) {
    LockParty p;
    p.token = r.at(i).text();
    p.mode = mode_of(r.at(i + 1).number());
    p.since = Millis(r.at(i + 2).number() / 1000);
    p.who = decode_holder(r.at(i + 3).text());
    view.waiters.push_back(std::move(p));
  }
  if (!view.holders.empty()) {
    view.state =
        view.holders[0].lease_left > Millis(0) ? LockView::State::held : LockView::State::stale;
    view.mode = view.holders[0].mode;
  }
  if (view.limit > 0) view.mode = LockMode::slot;
  return view;
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
                                       int waiters, Patience patience) {
  std::function<redis::Call(const std::string&)> show = [&](const std::string& name) {
    return show_call(keys, kind, name, waiters);
  };
  std::string index = noun(kind);
  const std::vector<Listed> listed =
      co_await list_all(runner, keys, std::move(index), std::move(show), patience);
  std::vector<LockView> views;
  views.reserve(listed.size());
  for (const Listed& one : listed) views.push_back(decode_view(one.name, one.reply));
  co_return views;
}

}  // namespace dcoord::primitives
