#include "cli/queue_desk.h"

#include "base/token.h"
#include "cli/context.h"

namespace dcoord::cli {

using namespace primitives;

QueueDesk::QueueDesk(Context& context, const Keys& keys, std::string name)
    : context_(context), keys_(keys), name_(std::move(name)), freed_(context.loop()) {}

Task<void> QueueDesk::Turn::come() {
  while (desk_.busy_) co_await desk_.freed_.wait();
  desk_.busy_ = mine_ = true;
}

QueueDesk::Turn::~Turn() {
  if (!mine_) return;
  desk_.busy_ = false;
  desk_.freed_.set();
}

/// Most workers need it rarely, so it is connected when it is needed.
Queue& QueueDesk::queue() {
  if (!queue_) {
    scripts_ = context_.new_scripts();
    queue_ = std::make_unique<Queue>(context_.loop(), *scripts_, keys_, name_);
  }
  return *queue_;
}

Task<LeaseKeeper::RenewResult> QueueDesk::extend(std::string receipt, Duration lease,
                                                 TimePoint until) {
  Turn turn(*this);
  co_await turn.come();
  std::vector<std::string> receipts{std::move(receipt)};
  const redis::Patience patience{until, until};
  Millis server_time{};
  Task<std::vector<std::optional<TimePoint>>> extending =
      queue().extend(std::move(receipts), lease, patience, &server_time);
  const std::vector<std::optional<TimePoint>> ends = co_await extending;
  if (ends.empty() || !ends[0]) co_return LockLost{};
  co_return LockRenewed{*ends[0], server_time};
}

Task<Acked> QueueDesk::ack(std::vector<std::string> receipts, redis::Patience patience) {
  Turn turn(*this);
  co_await turn.come();
  Task<Acked> acking = queue().ack(random_token(), std::move(receipts), patience);
  co_return co_await acking;
}

Task<bool> QueueDesk::give_back(std::string receipt, Fate fate, Duration delay, DeathCause cause,
                                redis::Patience patience) {
  Turn turn(*this);
  co_await turn.come();
  std::vector<std::string> receipts{std::move(receipt)};
  Task<std::optional<long long>> giving =
      queue().nack(random_token(), std::move(receipts), fate, delay, std::move(cause), patience);
  const std::optional<long long> count = co_await giving;
  co_return count != 0;
}

Task<QueueView> QueueDesk::show(redis::Patience patience) {
  Turn turn(*this);
  co_await turn.come();
  Task<QueueView> showing = queue().show(patience);
  co_return co_await showing;
}

}  // namespace dcoord::cli
