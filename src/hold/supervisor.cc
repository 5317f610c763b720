// Signals, groups and terminals. S is this process, G the guard, C the command.
//
//             | with a controlling terminal                   | without
//   ----------+-----------------------------------------------+---------------------------------------------
//   S         | in the shell's job group                      | in its caller's group
//   C         | in S's group, which is never signalled        | leads a group, which gets what S
//   gets G         | forks C, then leaves the session; all blocked | the same forwarded | what
//   kill(2) sent; what was typed at the      | everything
//             | terminal has reached C already                |
//   stopped C | S stops too; continued, it continues C        | not followed
//   typed INT | the second in a row: KILL                     | cannot be
//
// G ends C's tree at the deadline or when S is gone; S does it when G is gone, or stands still past
// the deadline. A kernel timer wakes either of them, should it be stopped.
#include "hold/supervisor.h"

#include <sys/wait.h>

#include <cerrno>
#include <optional>

#include "hold/supervisor_state.h"

namespace dcoord::hold {

Supervisor::Supervisor(Loop& loop, const StartState& start)
    : state_(std::make_unique<State>(loop, start)) {}
Supervisor::~Supervisor() = default;

Task<int> Supervisor::interrupted() {
  State& s = *state_;
  for (;;) {
    s.collect_signals();
    if (s.unserved != 0) co_return s.unserved;
    co_await s.loop.readable(s.signals.get());
  }
}

Task<Outcome> Supervisor::run(Command command, Options options, TimePoint valid_end) {
  State& s = *state_;
  Outcome nothing;
  s.collect_signals();
  if (s.unserved != 0) {
    nothing.status = s.unserved;  // as a wait status: died of that signal
    co_return nothing;
  }
  nothing.ending = Ending::not_started;
  nothing.exec_errno = E2BIG;
  if (!s.shared.put_command(command)) co_return nothing;
  TerminalSettings settings;
  std::optional<StopBlocked> no_stop;
  if (s.terminal) {
    settings.save();
    no_stop.emplace();
  }
  s.begin(options, valid_end);
  while (s.running()) {
    co_await s.loop.readable(s.ready.get(), s.next_look());
    s.look();
  }
  const bool killed = WIFSIGNALED(s.outcome.status) && WTERMSIG(s.outcome.status) == SIGKILL;
  if (s.outcome.ending != Ending::by_itself || killed) settings.restore();
  co_return s.outcome;
}

bool Supervisor::extend(TimePoint valid_end) {
  State& s = *state_;
  const bool extended = s.shared->deadline.extend(valid_end);
  if (extended && s.phase == State::Phase::guarded) {
    s.refresh_spared();
    s.timer.arm(s.take_over_at());
  }
  return extended;
}

void Supervisor::lose() {
  State& s = *state_;
  if (s.phase != State::Phase::guarded) return;
  s.shared->deadline.end(Reason::lost, add(s.loop.now(), s.shared->deadline.grace()));
  s.timer.arm(s.take_over_at());
  s.guard.poke();
}

int Supervisor::asked_to_end() const { return state_->asked; }
bool Supervisor::running() const { return state_->running(); }
int Supervisor::command_pid() const {
  return state_->running() ? state_->shared->command.load() : 0;
}
int Supervisor::guard_pid() const { return state_->guard.pid(); }

}  // namespace dcoord::hold
