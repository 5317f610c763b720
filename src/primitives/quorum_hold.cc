#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
#include "base/error.h"
#include "primitives/lock_internal.h"
#include "primitives/protocol.h"
#include "primitives/quorum.h"
#include "primitives/quorum_attempt.h"
#include "redis/scripts.h"

// What is done with a hold that a majority of servers keeps, and with what they know of it.

namespace dcoord::primitives {

using namespace std::chrono_literals;
using redis::Call;
using redis::Patience;
using redis::Reply;
namespace scripts = redis::scripts;

namespace {

size_t answered(const Servers::Answers& answers) {
  return static_cast<size_t>(std::count_if(answers.begin(), answers.end(),
                                           [](const auto& one) { return one.answer.has_value(); }));
}

size_t said(const Servers::Answers& answers, std::string_view word) {
  return static_cast<size_t>(std::count_if(answers.begin(), answers.end(),
                                           [&](const auto& one) { return one.word() == word; }));
}

}  // namespace

Call QuorumLock::release_call(const std::string& token, const std::string& attempt, Duration least,
                              bool timed_out) const {
  Call call;
  call.script = &scripts::quorum_release;
  call.keys = hold_keys_;
  if (kind_ == LockKind::elect) call.keys.push_back(keys_.elect_changes(name_));
  call.args = {token, attempt, std::to_string(to_ms(least)), timed_out ? "timeout" : ""};
  return call;
}

Task<QuorumLock::Answers> QuorumLock::on_all(MakeCall call, TimePoint until,
                                             std::function<bool(const Answers&)> enough) {
  Servers::Calls calls(servers_.size());
  for (size_t i = 0; i < calls.size(); ++i) calls[i] = call(i);
  return servers_.ask(std::move(calls), what(), until, std::move(enough));
}

std::optional<TimePoint> QuorumLock::valid_end(const Answers& answers,
                                               const std::vector<bool>* counted) const {
  std::vector<TimePoint> ends;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (counted != nullptr && !(*counted)[i]) continue;
    if (answers[i].word() == "held" || answers[i].word() == "renewed")
      ends.push_back(answers[i].answer->sent + in_ms(answers[i].answer->reply.at(1)));
  }
  if (ends.size() < servers_.majority()) return std::nullopt;
  // So long a majority has it, whichever servers those are.
  std::sort(ends.rbegin(), ends.rend());
  return ends[servers_.majority() - 1];
}

std::vector<std::string> QuorumLock::troubles_of(const Answers& answers) const {
  std::vector<std::string> troubles(answers.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].error)
      troubles[i] = answers[i].error->what();
    else if (!answers[i].answer)
      troubles[i] = "no answer yet";
  }
  return troubles;
}

Error QuorumLock::no_quorum(const std::vector<std::string>& troubles) const {
  const auto out = static_cast<size_t>(std::count_if(
      troubles.begin(), troubles.end(), [](const std::string& one) { return !one.empty(); }));
  std::string text = fmt::format("no quorum for {}: {} of {} servers count, {} have to", what(),
                                 troubles.size() - out, troubles.size(), servers_.majority());
  bool restarted = false;
  for (size_t i = 0; i < troubles.size(); ++i) {
    if (troubles[i].empty()) continue;
    text += fmt::format("; {}: {}", servers_.name(i), troubles[i]);
    restarted = restarted || troubles[i].starts_with("it was started");
  }
  return Error(ExitCode::unavailable, "no_quorum", text,
               restarted
                   ? "servers with appendfsync always count at once; --no-restart-guard counts "
                     "all, at the risk of two holders"
                   : "");
}

void QuorumLock::require_majority(const Answers& answers) const {
  if (answered(answers) < servers_.majority()) throw no_quorum(troubles_of(answers));
}

/// On servers that do not know the hold (they were started without their data, or were away until
/// it had ended), unless somebody else has it there. Only for a hold that is valid: nobody else can
/// have a majority then.
Task<void> QuorumLock::take_again(Answers& answers, TimePoint until) {
  Servers::Calls calls(servers_.size());
  bool some = false;
  for (size_t i = 0; i < calls.size(); ++i) {
    if (answers[i].word() != "lost") continue;
    calls[i] = hold_call(*held_, "again");
    some = true;
  }
  if (!some) co_return;
  Task<Answers> taking = servers_.ask(std::move(calls), what(), until, nullptr);
  Answers again = co_await taking;
  for (size_t i = 0; i < again.size(); ++i) {
    if (again[i].asked) answers[i] = std::move(again[i]);
  }
}

/// One round: who holds something has it tried again, and hears why it failed.
Task<std::variant<LockRenewed, LockLost>> QuorumLock::renew(std::string token, Duration ttl,
                                                            Patience patience) {
  const size_t majority = servers_.majority(), all = servers_.size();
  const bool known = held_ && held_->request.token == token;
  if (known) held_->request.ttl = ttl;
  const TimePoint until = std::min(patience.until, add(loop_.now(), round_time(ttl)));
  MakeCall renew = [&](size_t) {
    Call call;
    call.script = &scripts::lock_renew;
    call.keys = {hold_keys_[0]};
    call.args = {token, std::to_string(to_ms(ttl))};
    return call;
  };
  std::function<bool(const Answers&)> enough = [=](const Answers& answers) {
    return said(answers, "renewed") >= majority;
  };
  Task<Answers> renewing = on_all(std::move(renew), until, std::move(enough));
  Answers answers = co_await renewing;
  for (const ServerAnswer& one : answers) {
    const bool lost = one.word() == "lost";
    if (lost && one.answer->reply.at(1).text() == "revoked") co_return LockLost{true};
  }
  if (known) {
    Task<void> taking = take_again(answers, until);
    co_await taking;
  }
  if (said(answers, "revoked") > 0) co_return LockLost{true};
  if (const auto end = valid_end(answers, nullptr)) co_return LockRenewed{*end, std::nullopt};
  const size_t lost = said(answers, "lost") + said(answers, "taken") + said(answers, "gone");
  if (lost > all - majority) co_return LockLost{};
  throw no_quorum(troubles_of(answers));
}

Task<LockReleased> QuorumLock::release(std::string token, Duration least, bool timed_out,
                                       Patience patience) {
  if (held_ && held_->request.token == token) held_.reset();
  const size_t majority = servers_.majority();
  std::function<bool(const Answers&)> enough = [=](const Answers& answers) {
    return answered(answers) >= majority;
  };
  MakeCall release = [&](size_t) { return release_call(token, "", least, timed_out); };
  Task<Answers> releasing = on_all(std::move(release), patience.until, std::move(enough));
  const Answers answers = co_await releasing;
  using What = LockReleased::What;
  LockReleased result{What::gone, {}, {}};
  for (const ServerAnswer& one : answers) {
    if (one.word() == "left" && result.what == What::gone) result.what = What::left;
    if (one.word() != "released") continue;
    const Reply& r = one.answer->reply;
    result = {What::released, std::max(result.held, in_ms(r.at(1))),
              std::max(result.stays_taken, in_ms(r.at(2)))};
  }
  require_majority(answers);
  // With a minority it was not held any more.
  if (result.what == What::released && said(answers, "gone") >= majority) result.what = What::gone;
  co_return result;
}

Task<LockService::Revoked> QuorumLock::revoke(std::string token, std::string successor,
                                              Patience patience) {
  MakeCall revoke = [&](size_t) {
    Call call;
    call.script = &scripts::lock_revoke;
    call.keys = {hold_keys_[0], hold_keys_[1]};
    if (kind_ == LockKind::elect) call.keys.push_back(keys_.elect_changes(name_));
    call.args = {token, successor};
    return call;
  };
  const size_t majority = servers_.majority();
  std::function<bool(const Answers&)> enough = [=](const Answers& answers) {
    return answered(answers) >= majority;
  };
  Task<Answers> revoking = on_all(std::move(revoke), patience.until, std::move(enough));
  const Answers answers = co_await revoking;
  Revoked result{Revoked::What::gone};
  for (const ServerAnswer& one : answers) {
    if (!one.answer) continue;
    const Revoked here = decode_revoked(one.answer->reply);
    if (here.what == Revoked::What::revoked)
      result = {here.what, std::max(result.lease_left, here.lease_left)};
    else if (result.what == Revoked::What::gone)
      result.what = here.what;
  }
  // One that knows is enough for the holder to step down.
  if (result.what != Revoked::What::revoked) require_majority(answers);
  co_return result;
}

Task<LockService::Forgotten> QuorumLock::forget(Patience patience) {
  MakeCall forget = [&](size_t) {
    Call call;
    call.script = &scripts::lock_forget;
    call.keys = hold_keys_;
    call.keys.push_back(keys_.index_of(name_, noun(kind_)));
    call.args = {name_};
    return call;
  };
  Task<Answers> forgetting = on_all(std::move(forget), patience.until);
  const Answers answers = co_await forgetting;
  require_majority(answers);
  using What = Forgotten::What;
  Forgotten result{What::absent};
  for (const ServerAnswer& one : answers) {
    if (!one.answer) continue;
    const Forgotten here = decode_forgotten(one.answer->reply);
    const bool in_use = here.what == What::held || here.what == What::waited;
    if (in_use || result.what == What::absent) result = here;
    if (in_use) break;
  }
  co_return result;
}

}  // namespace dcoord::primitives
