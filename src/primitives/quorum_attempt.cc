#include "primitives/quorum_attempt.h"

#include <algorithm>

#include "primitives/lock_internal.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {

using namespace std::chrono_literals;

Duration round_time(Duration ttl) { return std::clamp<Duration>(ttl / 6, 250ms, 2s); }
Duration vote_time(Duration ttl) { return 2 * round_time(ttl) + 250ms; }

void QuorumLock::Attempt::learn(size_t i, const std::string& server, const ServerAnswer& answer,
                                TimePoint now) {
  if (answer.error) errors.push_back(*answer.error);
  if (!answer.answer) return;
  const redis::Reply& r = answer.answer->reply;
  const std::string_view word = r.word();
  using Why = LockRefused::Why;
  if (word == "granted") {
    votes[i] = asked_again[i] = true;
    free[i] = now;
    fence = std::max<long long>(fence, r.at(1).number());
    term = std::max<long long>(term, r.at(3).number());
  } else if (word == "held") {
    free[i] = now + in_ms(r.at(3));
    const bool holds = r.at(4).number() == 1;
    const long long in_line = std::max<long long>(held.in_line, r.at(5).number());
    // Whoever holds it is told of before those that are only voted for.
    if (held.holder.host.empty() || (holds && !claimed))
      held = {decode_holder(r.at(1).text()), in_ms(r.at(2)), in_ms(r.at(3)), in_line};
    held.in_line = in_line;
    claimed = claimed || holds;
  } else if (word == "nested") {
    refused = LockRefused{Why::nested, decode_holder(r.at(1).text())};
  } else if (word == "revoked") {
    refused = LockRefused{Why::revoked};
  } else if (word == "gone") {
    refused = LockRefused{Why::gone};
  } else if (word == "servers") {
    refused = LockRefused{Why::servers, {}, kKeptByServers, {}, server, r.at(1).text()};
  } else {
    throw unexpected_reply(redis::scripts::quorum_ask, r);
  }
}

size_t QuorumLock::Attempt::count() const {
  return static_cast<size_t>(std::count(votes.begin(), votes.end(), true));
}

size_t QuorumLock::Attempt::replied() const {
  return static_cast<size_t>(
      std::count_if(free.begin(), free.end(), [](const auto& at) { return at.has_value(); }));
}

size_t QuorumLock::Attempt::usable() const {
  size_t n = 0;
  for (size_t i = 0; i < free.size(); ++i) n += free[i] && (!asked_again[i] || votes[i]) ? 1 : 0;
  return n;
}

void QuorumLock::Attempt::throw_if_broken(size_t majority) const {
  if (broken) throw *broken;
  const auto lasts = [](const Error& error) {
    return error.code() != ExitCode::unavailable && error.code() != ExitCode::unknown;
  };
  const auto first = std::find_if(errors.begin(), errors.end(), lasts);
  const auto many = static_cast<size_t>(std::count_if(errors.begin(), errors.end(), lasts));
  if (many > free.size() - majority) throw *first;
}

LockWaiting QuorumLock::Attempt::waiting() const {
  LockWaiting waiting;
  waiting.place = -1;
  waiting.in_line = held.in_line;
  waiting.holder = held.holder;
  waiting.held_for = held.held_for;
  waiting.lease_left = held.lease_left;
  return waiting;
}

TimePoint QuorumLock::Attempt::free_at(size_t majority) const {
  std::vector<TimePoint> times;
  for (const auto& at : free) times.push_back(at.value_or(kNever));
  std::sort(times.begin(), times.end());
  return times[majority - 1];
}

}  // namespace dcoord::primitives
