#include "primitives/lock.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/duration.h"
#include "base/error.h"
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

Error unexpected(const redis::Script& script, const Reply& reply) {
  return internal_error(fmt::format("script {} answered '{}', which is none of its replies",
                                    script.name,
                                    reply.is_array() ? std::string(reply.word()) : "not an array"));
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
  throw unexpected(scripts::lock_acquire, r);
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
  if (r.word() != "lock") throw unexpected(scripts::lock_show, r);
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

/// The delay that a `look N` message asks for; nothing for other messages.
std::optional<Duration> look_delay(std::string_view message) {
  if (!message.starts_with("look ")) return std::nullopt;
  message.remove_prefix(5);
  long long n = 0;
  std::from_chars(message.data(), message.data() + message.size(), n);
  return Millis(std::max(0LL, n));
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
                       std::vector<std::string> args, Patience patience) {
  redis::Call call{&script, std::move(keys), std::move(args)};
  Answer answer = co_await scripts_.run(std::move(call), patience);
  if (answer.reply.is_error()) {
    const std::string& text = answer.reply.text();
    if (text.starts_with("LAYOUT ")) {
      throw Error(ExitCode::data, "layout",
                  fmt::format("{} '{}': {}", noun(kind_), name_, text.substr(7)),
                  "update dcoord on all hosts to the same version");
    }
    throw internal_error(
        fmt::format("script {} failed on {} '{}': {}", script.name, noun(kind_), name_, text));
  }
  co_return answer;
}

Task<void> Lock::deliver(const Reply& reply, size_t from, Patience patience) {
  // Messages that the script could not push itself, since their slot was migrating. They are hints,
  // and nobody waits for ever on one: no answer is no failure.
  if (reply.size() <= from) co_return;
  std::vector<std::vector<std::string>> commands;
  for (size_t i = from; i + 1 < reply.size(); i += 2) {
    commands.push_back({"RPUSH", reply.at(i).text(), reply.at(i + 1).text()});
    commands.push_back({"PEXPIRE", reply.at(i).text(), "60000"});
  }
  try {
    co_await scripts_.run_commands(std::move(commands), patience);
  } catch (const Error&) {  // what the script did is done all the same
  }
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
    const Answer answer = co_await run(scripts::lock_acquire, keys, args, patience);
    const Reply& r = answer.reply;
    const std::string_view word = r.word();
    const size_t fixed = word == "granted"                   ? 8
                         : word == "wait"                    ? 9
                         : word == "held" || word == "again" ? 5
                                                             : r.size();
    if (r.size() > fixed) co_await deliver(r, fixed, patience);
    if (word == "again") continue;
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
    TimePoint look = std::min(waiting->look_at, until);
    while (loop_.now() < look) {
      const auto message = co_await scripts_.wait_message(mailbox(request.token), look);
      if (!message) break;
      const auto delay = look_delay(*message);
      if (!delay || *delay == Duration::zero()) break;
      look = std::min(look, loop_.now() + *delay);
    }
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
      co_await run(scripts::lock_renew, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  if (r.word() == "renewed") {
    co_return LockRenewed{answer.sent + ms(r.at(1)), Millis(r.at(2).number())};
  }
  if (r.word() == "lost") co_return LockLost{r.at(1).text() == "revoked"};
  throw unexpected(scripts::lock_renew, r);
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
    throw unexpected(scripts::lock_release, r);
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
  if (r.word() != "revoked") throw unexpected(scripts::lock_revoke, r);
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
    throw unexpected(scripts::lock_forget, answer.reply);
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
  constexpr int kPage = 1000;  // names a call, so that none holds the server for long
  std::vector<LockView> views;
  std::vector<redis::Call> prunes;
  std::vector<int> buckets(kBuckets);
  for (int i = 0; i < kBuckets; ++i) buckets[static_cast<size_t>(i)] = i;
  for (int page = 0; !buckets.empty(); ++page) {
    std::vector<std::vector<std::string>> reads;
    for (const int bucket : buckets) {
      reads.push_back({"ZRANGE", keys.index(bucket, noun(kind)), std::to_string(page * kPage),
                       std::to_string((page + 1) * kPage - 1)});
    }
    const std::vector<Answer> indexes = co_await runner.run_commands(std::move(reads), patience);
    std::vector<std::string> names;
    std::vector<redis::Call> calls;
    std::vector<int> full;
    for (size_t i = 0; i < indexes.size(); ++i) {
      if (indexes[i].reply.size() == static_cast<size_t>(kPage)) full.push_back(buckets[i]);
      for (const Reply& entry : indexes[i].reply.elements()) {
        names.push_back(entry.text());
        redis::Call call;
        call.script = &scripts::lock_show;
        call.keys = keys_of(keys, kind, names.back());
        call.args = {std::to_string(waiters)};
        calls.push_back(std::move(call));
      }
    }
    const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].reply.is_error()) {
        throw internal_error(
            fmt::format("{} '{}': {}", noun(kind), names[i], answers[i].reply.text()));
      }
      if (answers[i].reply.word() == "absent") {
        redis::Call prune;
        prune.script = &scripts::index_prune;
        prune.keys = {keys.index_of(names[i], noun(kind)), keys_of(keys, kind, names[i])[0]};
        prune.args = {names[i]};
        prunes.push_back(std::move(prune));
      } else {
        views.push_back(decode_view(names[i], answers[i].reply));
      }
    }
    buckets = std::move(full);
  }
  // Only now: taking names out moves the others between pages.
  if (!prunes.empty()) co_await runner.run_all(std::move(prunes), patience);
  std::sort(views.begin(), views.end(),
            [](const LockView& a, const LockView& b) { return a.name < b.name; });
  co_return views;
}

}  // namespace dcoord::primitives
