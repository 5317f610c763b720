// Signals, without a terminal (see hold_terminal_test.cc for that).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "support/hold_harness.h"

namespace {

using namespace hold_test;

/// Those that are passed on and that the workload "record" can write down.
std::vector<int> forwarded() {
  std::vector<int> all = {SIGTERM, SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,   SIGUSR2, SIGWINCH,
                          SIGCONT, SIGPIPE, SIGPROF, SIGIO,   SIGSTKFLT, SIGPWR,  SIGVTALRM};
  for (int s = 34; s < 65; ++s) all.push_back(s);
  return all;
}

}  // namespace

TEST_CASE("hold: signals reach the command, once each", "[hold]") {
  Hold hold;
  hold.start({}, workload("record"));
  hold.processes(1);
  for (const int s : forwarded()) {
    INFO("signal " << s);
    kill(hold.supervisor(), s);
    CHECK(eventually([&] { return hold.recorded(s); }));
  }
  hold.create("stop");
  CHECK(hold.code() == 7);
  CHECK(hold.lines("signals").size() == forwarded().size());
}

TEST_CASE("hold: a command that dies of a forwarded signal", "[hold]") {
  Hold hold;
  hold.start({"--lease", "60000"}, {"sleep", "100"});
  const pid_t command = hold.command();
  kill(hold.supervisor(), SIGTERM);
  const int status = hold.wait();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
  CHECK(hold.reported("outcome") == "by_itself 15 0 ended");
  CHECK(dead(command));
}

TEST_CASE("hold: its whole group gets what is forwarded", "[hold]") {
  Hold hold;
  hold.start({},
             {"sh", "-c", "\"$0\" record & \"$0\" record & wait; wait", program("hold_workload")});
  hold.processes(2);
  kill(hold.supervisor(), SIGUSR2);
  CHECK(eventually([&] { return hold.recorded(SIGUSR2, 2); }));
  hold.create("stop");
  hold.code();
}

TEST_CASE("hold: --kill-after is KILL for the tree when TERM did not do", "[hold]") {
  Hold hold;
  hold.start({"--kill-after", "100"}, workload("tree"));
  const auto pids = hold.processes(12);
  kill(hold.supervisor(), SIGTERM);
  CHECK(hold.code() == 128 + SIGKILL);
  CHECK(hold.reported("outcome") == "by_itself 9 0 ended");
  for (const pid_t pid : pids) CHECK(dead(pid));
}

TEST_CASE("hold: what was ignored at the start stays ignored", "[hold]") {
  Setup setup;
  setup.prepare = [] {
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
  };
  Hold hold;
  SECTION("while the command runs") {
    hold.start({}, workload("record"), setup);
    hold.processes(1);
    kill(hold.supervisor(), SIGHUP);
    kill(hold.supervisor(), SIGINT);
    kill(hold.supervisor(), SIGUSR1);
    CHECK(eventually([&] { return hold.recorded(SIGUSR1); }));
    CHECK(hold.recorded(SIGHUP, 0));
    CHECK(hold.recorded(SIGINT, 0));
    hold.create("stop");
    CHECK(hold.code() == 7);
  }
  SECTION("while waiting for the lease") {
    hold.start({"--wait", hold.file("go")}, workload("exit", "6"), setup);
    kill(hold.supervisor(), SIGHUP);
    kill(hold.supervisor(), SIGINT);
    hold.create("go");
    CHECK(hold.code() == 6);
  }
}

TEST_CASE("hold: a signal ends the wait for the lease, and no command is started", "[hold]") {
  for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGALRM, SIGRTMIN}) {
    INFO("signal " << s);
    Hold hold;
    hold.start({"--wait", hold.file("go")}, workload("record"));
    kill(hold.supervisor(), SIGWINCH);  // means nothing here
    kill(hold.supervisor(), s);
    const int status = hold.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == s);
    CHECK(hold.lines("pids").empty());
    CHECK(eventually([&] { return dead(hold.guard()); }));
  }
}

TEST_CASE("hold: a signal that comes just before the start keeps it from starting", "[hold]") {
  Hold hold;
  Setup setup;
  setup.prepare = [] {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    raise(SIGTERM);
  };
  hold.start({}, workload("record"), setup);
  const int status = hold.wait();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
  CHECK(hold.lines("pids").empty());
}

TEST_CASE("hold: a killed supervisor takes its idle guard along", "[hold]") {
  Hold hold;
  hold.start({"--wait", hold.file("go")}, workload("record"));
  const pid_t guard = hold.guard();
  kill(hold.supervisor(), SIGKILL);
  CHECK(eventually([&] { return dead(guard); }));
}

TEST_CASE("hold: a guard that was killed while waiting is replaced", "[hold]") {
  Hold hold;
  hold.start({"--wait", hold.file("go")}, workload("exit", "6"));
  kill(hold.guard(), SIGKILL);
  CHECK(eventually([&] { return dead(hold.guard()); }));
  hold.create("go");
  CHECK(hold.code() == 6);
}
