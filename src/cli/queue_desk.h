#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/task.h"
#include "cli/hold.h"
#include "primitives/queue.h"

namespace dcoord::cli {

class Context;

/// What a worker has to tell the server while it waits in line: over a connection of its own, one
/// thing after the other, whoever of its places asks.
class QueueDesk {
 public:
  QueueDesk(Context& context, const primitives::Keys& keys, std::string name);

  /// Renews one delivery.
  Task<LeaseKeeper::RenewResult> extend(std::string receipt, Duration lease, TimePoint until);
  Task<primitives::Acked> ack(std::vector<std::string> receipts, redis::Patience patience);
  /// False when it was not in flight any more.
  Task<bool> give_back(std::string receipt, primitives::Fate fate, Duration delay,
                       primitives::DeathCause cause, redis::Patience patience);
  Task<primitives::QueueView> show(redis::Patience patience);

 private:
  /// Whose turn it is, until it is destroyed.
  class Turn {
   public:
    explicit Turn(QueueDesk& desk) : desk_(desk) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();
    Task<void> come();

   private:
    QueueDesk& desk_;
    bool mine_ = false;
  };
  primitives::Queue& queue();

  Context& context_;
  const primitives::Keys& keys_;
  const std::string name_;
  std::unique_ptr<redis::ScriptRunner> scripts_;
  std::unique_ptr<primitives::Queue> queue_;
  bool busy_ = false;
  Event freed_;
};

}  // namespace dcoord::cli
