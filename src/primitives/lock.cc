#include "primitives/lock.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
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

std::string join(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
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
    return LockRefused{
        Why::limit, {}, static_cast<int>(r.at(1).number()), split_names(r.at(2).text())};
  }
  throw unexpected_reply(scripts::lock_acquire, r);
}

}  // namespace

Lock::Lock(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string name,
           LockKind kind)
    : loop_(loop),
      scripts_(scripts),
      keys_(keys),
      name_(std::move(name)),
      kind_(kind),
      hold_keys_(hold_keys(keys_, kind_, name_)),
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

Task<LockService::Revoked> Lock::revoke_by(std::string token, std::string successor, Holder by,
                                           Patience patience) {
  std::vector<std::string> keys{hold_keys_[0], hold_keys_[1]};
  if (!changes_.empty()) keys.push_back(changes_);
  std::vector<std::string> args{std::move(token), std::move(successor), encode(by)};
  const Answer answer =
      co_await run(scripts::lock_revoke, std::move(keys), std::move(args), patience);
  const Revoked result = decode_revoked(answer.reply);
  if (result.what == Revoked::What::revoked) co_await deliver(answer.reply, 2, patience);
  co_return result;
}

Task<LockService::Forgotten> Lock::forget(Patience patience) {
  std::vector<std::string> keys = hold_keys_;
  keys.push_back(keys_.index_of(name_, noun(kind_)));
  std::vector<std::string> args{name_};
  const Answer answer =
      co_await run(scripts::lock_forget, std::move(keys), std::move(args), patience);
  co_return decode_forgotten(answer.reply);
}

}  // namespace dcoord::primitives
