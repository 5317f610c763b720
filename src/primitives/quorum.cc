#include "primitives/quorum.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/duration.h"
#include "base/error.h"
#include "base/token.h"
#include "primitives/lock_internal.h"
#include "primitives/quorum_attempt.h"
#include "redis/backoff.h"
#include "redis/scripts.h"

namespace dcoord::primitives {

using namespace std::chrono_literals;
using redis::Call;
using redis::Patience;
using redis::Reply;
namespace scripts = redis::scripts;

namespace {

// How often a waiter looks by itself; a third of what it lives without looking.
constexpr Duration kHeartbeat = 10s;

/// How many servers, and which: in any order the same.
std::string list_of(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, " "));
}

const char* flags_of(LockMode mode, bool wait) {
  if (mode == LockMode::shared) return wait ? "sw" : "s";
  return wait ? "xw" : "x";
}

}  // namespace

QuorumLock::QuorumLock(Loop& loop, std::vector<redis::ScriptRunner*> runners,
                       std::vector<std::string> names, const Keys& keys, std::string name,
                       LockKind kind, QuorumOptions options)
    : loop_(loop),
      keys_(keys),
      name_(std::move(name)),
      kind_(kind),
      options_(options),
      servers_(loop, std::move(runners), names),
      list_(list_of(std::move(names))),
      hold_keys_(hold_keys(keys_, kind_, name_)) {}

std::string QuorumLock::what() const {
  return fmt::format("{} '{}'", kind_ == LockKind::elect ? "election" : "lock", name_);
}

Call QuorumLock::ask_call(const LockRequest& request, bool wait, const std::string& attempt) const {
  Call call;
  call.script = &scripts::quorum_ask;
  call.keys = hold_keys_;
  call.keys.push_back(keys_.index_of(name_, noun(kind_)));
  call.keys.push_back(mailbox(request.token));
  if (kind_ == LockKind::elect) call.keys.push_back(keys_.elect_changes(name_));
  call.args = {request.token,
               attempt,
               std::to_string(to_ms(vote_time(request.ttl))),
               std::to_string(to_ms(request.ttl)),
               flags_of(request.mode, wait),
               list_,
               request.parent,
               encode(request.who),
               name_};
  return call;
}

Call QuorumLock::hold_call(const Hold& hold, const char* how) const {
  Call call;
  call.script = &scripts::quorum_hold;
  call.keys = hold_keys_;
  call.keys.push_back(keys_.index_of(name_, noun(kind_)));
  if (kind_ == LockKind::elect) call.keys.push_back(keys_.elect_changes(name_));
  const LockRequest& request = hold.request;
  call.args = {request.token,
               std::to_string(to_ms(request.ttl)),
               how,
               std::to_string(hold.fence),
               std::to_string(hold.term),
               flags_of(request.mode, false),
               list_,
               mailbox(request.token),
               encode(request.who),
               name_};
  return call;
}

/// Asks all servers for their votes and, with a majority of them, makes the votes a hold.
Task<QuorumLock::Attempt> QuorumLock::attempt(LockRequest request, bool wait) {
  Attempt attempt(servers_.size());
  attempt.id = random_token().substr(0, 8);
  const size_t majority = servers_.majority(), all = servers_.size();
  std::function<bool(const Answers&)> decided = [=](const Answers& answers) {
    size_t votes = 0, answered = 0;
    for (const ServerAnswer& one : answers) {
      answered += one.done() ? 1 : 0;
      votes += one.word() == "granted" ? 1 : 0;
    }
    return votes >= majority || answered - votes > all - majority;
  };
  MakeCall ask = [&](size_t) { return ask_call(request, wait, attempt.id); };
  const TimePoint until = add(loop_.now(), round_time(request.ttl));
  Task<Answers> asking = on_all(std::move(ask), until, std::move(decided));
  const Answers answers = co_await asking;
  Task<void> counting = count_votes(request, attempt, answers);
  co_await counting;
  if (attempt.count() >= majority && !attempt.refused && !attempt.broken) {
    Task<void> claiming = claim(request, attempt);
    co_await claiming;
  }
  if (!attempt.granted) {
    Task<void> taking_back = take_back(request, attempt, answers);
    co_await taking_back;
  }
  co_return attempt;
}

Task<void> QuorumLock::count_votes(const LockRequest& request, Attempt& attempt,
                                   const Answers& answers) {
  attempt.troubles = troubles_of(answers);
  Duration longest = request.ttl;
  std::map<std::string, size_t> runs;
  for (size_t i = 0; i < answers.size(); ++i) {
    attempt.learn(i, servers_.name(i), answers[i], loop_.now());
    if (answers[i].word() != "granted") continue;
    const Reply& r = answers[i].answer->reply;
    longest = std::max(longest, in_ms(r.at(4)));
    const auto [same, fresh] = runs.emplace(r.at(6).text(), i);
    if (!fresh) {
      attempt.broken = config_error(fmt::format("{} and {} are the same server",
                                                servers_.name(same->second), servers_.name(i)),
                                    "each server counts once: name each of them once");
    }
  }
  for (size_t i = 0; options_.restart_guard && i < answers.size(); ++i) {
    if (!attempt.votes[i]) continue;
    const Reply& r = answers[i].answer->reply;
    // Both ends of the time that it tells were cut to seconds.
    const Duration up = std::chrono::seconds(std::max<long long>(0, r.at(5).number() - 1));
    if (up >= longest) continue;
    Task<bool> asking = forgets_nothing(i, r.at(6).text());
    if (co_await asking) continue;
    attempt.votes[i] = false;
    attempt.restarted = true;
    attempt.troubles[i] = fmt::format(
        "it was started {} ago and may have forgotten who held it, so it counts in {} only",
        format_age(up), format_age(longest - up));
  }
}

Task<bool> QuorumLock::forgets_nothing(size_t server, const std::string& run) {
  const auto known = forgets_nothing_.find(run);
  if (known != forgets_nothing_.end()) co_return known->second;
  bool nothing = false;
  try {
    std::vector<std::vector<std::string>> commands{{"CONFIG", "GET", "append*"}};
    const TimePoint until = add(loop_.now(), 1s);
    Task<std::vector<redis::Answer>> asking =
        servers_.runner(server).run_commands(std::move(commands), Patience{until, until});
    const std::vector<redis::Answer> answers = co_await asking;
    std::map<std::string, std::string> settings;
    const Reply& list = answers.front().reply;
    for (size_t i = 0; i + 1 < list.size(); i += 2)
      settings[list.at(i).text()] = list.at(i + 1).text();
    nothing = settings["appendonly"] == "yes" && settings["appendfsync"] == "always";
  } catch (const Error&) {  // it may not be asked that
  }
  forgets_nothing_[run] = nothing;
  co_return nothing;
}

/// The votes become a hold under the highest fence among them: so it rises over any two
/// majorities, which have a server in common.
Task<void> QuorumLock::claim(const LockRequest& request, Attempt& attempt) {
  Hold hold{request, attempt.fence, kind_ == LockKind::elect ? attempt.term + 1 : 0};
  const std::vector<bool>& votes = attempt.votes;
  std::function<bool(const Answers&)> decided = [&](const Answers& answers) {
    return valid_end(answers, &votes).has_value();
  };
  Servers::Calls calls(servers_.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    if (attempt.asked_again[i]) calls[i] = hold_call(hold, "vote");
  }
  const TimePoint until = add(loop_.now(), round_time(request.ttl));
  Task<Answers> claiming = servers_.ask(std::move(calls), what(), until, std::move(decided));
  const Answers answers = co_await claiming;
  const std::optional<TimePoint> end = valid_end(answers, &votes);
  // A lease that is nearly over when it begins is none.
  if (!end || *end - loop_.now() < request.ttl / 2) {
    for (size_t i = 0; i < answers.size(); ++i) {
      if (attempt.votes[i] && attempt.troubles[i].empty())
        attempt.troubles[i] =
            answers[i].error ? answers[i].error->what() : "its vote came too late";
    }
    co_return;
  }
  LockGranted granted;
  granted.fence = hold.fence;
  granted.term = hold.term;
  granted.valid_end = *end;
  attempt.granted = granted;
  held_ = std::move(hold);
}

/// A minority's votes keep others out: away with them, and with those that are still under way.
Task<void> QuorumLock::take_back(const LockRequest& request, const Attempt& attempt,
                                 const Answers& answers) {
  size_t votes = 0;
  Servers::Calls calls(servers_.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    const bool under_way = !answers[i].answer && !answers[i].error;
    if (!attempt.asked_again[i] && !under_way &&
        !(answers[i].error && answers[i].error->code() == ExitCode::unknown))
      continue;
    votes += attempt.asked_again[i] ? 1 : 0;
    calls[i] = release_call(request.token, attempt.id, Duration::zero(), false);
  }
  std::function<bool(const Answers&)> enough = [votes](const Answers& done) {
    const auto answered = std::count_if(done.begin(), done.end(),
                                        [](const auto& one) { return one.answer.has_value(); });
    return static_cast<size_t>(answered) >= votes;
  };
  const TimePoint until = add(loop_.now(), round_time(request.ttl));
  Task<Answers> releasing = servers_.ask(std::move(calls), what(), until, std::move(enough));
  co_await releasing;
}

Task<LockAnswer> QuorumLock::ask_once(LockRequest request, Patience patience) {
  redis::Backoff backoff(10ms, 200ms);
  const TimePoint limit = std::min(patience.until, patience.connect_until);
  while (true) {
    Task<Attempt> asking = attempt(request, false);
    const Attempt attempt = co_await asking;
    if (attempt.granted) co_return *attempt.granted;
    if (attempt.refused) co_return *attempt.refused;
    attempt.throw_if_broken(servers_.majority());
    if (attempt.claimed && attempt.usable() >= servers_.majority()) co_return attempt.held;
    // Votes were split, or there is no majority to ask; again, but not together.
    const TimePoint again = add(loop_.now(), backoff.next());
    const bool hopeless = attempt.restarted && attempt.replied() >= servers_.majority();
    if (hopeless || again >= limit) {
      if (attempt.usable() >= servers_.majority()) co_return attempt.held;
      throw no_quorum(attempt.troubles);
    }
    co_await loop_.sleep_until(again);
  }
}

Task<LockAnswer> QuorumLock::acquire(LockRequest request, TimePoint until, Patience first,
                                     std::function<void(const LockWaiting&)> on_wait) {
  redis::Backoff backoff(10ms, 1s);
  const TimePoint asked = loop_.now();
  const TimePoint limit = std::min(first.until, first.connect_until);
  bool reached = false;
  while (true) {
    Task<Attempt> asking = attempt(request, true);
    Attempt attempt = co_await asking;
    if (attempt.granted) {
      attempt.granted->waited = loop_.now() - asked;
      co_return *attempt.granted;
    }
    if (attempt.refused) co_return *attempt.refused;
    attempt.throw_if_broken(servers_.majority());
    reached = reached || attempt.replied() >= servers_.majority();
    const TimePoint now = loop_.now();
    if (!reached && now >= limit) throw no_quorum(attempt.troubles);
    const bool quorum = attempt.usable() >= servers_.majority();
    LockWaiting waiting = attempt.waiting();
    if (!quorum) waiting.trouble = no_quorum(attempt.troubles).what();
    const bool held = quorum && attempt.claimed;
    const Duration pause = backoff.next();
    waiting.look_at =
        held ? std::min(attempt.free_at(servers_.majority()) + pause / 10, add(now, kHeartbeat))
             : add(now, pause);
    if (held) backoff.reset();
    if (on_wait) on_wait(waiting);
    const TimePoint look = std::min(waiting.look_at, until);
    if (held) {
      Task<void> hearing = servers_.wait_for_look(mailbox(request.token), look);
      co_await hearing;
    } else {
      co_await loop_.sleep_until(look);
    }
    if (loop_.now() >= until) {
      waiting.held_for += loop_.now() - now;
      co_return waiting;
    }
  }
}

void QuorumLock::adopt(const LockRequest& request, const LockGranted& granted) {
  held_ = Hold{request, granted.fence, granted.term};
}

}  // namespace dcoord::primitives
