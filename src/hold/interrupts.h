#pragma once

#include <signal.h>

#include <string_view>

#include "base/loop.h"
#include "base/task.h"
#include "base/unique_fd.h"
#include "hold/start_state.h"

namespace dcoord::hold {

/// While it lives, signals that ask this process to end (TERM, HUP, INT, QUIT, unless ignored at
/// the start) are awaited instead of acted on: for a command that holds nothing but must not leave
/// half a request behind.
class Interrupts {
 public:
  Interrupts(Loop& loop, const StartState& start);
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// The first such signal.
  Task<int> next();

 private:
  Loop& loop_;
  sigset_t before_;
  UniqueFd signals_;
};

/// The number of "TERM", "SIGTERM" or "15"; 0 for what is no signal.
int signal_number(std::string_view name);

}  // namespace dcoord::hold
