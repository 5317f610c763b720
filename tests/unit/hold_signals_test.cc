// Signals, without a terminal (see hold_terminal_test.cc for that).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

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

TEST_CASE("hold: as PID 1 of a container", "[hold]") {
  if (system("unshare --fork --pid --mount-proc true 2>/dev/null") != 0)
    SKIP("no PID namespaces here");
  Hold hold;
  const auto start = [&](const std::vector<std::string>& command) {
    const std::string quoted = hold.shell_line({"--lease", "60000"}, command);
    Setup setup;
    setup.prepare = [quoted] {
      // HOLD_DIR=... stands first: it is in our environment already.
      const std::string all =
          "exec unshare --fork --pid --mount-proc " + quoted.substr(quoted.find(' ') + 1);
      execl("/bin/sh", "sh", "-c", all.c_str(), nullptr);
    };
    hold.start({}, {"true"}, setup);
  };
  // unshare's child is PID 1 there; its number here is in NSpid of the workload's parents.
  const auto first_process = [&] {
    std::string text;
    const bool found = eventually([&] {
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream cmdline(entry.path() / "cmdline");
        std::string name;
        std::getline(cmdline, name, '\0');
        std::string report;
        std::getline(cmdline, report, '\0');
        std::getline(cmdline, report, '\0');
        if (name == program("hold_probe") && report == hold.file("report"))
          text = entry.path().filename();
      }
      return !text.empty();
    });
    REQUIRE(found);
    return std::stoi(text);
  };
  SECTION("exit codes and signals") {
    start(workload("exit", "6"));
    CHECK(hold.code() == 6);
  }
  SECTION("TERM is forwarded, and dying of it is 128+15") {
    start({"sh", "-c", "\"$0\" record & wait", program("hold_workload")});
    eventually([&] { return !hold.lines("pids").empty(); });
    kill(first_process(), SIGTERM);
    CHECK(hold.code() == 128 + SIGTERM);
    hold.all_dead();
  }
  SECTION("orphans are collected") {
    start(workload("record"));
    eventually([&] { return !hold.lines("pids").empty(); });
    const pid_t one = first_process();
    // As `docker exec` does: from outside into the namespace, and leaving an orphan there.
    const std::string enter =
        "nsenter -t " + std::to_string(one) + " -p -m sh -c '(sleep 0.05 & )'";
    REQUIRE(system(enter.c_str()) == 0);
    const auto no_zombies = [&] {
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream stat(entry.path() / "stat");
        std::string text;
        std::getline(stat, text);
        if (text.find("(sleep) Z " + std::to_string(one)) != std::string::npos) return false;
        if (text.find("(sleep) S " + std::to_string(one)) != std::string::npos) return false;
      }
      return true;
    };
    CHECK(eventually(no_zombies));
    hold.create("stop");
    CHECK(hold.code() == 7);
  }
}
