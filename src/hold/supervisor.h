#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/task.h"
#include "hold/start_state.h"

namespace dcoord::hold {

class GuardedRun;

/// What becomes of processes that the command left behind when it ended by itself.
enum class Tree { leave, wait, kill };

struct Options {
  Tree tree = Tree::leave;
  Duration grace{};   ///< between TERM and KILL when the lease ends
  Duration margin{};  ///< KILL lands this long before the lease's end
  Duration kill_after =
      kForever;  ///< KILL this long after a user's TERM, INT, HUP or QUIT was forwarded
  Duration max_time = kForever;  ///< TERM this long after the start, KILL after a further `grace`
};

/// What the command is started with; everything else it inherits from our caller.
struct Command {
  std::vector<std::string> argv;                         ///< argv[0] is looked up in PATH
  std::vector<std::pair<std::string, std::string>> env;  ///< set in its environment
  std::vector<std::string> unset;                        ///< removed from its environment
  int input = -1, errors = -1;  ///< its standard input and standard error; -1: ours
};

enum class Ending {
  by_itself,    ///< it exited or died of a signal that was not ours: `status` is its wait status
  not_started,  ///< exec failed with `exec_errno`
  lost,         ///< ended by us because of lose(), or because the lease's end came near
  max_time,     ///< ended by us because of Options::max_time
  stopped,      ///< ended by us because of stop()
};

struct Outcome {
  Ending ending = Ending::by_itself;
  int status = 0;
  int exec_errno = 0;
  /// False when some process of the tree could not be ended in time (other credentials,
  /// uninterruptible sleep): then the lease must not be released. `survivors` names them for the
  /// message.
  bool tree_ended = true;
  std::string survivors;
};

/// Runs a command so that it, and every process descended from it, is dead before a deadline that
/// is moved ahead while the lease is renewed. Knows nothing of Redis: it is told the deadline.
///
/// Two processes: this one, and the guard, a fork that is the command's parent and holds the same
/// deadline, so that it stands even if this process is killed or stopped. See supervisor.cc for the
/// table of signals, groups and terminals.
class Supervisor {
 public:
  /// Blocks and collects signals from here on (until this process ends: they stay blocked), and
  /// forks the guard; so call it before there is any socket, thread or secret in the process.
  /// Throws Error when the system refuses.
  Supervisor(Loop& loop, const StartState& start);
  /// For a crew: commands that run at the same time, each at a place of its own (0, 1, ...) with a
  /// guard that serves one after the other there. They have no controlling terminal, each its own
  /// process group, and none of them is sent a signal that we get: request() hears of it.
  Supervisor(Loop& loop, const StartState& start, int places);
  /// Ends the guard, and the command if it still runs.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Before run(): awaits a signal that asks this process to end (TERM, HUP, INT, QUIT and whatever
  /// else would have ended it by default) and returns it. ^Z and fg work meanwhile.
  Task<int> interrupted();

  /// Starts the command and awaits its end: everything of it has ended (as far as Options::tree
  /// asks) when this returns, unless tree_ended is false. `valid_end` may be kNever: no lease.
  ///
  /// When a signal has asked this process to end before the command could start, it is not started:
  /// the outcome is that of a command that died of that signal; not so for a crew. May be called
  /// again when it has returned; without a crew, each later call forks a guard of its own. Throws
  /// Error when the system refuses.
  Task<Outcome> run(Command command, Options options, TimePoint valid_end, int place = 0);

  /// The lease was renewed: its end is now `valid_end` (only ever later). False when ending has
  /// begun, which no late renewal can turn back.
  bool extend(TimePoint valid_end, int place = 0);

  /// The lease is lost or revoked: TERM now, KILL after the grace or at the lease's end, whichever
  /// is first. Without a running command nothing.
  void lose(int place = 0);
  /// As lose(), but the outcome is Ending::stopped.
  void stop(int place = 0);

  /// Of a crew: awaits signal number `n` (from 1 on) of those that ask this process to end.
  Task<int> request(int n);

  /// The first signal that has asked this process to end, before, while (TERM, INT and QUIT, which
  /// the command was sent) or after a command ran, else 0. For those that run one command after the
  /// other.
  int asked_to_end() const;

  /// Whether the command has been started and its end not yet seen.
  bool running(int place = 0) const;
  /// The command's process id while it runs, else 0; and the guard's.
  int command_pid(int place = 0) const;
  int guard_pid(int place = 0) const;

 private:
  struct State;
  GuardedRun& at(int place) const;
  std::unique_ptr<State> state_;
};

/// Ends this process the way a command that died of `signal` did, so that the caller's $? and
/// WIFSIGNALED are the same: default disposition, no core file, raise; as PID 1, where that has no
/// effect, exits 128+signal.
[[noreturn]] void die_of_signal(int signal);

}  // namespace dcoord::hold
