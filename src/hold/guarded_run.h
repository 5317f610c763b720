#pragma once

#include <sys/types.h>

#include "base/loop.h"
#include "hold/guard_link.h"
#include "hold/kernel_timer.h"
#include "hold/spawn.h"
#include "hold/supervisor.h"
#include "hold/tree.h"

namespace dcoord::hold {

/// One command at a time, its guard, and what is done when the guard fails. Nothing here blocks;
/// its owner calls hear(), then take_over() if failed(), then step() while taken_over().
class GuardedRun {
 public:
  /// Forks the guard. With `stays` it serves one command after the other, see Shared::stays.
  GuardedRun(Loop& loop, const StartState& start, bool stays);

  /// Before begin(): false when the command is longer than any kernel takes.
  bool put_command(const Command& command) { return shared_.put_command(command); }
  /// Sees to it that there is a guard for the next command. True when it had to be forked.
  bool prepare() { return guard_.fork(); }
  /// Has the guard start the command that was put there.
  void begin(const Command& command, const Options& options, TimePoint valid_end, bool own_group);

  /// The guard's report, if there is one.
  void hear();
  /// The next message of the guard about a stop of the command; false when there is none.
  bool hear_stop(Message& message);
  /// Whether the guard died, or stands still though it should long have ended the tree.
  bool failed();
  /// Ends the tree in the guard's place: what it guarded becomes ours, the command dies with it.
  void take_over();
  void step(const Spared& spared);
  /// When to look again at the latest.
  TimePoint next_look() const;
  /// Sets the timer that wakes this process then, should it be stopped.
  void arm();

  /// See Supervisor. False when ending has begun.
  bool extend(TimePoint valid_end);
  void end(Reason reason);
  void tell(Message::Kind kind, int value = 0) { guard_.tell(kind, value); }

  bool running() const { return phase_ == Phase::guarded || phase_ == Phase::taken_over; }
  bool guarded() const { return phase_ == Phase::guarded; }
  bool taken_over() const { return phase_ == Phase::taken_over; }
  /// Whether the guard lives; one that has died is not collected.
  bool guard_lives() const;
  const Outcome& outcome() const { return outcome_; }
  pid_t command() const { return shared_->command.load(); }
  pid_t guard() const { return guard_.pid(); }
  int socket() const { return guard_.socket(); }

 private:
  void finish(const Outcome& result);
  TimePoint take_over_at() const;

  Loop& loop_;
  SharedMemory shared_;
  GuardLink guard_;
  KernelTimer timer_;
  TreeKiller killer_;
  enum class Phase { idle, guarded, taken_over, done } phase_ = Phase::idle;
  Outcome outcome_;
  TimePoint taken_over_at_ = kNever;
};

}  // namespace dcoord::hold
