#pragma once

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <vector>

namespace dcoord::hold {

/// What this process was started with, to be given to the command again unchanged: signal mask and
/// dispositions, the core limit, and the children it already had (`sleep & exec dcoord ...`), which
/// are never ours to end.
struct StartState {
  sigset_t mask;
  bool ignored[65] = {};  ///< by signal number: was SIG_IGN (nohup's HUP, a background job's INT)
  rlimit core{};
  std::vector<pid_t> children;

  /// The first thing that main does: opens descriptors 0-2 on /dev/null where they are closed, then
  /// looks.
  static StartState capture();

  /// In a fork that is about to execute something: mask, dispositions and core limit again. Does
  /// not allocate.
  void restore() const;
};

/// No core file of this process, which may hold a password, nor a look into it by others of the
/// same user. The command gets StartState::core back. For main, after capture().
void forbid_core_dumps();

}  // namespace dcoord::hold
