// With a controlling terminal: what is typed there, and a shell's job control.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "hold/proc.h"
#include "support/hold_harness.h"
#include "support/hold_pty.h"

namespace {

using namespace hold_test;
using dcoord::hold::process_state;

const char* const kInterrupt = "\x03";
const char* const kSuspend = "\x1a";

bool stopped(pid_t pid) { return process_state(pid) == 'T'; }

/// A shell on a terminal, and a probe that is started from it.
struct Session {
  Hold hold;
  Pty pty{interactive_bash()};

  Session() { pty.expect("ready> "); }
  ~Session() { hold.create("stop"); }

  /// `after` follows the command on the shell's line.
  void run(const std::vector<std::string>& options, const std::vector<std::string>& command,
           const std::string& after = "; echo code=$?") {
    pty.type(hold.shell_line(options, command) + after + "\n");
  }
  /// All that was sent to the command before has been handled when it has recorded this.
  void settle() {
    kill(hold.supervisor(), SIGUSR1);
    CHECK(eventually([&] { return hold.recorded(SIGUSR1); }));
  }
};

const std::vector<std::string> kRenewed = {"--lease", "20000", "--margin", "500",
                                           "--grace", "500",   "--renew",  "50"};
// Renewed too, but not while it is stopped.
const std::vector<std::string> kShort = {"--lease", "3500", "--margin", "1500",
                                         "--grace", "300",  "--renew",  "50"};

}  // namespace

TEST_CASE("hold terminal: a typed ^C reaches the command once", "[hold]") {
  Session s;
  s.run({}, workload("record"));
  s.hold.processes(1);
  s.pty.type(kInterrupt);
  CHECK(eventually([&] { return s.hold.recorded(SIGINT); }));
  s.settle();
  CHECK(s.hold.recorded(SIGINT, 1));
  s.hold.create("stop");
  s.pty.expect("code=7");
}

TEST_CASE("hold terminal: ^C ends a command that minds it", "[hold]") {
  Session s;
  s.run({}, {"sleep", "100"});
  s.hold.command();
  s.pty.type(kInterrupt);
  s.pty.type("echo code=$?\n");  // the rest of the line is not run
  s.pty.expect("code=130");
}

TEST_CASE("hold terminal: insisting ^C is KILL for the tree", "[hold]") {
  Session s;
  s.run(kRenewed, workload("tree"));
  const auto pids = s.hold.processes(12);
  CHECK(eventually([&] {
    if (!dead(pids[0])) s.pty.type(kInterrupt);
    usleep(50'000);
    return dead(pids[0]);
  }));
  s.pty.expect("code=137");
  CHECK(s.hold.reported("outcome") == "by_itself 9 0 ended");
  for (const pid_t pid : pids) CHECK(dead(pid));
}

TEST_CASE("hold terminal: the command is in the shell's job, time after time", "[hold]") {
  Session s;
  s.run({"--times", "2"}, workload("show"));
  s.pty.expect("code=0");
  size_t shared = 0;
  for (const auto& line : s.hold.lines("state")) shared += line == "group shared" ? 1 : 0;
  CHECK(shared == 2);
}

TEST_CASE("hold terminal: ^Z stops the job, fg continues it", "[hold]") {
  Session s;
  s.run(kRenewed, workload("record", GENERATE_COPY("", "tstp")));
  s.hold.processes(1);
  for (int round = 0; round < 5; ++round) {
    s.pty.type(kSuspend);
    s.pty.expect("Stopped");
    CHECK(stopped(s.hold.command()));
    CHECK(stopped(s.hold.supervisor()));
    s.pty.type("fg; echo fgcode=$?\n");
    CHECK(eventually([&] { return !stopped(s.hold.command()) && !stopped(s.hold.supervisor()); }));
    // Renewed, and answering.
    const auto end = s.hold.valid_end();
    CHECK(eventually([&] { return s.hold.valid_end() > end; }));
  }
  s.settle();
  s.hold.create("stop");
  s.pty.expect("fgcode=7");
}

TEST_CASE("hold terminal: a ^Z soon after fg is not undone", "[hold]") {
  Session s;
  s.run(kRenewed, workload("record"));
  s.hold.processes(1);
  for (int round = 0; round < 60; ++round) {
    s.pty.type(kSuspend);
    s.pty.expect("Stopped");
    s.pty.type("echo round=$((100+" + std::to_string(round) + ")); fg\n");
    s.pty.expect("round=" + std::to_string(100 + round));
    CHECK(eventually([&] { return !stopped(s.hold.command()); }));
    usleep(static_cast<useconds_t>(round % 6 * 500 + 17'000));  // about when it is looked at
  }
}

TEST_CASE("hold terminal: ^Z, then bg", "[hold]") {
  Session s;
  s.run(kRenewed, workload("record"));
  s.hold.processes(1);
  s.pty.type(kSuspend);
  s.pty.expect("Stopped");
  s.pty.type("bg\n");
  CHECK(eventually([&] { return !stopped(s.hold.command()) && !stopped(s.hold.supervisor()); }));
  s.settle();
  s.hold.create("stop");
  s.pty.type("wait %1; echo waited=$?\n");
  s.pty.expect("waited=7");
}

TEST_CASE("hold terminal: a job stopped past its lease is dead in time", "[hold]") {
  Session s;
  s.run(kShort, workload("tree"));
  const auto pids = s.hold.processes(12);
  s.pty.type(kSuspend);
  s.pty.expect("Stopped");
  CHECK(s.hold.died_in_time());
  for (const pid_t pid : pids) CHECK(eventually([&] { return dead(pid); }));
  CHECK(eventually([&] { return dead(s.hold.supervisor()); }));
  s.pty.type("jobs\n");
  s.pty.expect("Exit 79");
}

TEST_CASE("hold terminal: ^Z while waiting for the lease", "[hold]") {
  Session s;
  s.run({"--wait", s.hold.file("go")}, workload("exit", "6"));
  const pid_t supervisor = s.hold.supervisor();
  s.hold.guard();
  s.pty.type(kSuspend);
  s.pty.expect("Stopped");
  CHECK(stopped(supervisor));
  s.pty.type("fg; echo fgcode=$?\n");
  CHECK(eventually([&] { return !stopped(supervisor); }));
  s.hold.create("go");
  s.pty.expect("fgcode=6");
}

TEST_CASE("hold terminal: only the supervisor is continued", "[hold]") {
  Session s;
  s.run(kRenewed, workload("record"));
  s.hold.processes(1);
  s.pty.type(kSuspend);
  s.pty.expect("Stopped");
  kill(s.hold.supervisor(), SIGCONT);
  CHECK(eventually([&] { return !stopped(s.hold.command()); }));
  s.settle();
  s.hold.create("stop");
}

TEST_CASE("hold terminal: only the command is continued", "[hold]") {
  Session s;
  s.run(kRenewed, workload("record"));
  s.hold.processes(1);
  s.pty.type(kSuspend);
  s.pty.expect("Stopped");
  kill(s.hold.command(), SIGCONT);
  CHECK(eventually([&] { return !stopped(s.hold.supervisor()); }));
  s.settle();
  s.hold.create("stop");
}

TEST_CASE("hold terminal: a shell inside, suspended and continued", "[hold]") {
  Session s;
  s.run(kRenewed, interactive_bash());
  s.pty.expect("ready> ");
  for (int round = 0; round < 3; ++round) {
    s.pty.type("suspend\n");
    s.pty.expect("Stopped");
    s.pty.type("fg; echo fgcode=$?\n");
    s.pty.type("echo in=$((1+1))\n");
    s.pty.expect("in=2");
  }
  s.pty.type("exit 9\n");
  s.pty.expect("fgcode=9");
}

TEST_CASE("hold terminal: in the background, a message of ours does not stop us", "[hold]") {
  Session s;
  s.pty.type("stty tostop\n");
  s.run({"--message", "heeded"}, workload("record"), " & echo pid=$!");
  s.pty.expect("heeded");
  s.hold.processes(1);
  CHECK(s.hold.reported("told") == "1");
  s.settle();
  CHECK_FALSE(stopped(s.hold.supervisor()));
  s.hold.create("stop");
  s.pty.type("wait %1; echo waited=$?\n");
  s.pty.expect("waited=7");
}

TEST_CASE("hold terminal: in the background, a command that reads is stopped until it is in front",
          "[hold]") {
  Session s;
  s.run(kRenewed, workload("line"), " & echo pid=$!");
  s.hold.processes(1);
  CHECK(eventually([&] { return stopped(s.hold.command()) && stopped(s.hold.supervisor()); }));
  s.pty.type("fg; echo fgcode=$?\n");
  s.pty.type("hello\n");
  s.pty.expect("fgcode=5");
  CHECK(s.hold.lines("lines") == std::vector<std::string>{"hello"});
}

TEST_CASE("hold terminal: the shell's kill reaches the command", "[hold]") {
  Session s;
  s.run({}, workload("record"), " & echo pid=$!");
  s.hold.processes(1);
  s.pty.type("kill %1\n");
  CHECK(eventually([&] { return !s.hold.recorded(SIGTERM, 0); }));
  s.hold.create("stop");
  s.pty.type("wait %1; echo waited=$?\n");
  s.pty.expect("waited=7");
}

TEST_CASE("hold terminal: the line drops", "[hold]") {
  SECTION("a shell's job") {
    Session s;
    s.run({}, workload("record"));
    s.hold.processes(1);
    s.pty.hang_up();
    CHECK(eventually([&] { return !s.hold.recorded(SIGHUP, 0); }));
    s.hold.create("stop");
    s.hold.all_dead();
    CHECK(s.hold.reported("outcome") == "by_itself 1792 0 ended");
  }
  SECTION("the supervisor leads the session: the kernel tells only it") {
    Hold hold;
    std::string line = hold.shell_line({}, workload("record"));
    Pty pty({"sh", "-c", "exec " + line.substr(line.find(' ') + 1)});
    hold.processes(1);
    pty.hang_up();
    CHECK(eventually([&] { return hold.recorded(SIGHUP); }));
    hold.create("stop");
    hold.all_dead();
  }
}

TEST_CASE("hold terminal: as the session's leader (docker -it, ssh -t) ^Z stops nothing for ever",
          "[hold]") {
  Hold hold;
  std::string line = hold.shell_line({}, workload("record"));
  Pty pty({"sh", "-c", "exec " + line.substr(line.find(' ') + 1)});
  hold.processes(1);
  pty.type(kSuspend);
  pty.expect("^Z");
  kill(hold.supervisor(), SIGUSR1);
  CHECK(eventually([&] { return hold.recorded(SIGUSR1); }));
  pty.type(kInterrupt);
  CHECK(eventually([&] { return hold.recorded(SIGINT); }));
  hold.create("stop");
  hold.all_dead();
}

TEST_CASE("hold terminal: the whole job is killed or stopped", "[hold]") {
  Session s;
  s.run(kShort, workload("tree"));
  const auto pids = s.hold.processes(12);
  const pid_t group = getpgid(s.hold.supervisor());
  SECTION("killed") {
    kill(-group, SIGKILL);
    CHECK(s.hold.died_in_time());
    s.pty.expect("code=137");
  }
  SECTION("stopped, and the guard too") {
    kill(s.hold.guard(), SIGSTOP);
    kill(-group, SIGSTOP);
    CHECK(s.hold.died_in_time());
  }
  for (const pid_t pid : pids) CHECK(eventually([&] { return dead(pid); }));
}

TEST_CASE("hold terminal: a killed command leaves the terminal usable", "[hold]") {
  Session s;
  s.run({"--lease", "60000", "--lose-on", s.hold.file("lost")}, workload("raw"));
  s.hold.processes(1);
  CHECK_FALSE(s.pty.cooked());
  s.hold.create("lost");
  s.pty.expect("code=79");
  CHECK(s.pty.cooked());
}
