#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "hold/guarded_run.h"
#include "hold/signals.h"
#include "hold/supervisor.h"
#include "hold/terminal.h"
#include "hold/tree.h"

namespace dcoord::hold {

/// What a Supervisor knows and does between two waits: the signals, the terminal, and whose
/// children are whose. What is done never blocks.
struct Supervisor::State {
  State(Loop& l, const StartState& s, int places);
  ~State();

  void begin(GuardedRun& run, const Command& command, const Options& options, TimePoint valid_end);
  /// Does everything that is due.
  void look(GuardedRun& run);
  TimePoint next_look(const GuardedRun& run) const;
  /// Readable when there is something to look at.
  int ready_of(const GuardedRun& run) const { return crew ? run.socket() : ready.get(); }
  void collect_signals();
  void collected(const Collected& signal);
  void refresh_spared();
  void reap_strangers();
  /// What is not of the tree that is taken over from a guard.
  std::vector<pid_t> spared_by(const GuardedRun& run) const;
  bool is_guard(pid_t pid) const;
  bool running() const;

  Loop& loop;
  const StartState start;
  const bool crew;
  const bool terminal;
  std::vector<std::unique_ptr<GuardedRun>> runs;  // one, or those of a crew
  UniqueFd signals;
  UniqueFd ready;  // without a crew, an epoll descriptor: signals and the guard's socket at once
  JobControl job;

  TimePoint interrupt_typed_at = kNever;
  int asked = 0;              // the first signal that asked to end
  int unserved = 0;           // one that came while no command ran
  std::vector<int> requests;  // of a crew: all signals that asked to end
  bool looked = false;        // refresh_spared() has been here
  std::vector<pid_t> spared;  // all children that are known to be neither guard nor of a tree
};

}  // namespace dcoord::hold
