#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "base/token.h"
#include "cli/context.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "primitives/state.h"

namespace dcoord::cli {

struct WatchOptions {
  std::string name;
  std::optional<long long> since;
  std::optional<std::string> until;
  Duration wait = kForever;
  long long total = 100;
};

/// The wait for the value to become `what` is over (124).
Error wait_over(const WatchOptions& o, const std::string& what);

/// Follows one value, change by change, until a signal or the end of the wait.
class StateFollower {
 public:
  struct Change {
    primitives::StateValue value;
    long long folded = 0;  ///< so many changes before it were not seen
  };

  /// With a `supervisor` it is that which collects the signals.
  StateFollower(Context& context, const WatchOptions& o, hold::Supervisor* supervisor);

  /// The next change; nothing when the wait is over, or a signal came: signal().
  Task<std::optional<Change>> next();

  int signal() const { return signal_; }

 private:
  Context& context_;
  Loop& loop_;
  hold::Supervisor* supervisor_;
  std::optional<hold::Interrupts> interrupts_;
  primitives::Keys keys_;
  primitives::State state_;
  const std::string token_ = random_token();
  TimePoint until_;
  std::string known_;
  bool all_;
  bool answered_ = false;
  long long changes_ = 0;
  int signal_ = 0;
};

}  // namespace dcoord::cli
