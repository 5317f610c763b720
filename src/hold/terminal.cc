#include "hold/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/unique_fd.h"
#include "hold/proc.h"
#include "hold/shared.h"

namespace dcoord::hold {
namespace {

// The command may be stopped for an instant only: by a debugger, or continued at once.
constexpr auto kSettle = std::chrono::milliseconds(2);
// In which the shell's CONT to the whole group reaches the command too, if it was for the group.
constexpr auto kTogether = std::chrono::milliseconds(20);

UniqueFd open_terminal() {
  return UniqueFd(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
}

bool stopped(pid_t pid) { return process_state(pid) == 'T'; }

void change_mask(int how, int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(how, &set, nullptr);
}

/// Stops this process by `signal`, so that the shell reports what it would have reported of the
/// command alone.
void stop_self(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  if (action.sa_handler == SIG_IGN) signal = SIGSTOP;
  raise(signal);
  if (signal == SIGSTOP) return;
  change_mask(SIG_UNBLOCK, signal);  // here it stops
  if (signal != SIGTTIN) change_mask(SIG_BLOCK, signal);
}

}  // namespace

bool has_terminal() { return static_cast<bool>(open_terminal()); }

void TerminalSettings::save() {
  const UniqueFd terminal = open_terminal();
  saved_ = terminal && tcgetattr(terminal.get(), &settings_) == 0;
}

void TerminalSettings::restore() const {
  if (!saved_) return;
  const UniqueFd terminal = open_terminal();
  if (!terminal) return;
  const pid_t foreground = tcgetpgrp(terminal.get());
  const bool ours =
      foreground == getpgrp() || (foreground > 0 && kill(-foreground, 0) != 0 && errno == ESRCH);
  if (ours)
    tcsetattr(terminal.get(), TCSANOW, &settings_);  // not after the output, which ^S may hold up
}

void JobControl::command_stopped(int stop, TimePoint now) {
  stop_ = stop;
  follow_at_ = add(now, kSettle);
  check_at_ = kNever;  // a new stop: whatever continued us was for the last one
}

void JobControl::continued(TimePoint now) {
  if (follow_at_ == kNever) check_at_ = add(now, kTogether);
}

TimePoint JobControl::next() const { return std::min(follow_at_, check_at_); }

int JobControl::look(TimePoint now, pid_t command) {
  if (now >= follow_at_) {
    follow_at_ = kNever;
    if (stopped(command)) {
      const UniqueFd terminal = open_terminal();
      foreground_ = tcgetpgrp(terminal.get());
      stop_self(Message::stop_signal(stop_));
    }
    return 0;
  }
  if (now < check_at_) return 0;
  check_at_ = kNever;
  if (!stopped(command)) return 0;
  give_terminal_back(command);
  return Message::stop_number(stop_);
}

void JobControl::give_terminal_back(pid_t command) const {
  const pid_t group = getpgid(command);
  if (group != foreground_ || group == getpgrp()) return;
  const UniqueFd terminal = open_terminal();
  if (tcgetpgrp(terminal.get()) == getpgrp()) tcsetpgrp(terminal.get(), group);
}

StopBlocked::StopBlocked() { change_mask(SIG_BLOCK, SIGTSTP); }
StopBlocked::~StopBlocked() { change_mask(SIG_UNBLOCK, SIGTSTP); }

}  // namespace dcoord::hold
