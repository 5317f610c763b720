#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command_options.h"
#include "cli/exit_list.h"
#include "cli/lease_options.h"
#include "cli/queue_desk.h"
#include "cli/queue_place.h"
#include "cli/work_tally.h"
#include "hold/supervisor.h"
#include "primitives/queue.h"

namespace dcoord::cli {

struct WorkOptions {
  std::string name, worker;
  long long concurrency = 1, max_attempts = 5;
  bool steal = false, until_empty = false;
  LeaseOptions lease;
  Duration retry_delay = std::chrono::seconds(1);
  double backoff = 2;
  ExitList dead_on, retry_on;
  CommandOptions command;
};

/// Takes items from a queue and runs a command for each, several at the same time. What a finished
/// item is acknowledged with is the request for the next one, so that an item costs one call.
class QueueWorker {
 public:
  QueueWorker(Context& context, const WorkOptions& options, LeaseTimes times,
              hold::Supervisor& supervisor);

  /// Until it is asked to end, or there is nothing left to do. Throws Error when it cannot go on:
  /// all that ran has ended then.
  Task<void> run();

  const WorkTally& tally() const { return tally_; }
  /// What asked it to end; 0: nothing.
  int signal() const { return signal_; }

 private:
  Task<void> take_items();
  Task<primitives::TakeAnswer> take();
  Task<void> endure(Error error);
  Task<bool> drained();
  void start(primitives::QueueItem item, TimePoint valid_end);
  Task<void> work(QueuePlace& place, primitives::QueueItem item, TimePoint valid_end);
  Task<void> settle(primitives::QueueItem item, ItemEnd end);
  Task<void> fail(primitives::QueueItem item, ItemEnd end);
  Task<void> give_back(std::string receipt, primitives::Fate fate, Duration delay,
                       primitives::DeathCause cause);
  Task<void> acknowledge();
  Task<void> leave();
  Task<void> watch_signals();
  Task<void> show_progress();

  int free_places() const;
  void drain();
  void stop_for(const Error& error);
  Duration delay_after(int attempt) const;
  redis::Patience patience(Duration limit) const;

  Context& context_;
  const WorkOptions& o_;
  const LeaseTimes times_;
  hold::Supervisor& supervisor_;
  primitives::Keys keys_;
  primitives::Queue queue_;
  QueueDesk desk_;
  std::vector<std::unique_ptr<QueuePlace>> places_;
  primitives::TakeRequest request_;
  std::vector<std::string> done_;  // receipts to be acknowledged
  bool in_line_ = false;           // until it is called: acknowledgements go another way
  bool reached_ = false;           // the server has answered
  bool away_ = false;              // and does not now
  bool draining_ = false, stopping_ = false;
  int signal_ = 0;
  std::optional<Error> failure_;
  WorkTally tally_;
  Event changed_, drain_;
};

}  // namespace dcoord::cli
