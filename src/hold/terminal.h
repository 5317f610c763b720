#pragma once

#include <sys/types.h>
#include <termios.h>

#include "base/clock.h"

namespace dcoord::hold {

/// Whether this process has a controlling terminal, in the foreground of it or not.
bool has_terminal();

/// The settings of the controlling terminal, which a command that was killed may leave in a state
/// where nobody can type.
class TerminalSettings {
 public:
  void save();
  /// Only in the foreground, or when the foreground's processes are gone.
  void restore() const;

 private:
  bool saved_ = false;
  termios settings_{};
};

/// Makes this process stop when the command stopped (^Z), so that the shell gets its prompt back,
/// and sees to it that both go on together. For a command in this process's own job group.
///
/// It follows the command rather than stopping by itself: the command may want to tidy the terminal
/// up before it stops, or not stop at all.
class JobControl {
 public:
  /// The guard reports a stop of the command, by Message::stop_value.
  void command_stopped(int stop, TimePoint now);
  /// Somebody continued this process.
  void continued(TimePoint now);
  /// When look() wants to be called.
  TimePoint next() const;
  /// Stops this process if it is time, and returns after it was continued. If not 0: the number of
  /// the stop from which the command is to be continued.
  int look(TimePoint now, pid_t command);

 private:
  /// A shell that is suspended has the terminal for a group of its own, which our caller does not
  /// know of: it gives the terminal to us when it continues us.
  void give_terminal_back(pid_t command) const;

  int stop_ = 0;
  pid_t foreground_ = 0;  // the terminal's group when the command stopped
  TimePoint follow_at_ = kNever;
  TimePoint check_at_ = kNever;
};

/// TSTP is taken from the terminal's default for as long as this lives.
class StopBlocked {
 public:
  StopBlocked();
  ~StopBlocked();
  StopBlocked(const StopBlocked&) = delete;
  StopBlocked& operator=(const StopBlocked&) = delete;
};

}  // namespace dcoord::hold
