#include "primitives/lock.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
#include "base/error.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

// Bits of an entry's flags; lua/lib/lock_layout.lua has the same.
constexpr int64_t kExclusive = 1, kShared = 2, kOffered = 4, kRevoked = 8, kNested = 16,
                  kResting = 32;

Duration ms(const Reply& reply) { return Millis(reply.number()); }

std::string join(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> out;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    out.emplace_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return out;
}

LockMode mode_of(int64_t flags) {
  return (flags & kExclusive) != 0 ? LockMode::exclusive
         : (flags & kShared) != 0  ? LockMode::shared
                                   : LockMode::slot;
}

std::string flags_of(const LockRequest& request, bool wait) {
  std::string flags = request.mode == LockMode::shared ? "s" : "x";
  if (wait) flags += 'w';
  if (request.reentrant) flags += 'r';
  if (request.resize) flags += 'z';
  return flags;
}

LockAnswer decode_acquire(const Reply& r, TimePoint sent, TimePoint now) {
  const std::string_view word = r.word();
  if (word == "granted") {
    return LockGranted{r.at(1).number(), static_cast<int>(r.at(3).number()), sent + ms(r.at(2)),
                       ms(r.at(6)),      r.at(5).text() == "nested",         r.at(7).number()};
  }
  if (word == "wait") {
    LockWaiting w;
    w.look_at = now + ms(r.at(1));
    w.place = r.at(2).number();
    w.in_line = r.at(3).number();
    w.ticket = r.at(4).text();
    w.holder = decode_holder(r.at(5).text());
    w.held_for = ms(r.at(6));
    w.lease_left = ms(r.at(7));
    return w;
  }
  if (word == "held") {
    return LockHeld{decode_holder(r.at(1).text()), ms(r.at(2)), ms(r.at(3)), r.at(4).number()};
  }
  using Why = LockRefused::Why;
  if (word == "nested") return LockRefused{Why::nested, decode_holder(r.at(1).text())};
  if (word == "upgrading") return LockRefused{Why::upgrading, decode_holder(r.at(1).text())};
  if (word == "revoked") return LockRefused{Why::revoked};
  if (word == "gone") return LockRefused{Why::gone};
  if (word == "limit") {
    return LockRefused{Why::limit, {}, static_cast<int>(r.at(1).number()), split(r.at(2).text())};
  }
  throw unexpected_reply(scripts::lock_acquire, r);
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

LockView decode_view(std::string name, const Reply& r) {
  LockView view;
  view.name = std::move(name);
  view.server_time = Millis(r.at(1).number());
  if (r.word() == "absent") return view;
  if (r.word() != "lock") throw unexpected_reply(scripts::lock_show, r);
  view.fence = r.at(2).number();
  view.limit = static_cast<int>(r.at(3).number());
  view.pool = split(r.at(4).text());
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

const char* noun(LockKind kind) { return kind == LockKind::lock ? "lock" : "elect"; }

std::vector<std::string> keys_of(const Keys& keys, LockKind kind, const std::string& name) {
  if (kind == LockKind::elect)
    return {keys.elect(name), keys.elect_line(name), keys.elect_waiters(name)};
  return {keys.lock(name), keys.lock_line(name), keys.lock_waiters(name)};
}

}  // namespace

Lock::Lock(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string name,
           LockKind kind)
    : loop_(loop),
      scripts_(scripts),
      keys_(keys),
      name_(std::move(name)),
      kind_(kind),
      hold_keys_(keys_of(keys_, kind_, name_)),
      changes_(kind_ == LockKind::elect ? keys_.elect_changes(name_) : "") {}

Task<Answer> Lock::run(const redis::Script& script, std::vector<std::string> keys,
                       std::vector<std::string> args, Patience patience, std::string_view confirm) {
  return run_script(scripts_, script, std::move(keys), std::move(args), patience,
                    fmt::format("{} '{}'", noun(kind_), name_), confirm);
}

/// A grant that may be lost with the master is none.
Task<void> Lock::give_back(const LockRequest& request, redis::Replicated replicated,
                           Patience patience) {
  const std::string what =
      fmt::format("{} '{}' was granted, but {}", noun(kind_), name_, shortfall(replicated));
  std::string failure;
  try {
    co_await release(request.token, Duration::zero(), false, patience);
  } catch (const Error& error) {
    failure = error.what();
  }
  if (failure.empty()) {
    throw Error(ExitCode::unavailable, "replicas", what + "; it was released again",
                "--replicas says how many have to, --replica-timeout within which time");
  }
  throw Error(ExitCode::unknown, "unknown_outcome",
              fmt::format("{}, and it could not be released again: {}", what, failure),
              "it stays taken until its lease ends");
}

Task<void> Lock::deliver(const Reply& reply, size_t from, Patience patience) {
  return primitives::deliver(scripts_, reply, from, patience);
}

Task<LockAnswer> Lock::ask(LockRequest request, bool wait, std::string ticket, Patience patience) {
  std::vector<std::string> keys = hold_keys_;
  keys.push_back(keys_.index_of(name_, noun(kind_)));
  if (!changes_.empty()) keys.push_back(changes_);
  std::vector<std::string> args{request.token,
                                std::to_string(to_ms(request.ttl)),
                                flags_of(request, wait),
                                std::to_string(request.limit),
                                ticket.empty() ? "0" : ticket,
                                request.parent,
                                mailbox(request.token),
                                encode(request.who),
                                name_,
                                join(request.pool)};
  while (true) {
    const Answer answer = co_await run(scripts::lock_acquire, keys, args, patience, "granted");
    const Reply& r = answer.reply;
    const std::string_view word = r.word();
    const size_t fixed = word == "granted"                   ? 8
                         : word == "wait"                    ? 9
                         : word == "held" || word == "again" ? 5
                                                             : r.size();
    if (r.size() > fixed) co_await deliver(r, fixed, patience);
    if (word == "again") continue;
    if (answer.replicated && !answer.replicated->enough())
      co_await give_back(request, *answer.replicated, patience);
    co_return decode_acquire(r, answer.sent, loop_.now());
  }
}

Task<LockAnswer> Lock::acquire(LockRequest request, TimePoint until, Patience first,
                               std::function<void(const LockWaiting&)> on_wait) {
  Patience patience = first;
  // However little of the wait is left, an ask that is under way gets the time to be answered.
  const Duration answer_time = first.until - loop_.now();
  std::string ticket;
  while (true) {
    LockAnswer answer = co_await ask(request, true, ticket, patience);
    auto* waiting = std::get_if<LockWaiting>(&answer);
    if (waiting == nullptr) co_return answer;
    const TimePoint told = loop_.now();
    ticket = waiting->ticket;
    if (on_wait) on_wait(*waiting);
    co_await wait_for_look(loop_, scripts_, mailbox(request.token),
                           std::min(waiting->look_at, until));
    patience = {std::max(until, add(loop_.now(), answer_time)), kNever};
    if (loop_.now() >= until) {
      waiting->held_for += loop_.now() - told;
      co_return answer;
    }
  }
}

Task<std::variant<LockRenewed, LockLost>> Lock::renew(std::string token, Duration ttl,
                                                      Patience patience) {
  std::vector<std::string> keys{hold_keys_[0]};
  std::vector<std::string> args{std::move(token), std::to_string(to_ms(ttl))};
  const Answer answer =
      co_await run(scripts::lock_renew, std::move(keys), std::move(args), patience, "renewed");
  const Reply& r = answer.reply;
  if (answer.replicated && !answer.replicated->enough())
    throw Error(ExitCode::unavailable, "replicas", shortfall(*answer.replicated));
  if (r.word() == "renewed") {
    co_return LockRenewed{answer.sent + ms(r.at(1)), Millis(r.at(2).number())};
  }
  if (r.word() == "lost") co_return LockLost{r.at(1).text() == "revoked"};
  throw unexpected_reply(scripts::lock_renew, r);
}

Task<LockReleased> Lock::release(std::string token, Duration least, bool timed_out,
                                 Patience patience) {
  std::vector<std::string> args{std::move(token), std::to_string(to_ms(least)),
                                timed_out ? "timeout" : ""};
  std::vector<std::string> keys = hold_keys_;
  if (!changes_.empty()) keys.push_back(changes_);
  const Answer answer =
      co_await run(scripts::lock_release, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  const std::string_view word = r.word();
  using What = LockReleased::What;
  LockReleased result;
  if (word == "released") {
    result = {What::released, ms(r.at(1)), ms(r.at(2))};
  } else if (word == "left" || word == "gone") {
    result = {word == "left" ? What::left : What::gone, {}, {}};
  } else {
    throw unexpected_reply(scripts::lock_release, r);
  }
  co_await deliver(r, word == "released" ? 3 : 1, patience);
  co_return result;
}

Task<Lock::Revoked> Lock::revoke(std::string token, std::string successor, Patience patience) {
  std::vector<std::string> keys{hold_keys_[0], hold_keys_[1]};
  if (!changes_.empty()) keys.push_back(changes_);
  std::vector<std::string> args{std::move(token), std::move(successor)};
  const Answer answer =
      co_await run(scripts::lock_revoke, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  Revoked result;
  if (r.word() == "gone" || r.word() == "absent") {
    result.what = r.word() == "gone" ? Revoked::What::gone : Revoked::What::no_successor;
    co_return result;
  }
  if (r.word() != "revoked") throw unexpected_reply(scripts::lock_revoke, r);
  co_await deliver(r, 2, patience);
  result = {Revoked::What::revoked, Millis(r.at(1).number())};
  co_return result;
}

Task<Lock::Forgotten> Lock::forget(Patience patience) {
  std::vector<std::string> keys = hold_keys_;
  keys.push_back(keys_.index_of(name_, noun(kind_)));
  std::vector<std::string> args{name_};
  const Answer answer =
      co_await run(scripts::lock_forget, std::move(keys), std::move(args), patience);
  const std::string_view word = answer.reply.word();
  using What = Forgotten::What;
  Forgotten result;
  if (word == "held") {
    result = {What::held, decode_holder(answer.reply.at(1).text())};
  } else if (word == "forgotten" || word == "absent" || word == "waited") {
    result.what = word == "forgotten" ? What::forgotten
                  : word == "absent"  ? What::absent
                                      : What::waited;
  } else {
    throw unexpected_reply(scripts::lock_forget, answer.reply);
  }
  co_return result;
}

Task<LockView> Lock::show(int waiters, Patience patience) {
  std::vector<std::string> args{std::to_string(waiters)};
  const Answer answer = co_await run(scripts::lock_show, hold_keys_, std::move(args), patience);
  co_return decode_view(name_, answer.reply);
}

Task<std::vector<LockView>> list_locks(redis::ScriptRunner& runner, const Keys& keys, LockKind kind,
                                       int waiters, Patience patience) {
  std::function<redis::Call(const std::string&)> show = [&](const std::string& name) {
    redis::Call call;
    call.script = &scripts::lock_show;
    call.keys = keys_of(keys, kind, name);
    call.args = {std::to_string(waiters)};
    return call;
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
