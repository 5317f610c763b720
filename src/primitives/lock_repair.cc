// What an operator does to a lock that goes on counting for others.
#include <utility>

#include "base/duration.h"
#include "primitives/lock_internal.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

Task<Lock::Reclaimed> Lock::reclaim(Leftover leftover, Patience patience) {
  using Proof = Leftover::Proof;
  std::vector<std::string> keys = hold_keys_;
  if (!changes_.empty()) keys.push_back(changes_);
  std::vector<std::string> args{std::move(leftover.token),
                                leftover.proof == Proof::ended  ? "ended"
                                : leftover.proof == Proof::gone ? "gone"
                                                                : "broken",
                                std::to_string(leftover.ends.count()),
                                std::to_string(to_ms(leftover.least_age)), encode(leftover.by)};
  const Answer answer =
      co_await run(scripts::lock_reclaim, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  using What = Reclaimed::What;
  Reclaimed result;
  if (r.word() == "reclaimed") {
    result = {What::reclaimed, r.at(1).number() != 0};
    co_await deliver(r, 2, patience);
  } else if (r.word() == "renewed" || r.word() == "younger") {
    result.what = r.word() == "renewed" ? What::renewed : What::younger;
  } else if (r.word() != "gone") {
    throw unexpected_reply(scripts::lock_reclaim, r);
  }
  co_return result;
}

Task<bool> Lock::reset_statistics(Patience patience) {
  std::vector<std::string> keys{hold_keys_[0]};
  const Answer answer = co_await run(scripts::lock_reset, std::move(keys), {}, patience);
  if (answer.reply.word() != "reset" && answer.reply.word() != "absent")
    throw unexpected_reply(scripts::lock_reset, answer.reply);
  co_return answer.reply.word() == "reset";
}

}  // namespace dcoord::primitives
