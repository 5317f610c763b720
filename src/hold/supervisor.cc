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
// Of a crew (several C, each with a G) it is always as without a terminal, but nothing is
// forwarded.
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
    : state_(std::make_unique<State>(loop, start, 0)) {}
Supervisor::Supervisor(Loop& loop, const StartState& start, int places)
    : state_(std::make_unique<State>(loop, start, places)) {}
Supervisor::~Supervisor() = default;

GuardedRun& Supervisor::at(int place) const { return *state_->runs[static_cast<size_t>(place)]; }

Task<int> Supervisor::interrupted() {
  State& s = *state_;
  for (;;) {
    s.collect_signals();
    if (s.unserved != 0) co_return s.unserved;
    co_await s.loop.readable(s.signals.get());
  }
}

Task<int> Supervisor::request(int n) {
  State& s = *state_;
  const auto count = static_cast<size_t>(n);
  for (;;) {
    s.collect_signals();
    if (s.requests.size() >= count) co_return s.requests[count - 1];
    co_await s.loop.readable(s.signals.get());
  }
}

Task<Outcome> Supervisor::run(Command command, Options options, TimePoint valid_end, int place) {
  State& s = *state_;
  GuardedRun& run = at(place);
  Outcome nothing;
  s.collect_signals();
  if (s.unserved != 0) {
    nothing.status = s.unserved;  // as a wait status: died of that signal
    co_return nothing;
  }
  nothing.ending = Ending::not_started;
  nothing.exec_errno = E2BIG;
  if (!run.put_command(command)) co_return nothing;
  TerminalSettings settings;
  std::optional<StopBlocked> no_stop;
  if (s.terminal) {
    settings.save();
    no_stop.emplace();
  }
  s.begin(run, command, options, valid_end);
  while (run.running()) {
    co_await s.loop.readable(s.ready_of(run), s.next_look(run));
    s.look(run);
  }
  const Outcome& outcome = run.outcome();
  const bool killed = WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGKILL;
  if (outcome.ending != Ending::by_itself || killed) settings.restore();
  co_return outcome;
}

bool Supervisor::extend(TimePoint valid_end, int place) {
  GuardedRun& run = at(place);
  const bool extended = run.extend(valid_end);
  if (extended && run.guarded()) state_->refresh_spared();
  return extended;
}

void Supervisor::lose(int place) { at(place).end(Reason::lost); }
void Supervisor::stop(int place) { at(place).end(Reason::stopped); }

int Supervisor::asked_to_end() const { return state_->asked; }
bool Supervisor::running(int place) const { return at(place).running(); }
int Supervisor::command_pid(int place) const {
  return running(place) ? static_cast<int>(at(place).command()) : 0;
}
int Supervisor::guard_pid(int place) const { return at(place).guard(); }

}  // namespace dcoord::hold
