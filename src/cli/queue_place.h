#pragma once

#include <string>

#include "base/unique_fd.h"
#include "cli/command_errors.h"
#include "cli/command_options.h"
#include "cli/queue_desk.h"
#include "hold/supervisor.h"
#include "primitives/queue.h"

namespace dcoord::cli {

/// How the command for an item ended.
struct ItemEnd {
  enum class What {
    done,         ///< exit code 0
    failed,       ///< with `code`
    unfit,        ///< no command can be run for this item: `text` says why
    not_started,  ///< the command cannot be run at all: `exec_errno`
    lost,         ///< the delivery was lost, and the command stopped: `text` says why
    stopped,      ///< at our own wish
  };
  What what = What::done;
  int code = 0;
  int exec_errno = 0;
  std::string text;       ///< of one that failed, the end of what it wrote to standard error
  std::string survivors;  ///< processes that could not be stopped
};

/// One of a worker's places: runs the command for one item at a time, with the delivery's lease
/// renewed meanwhile.
class QueuePlace {
 public:
  /// Number `place` of the supervisor's crew.
  QueuePlace(Context& context, const CommandOptions& options, const LeaseTimes& times,
             hold::Supervisor& supervisor, QueueDesk& desk, std::string queue, int place);

  /// Throws Error when the system refuses to run anything.
  Task<ItemEnd> run(primitives::QueueItem item, TimePoint valid_end);

  bool busy = false;
  Task<void> work;  ///< what the worker does here

 private:
  hold::Command command_for(const primitives::QueueItem& item) const;
  UniqueFd input_for(const primitives::QueueItem& item) const;
  ItemEnd end_of(const hold::Outcome& outcome, const HeldLease& held) const;

  Context& context_;
  const CommandOptions& options_;
  const LeaseTimes& times_;
  hold::Supervisor& supervisor_;
  QueueDesk& desk_;
  const std::string queue_;
  const int place_;
  bool in_arguments_ = false;  // the payload replaces {} there
  CommandErrors errors_;
};

}  // namespace dcoord::cli
