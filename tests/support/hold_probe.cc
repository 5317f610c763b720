// A small program around hold::Supervisor, to be killed, stopped and looked at from outside:
//
//   hold_probe [OPTION VALUE]... -- COMMAND [ARG...]
//
// It exits as dcoord does, and writes what happens, a line each, to the file of --report.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "hold/proc.h"
#include "hold/start_state.h"
#include "hold/supervisor.h"

namespace {

using namespace dcoord;
using std::chrono::milliseconds;

using Arguments = std::map<std::string, std::string>;

class Probe {
 public:
  Probe(Loop& loop, const hold::StartState& start, Arguments args)
      : loop_(loop), args_(std::move(args)), supervisor_(loop, start) {}

  Task<int> run(hold::Command command) {
    report("supervisor " + std::to_string(getpid()));
    report("guard " + std::to_string(supervisor_.guard_pid()));
    if (args_.contains("--wait")) {
      Task<void> until = wait_for_file();
      Task<int> interrupted = supervisor_.interrupted();
      loop_.start(until);
      loop_.start(interrupted);
      while (!until.done() && !interrupted.done()) co_await loop_.sleep(milliseconds(5));
      if (interrupted.done()) {
        report("interrupted " + std::to_string(interrupted.take()));
        hold::die_of_signal(supervisor_.asked_to_end());
      }
    }
    int code = 0;
    for (int left = args_.contains("--times") ? std::stoi(args_["--times"]) : 1; left > 0; --left) {
      Task<int> once = run_once(command);
      code = co_await once;
    }
    co_return code;
  }

 private:
  Duration ms(const std::string& name, Duration otherwise) {
    return args_.contains(name) ? Duration(milliseconds(std::stoll(args_[name]))) : otherwise;
  }

  /// Of the file that the option names.
  bool exists(const std::string& option) { return access(args_[option].c_str(), F_OK) == 0; }

  Task<int> run_once(hold::Command command) {
    hold::Options options;
    const std::string tree = args_.contains("--tree") ? args_["--tree"] : "leave";
    options.tree = tree == "wait"   ? hold::Tree::wait
                   : tree == "kill" ? hold::Tree::kill
                                    : hold::Tree::leave;
    options.grace = ms("--grace", Duration::zero());
    options.margin = ms("--margin", Duration::zero());
    options.kill_after = ms("--kill-after", kForever);
    options.max_time = ms("--max-time", kForever);
    const Duration lease = ms("--lease", kForever);
    const TimePoint valid_end = lease == kForever ? kNever : add(loop_.now(), lease);
    report("valid_end " + std::to_string(valid_end.time_since_epoch().count()));
    Task<void> tell = tell_started();
    Task<void> renew = keep_renewing(lease);
    Task<void> lose = lose_on();
    Task<hold::Outcome> running = supervisor_.run(std::move(command), options, valid_end);
    loop_.start(tell);
    loop_.start(renew);
    loop_.start(lose);
    const hold::Outcome outcome = co_await running;
    co_return end(outcome);
  }

  int end(const hold::Outcome& o) {
    const char* const names[] = {"by_itself", "not_started", "lost", "max_time", "stopped"};
    report("outcome " + std::string(names[static_cast<int>(o.ending)]) + " " +
           std::to_string(o.status) + " " + std::to_string(o.exec_errno) + " " +
           (o.tree_ended ? "ended" : "survivors: " + o.survivors));
    switch (o.ending) {
      case hold::Ending::by_itself:
        signal_ = WIFSIGNALED(o.status) ? WTERMSIG(o.status) : 0;
        return WIFEXITED(o.status) ? WEXITSTATUS(o.status) : 128 + signal_;
      case hold::Ending::not_started:
        return o.exec_errno == ENOENT ? 127 : 126;
      case hold::Ending::lost:
        return 79;
      case hold::Ending::max_time:
        return 124;
      case hold::Ending::stopped:
        return 0;
    }
    return 70;
  }

  Task<void> wait_for_file() {
    while (!exists("--wait")) co_await loop_.sleep(milliseconds(5));
  }
  Task<void> tell_started() {
    while (!supervisor_.running() || supervisor_.command_pid() == 0)
      co_await loop_.sleep(milliseconds(1));
    report("command " + std::to_string(supervisor_.command_pid()));
    if (!args_.contains("--message")) co_return;
    std::fprintf(stderr, "%s\n", args_["--message"].c_str());
    report("told 1");
  }
  Task<void> keep_renewing(Duration lease) {
    const Duration every = ms("--renew", kForever);
    while (every != kForever) {
      co_await loop_.sleep(every);
      if (exists("--renew-until")) break;
      const TimePoint end = add(loop_.now(), lease);
      if (!supervisor_.extend(end)) break;
      report("valid_end " + std::to_string(end.time_since_epoch().count()));
    }
  }
  Task<void> lose_on() {
    if (!args_.contains("--lose-on")) co_return;
    while (!supervisor_.running()) co_await loop_.sleep(Duration::zero());  // as early as can be
    while (!exists("--lose-on")) co_await loop_.sleep(milliseconds(1));
    supervisor_.lose();
    report("lose " + std::to_string(supervisor_.extend(kNever)));
  }

  void report(const std::string& line) {
    if (!args_.contains("--report")) return;
    const int fd = open(args_["--report"].c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (write(fd, (line + "\n").c_str(), line.size() + 1) < 0) perror("hold_probe: report");
    close(fd);
  }

  Loop& loop_;
  Arguments args_;
  hold::Supervisor supervisor_;

 public:
  int signal_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto start = hold::StartState::capture();
  hold::forbid_core_dumps();
  Arguments args;
  int i = 1;
  for (; i + 1 < argc && std::string(argv[i]) != "--"; i += 2) args[argv[i]] = argv[i + 1];
  hold::Command command;
  command.argv.assign(argv + std::min(i + 1, argc), argv + argc);
  if (args.contains("--pad")) command.argv.emplace_back(std::stoul(args["--pad"]), 'x');
  command.env = {{"HOLD_PROBE", "1"}};
  command.unset = {"HOLD_UNSET"};
  if (args.contains("--path")) command.env.emplace_back("PATH", args["--path"]);
  if (args.contains("--unset-path")) command.unset.push_back("PATH");
  hold::pretend_no_children_files(args.contains("--no-children-files"));
  int code = 70;
  int signal = 0;
  try {
    SystemClock clock;
    Loop loop(clock);
    Probe probe(loop, start, args);
    code = loop.run(probe.run(command));
    signal = probe.signal_;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hold_probe: %s\n", error.what());
  }
  if (signal != 0) hold::die_of_signal(signal);
  return code;
}
