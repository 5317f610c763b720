#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace hold_test {

using dcoord::Duration;
using dcoord::TimePoint;
using dcoord::UniqueFd;

/// Waits for a condition, for as long as any machine could need; false when it did not come.
bool eventually(const std::function<bool()>& condition, Duration limit = std::chrono::seconds(60));

/// Neither running nor stopped; a zombie is dead.
bool dead(pid_t pid);

/// The path of a program that was built beside this one.
std::string program(const std::string& name);

/// What a started process gets.
struct Setup {
  std::vector<std::string> wrapper;  ///< a command that starts it
  std::vector<int> closed;           ///< descriptors
  std::function<void()> prepare;     ///< runs in the child, last
  bool new_session = true;           ///< without a controlling terminal
};

/// A hold_probe with a workload under it, in a folder of its own. Its destructor ends what is left.
class Hold {
 public:
  /// Nothing is started yet.
  Hold();
  ~Hold();
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  void start(const std::vector<std::string>& options, const std::vector<std::string>& command,
             const Setup& setup = {});
  /// The same as a line for a shell, with everything quoted.
  std::string shell_line(const std::vector<std::string>& options,
                         const std::vector<std::string>& command) const;

  pid_t supervisor();
  pid_t guard();
  pid_t command();

  /// Waits for the probe's end; its wait status.
  int wait();
  /// wait() as the shell's $?.
  int code();

  /// Waits until so many processes of the workload have reported; their ids.
  std::vector<pid_t> processes(size_t count);
  /// Waits until every process of the workload is dead, and returns when that was.
  TimePoint all_dead();
  /// all_dead(), and whether that was before the lease's end.
  bool died_in_time();
  /// The latest one that the probe was told.
  TimePoint valid_end() const;
  /// The line of the report that starts with `word`, without it; waits for it.
  std::string reported(const std::string& word);

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::vector<std::string> lines(const std::string& name) const;
  /// Whether "signals" has the number so often.
  bool recorded(int signal, long times = 1) const;
  void create(const std::string& name) const;

 private:
  pid_t reported_pid(const std::string& word);
  void end_leftovers();

  std::string folder_;
  UniqueFd alive_;
  pid_t pid_ = 0;
};

std::vector<std::string> workload(const std::string& mode, const std::string& argument = "");

}  // namespace hold_test
