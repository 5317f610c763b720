#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/held_lease.h"
#include "cli/options.h"
#include "hold/supervisor.h"

namespace dcoord::cli {

class Context;

/// How a wrapper ends: with a code, or of the signal that ended its command.
struct Finish {
  int code = 0;
  int signal = 0;
};

/// What the wrappers of a command (`lock run`, `elect run`, ...) have in common about it.
struct CommandOptions {
  Duration max_time = kForever;
  std::string tree = "leave";
  std::string on_lost;
  bool scrub_env = false;
  std::optional<long long> status_fd;
  std::string shell;

  /// Without a lease there is no --on-lost.
  void declare(OptionSet& set, bool leased = true);
  /// Those about the command alone, not about how the wrapper ends.
  void declare_of_command(OptionSet& set);
  /// Throws Error (64) for what cannot be.
  void check() const;

  /// The command of the command line, without the variables of other dcoords around it.
  hold::Command command(const Context& context) const;
  hold::Options hold_options(const LeaseTimes& times, std::optional<Duration> kill_after) const;

  /// --status-fd: one line, "WORD CODE", that tells our outcome from the command's.
  void tell_status(const char* word, int code) const;
  /// What the command's end means for us. Throws Error when it was not the command that ended it:
  /// 79 (`what` names the lease that was lost: "lock 'x'"), 124, 126, 127.
  Finish finish(const Context& context, const hold::Outcome& outcome,
                const std::optional<LossReason>& loss, const std::string& what) const;
  /// Runs the --on-lost command, if there is one.
  Task<void> run_on_lost(Context& context, std::vector<std::pair<std::string, std::string>> env,
                         const LossReason& loss) const;
};

/// "cannot run 'x': No such file or directory", 127 or 126.
Error not_started(const std::string& command, int error);

/// A wait status as the shell's $?.
constexpr int wait_code(int status) {
  return (status & 0x7f) != 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
}

/// A command line as a shell would take it, to be shown to others.
std::string shown_command(const std::vector<std::string>& argv);

/// Ends the process as `finish` says, or returns its code.
int end_as(const Finish& finish);

}  // namespace dcoord::cli
