#pragma once

#include <sys/types.h>

#include <vector>

#include "base/unique_fd.h"
#include "hold/guard_link.h"
#include "hold/kernel_timer.h"
#include "hold/signals.h"
#include "hold/spawn.h"
#include "hold/supervisor.h"
#include "hold/terminal.h"
#include "hold/tree.h"

namespace dcoord::hold {

/// What a Supervisor knows and does between two waits; look() does everything that is due and never
/// blocks.
struct Supervisor::State {
  State(Loop& l, const StartState& s);
  ~State();

  void begin(const Options& options, TimePoint valid_end);
  void look();
  TimePoint next_look() const;
  void collect_signals();
  void collected(const Collected& signal);
  void hear_guard();
  void check_guard();
  void take_over();
  void step_take_over();
  void finish(const Outcome& result);
  void refresh_spared();
  void reap_strangers();
  Spared spared_now() const { return {spared.data(), static_cast<int>(spared.size())}; }
  /// When the guard should long have ended the tree: a quarter of what the margin leaves for it.
  TimePoint take_over_at() const;
  bool running() const { return phase == Phase::guarded || phase == Phase::taken_over; }

  Loop& loop;
  const StartState start;
  const bool terminal = has_terminal();
  SharedMemory shared;
  GuardLink guard{*shared, start};
  UniqueFd signals;
  UniqueFd ready;  // an epoll descriptor: signals and the guard's socket at once
  KernelTimer timer;
  JobControl job;
  TreeKiller killer;

  enum class Phase { idle, guarded, taken_over, done } phase = Phase::idle;
  Outcome outcome;
  TimePoint taken_over_at = kNever;
  TimePoint interrupt_typed_at = kNever;
  int asked = 0;              // the first signal that asked to end
  int unserved = 0;           // one that came while no command ran
  std::vector<pid_t> spared;  // all children that are known to be none of the tree
};

}  // namespace dcoord::hold
