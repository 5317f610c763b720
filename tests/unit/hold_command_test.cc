// What the command is given, and what comes back of it.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "support/hold_harness.h"

namespace {

using namespace hold_test;

int code_of(const std::vector<std::string>& command, const std::vector<std::string>& options = {}) {
  Hold hold;
  hold.start(options, command);
  return hold.code();
}

/// The line of "state" that begins with `word`, as the workload "show" wrote it.
std::string shown(const Hold& hold, const std::string& word) {
  for (const auto& line : hold.lines("state")) {
    if (line.starts_with(word)) return line;
  }
  return "";
}

std::string script(const Hold& hold, const std::string& name, const std::string& text,
                   mode_t mode) {
  std::filesystem::create_directory(hold.file("bin"));
  const std::string path = hold.file("bin/" + name);
  std::ofstream(path) << text;
  chmod(path.c_str(), mode);
  return path;
}

bool ends_a_process(int signal) {
  for (const int s :
       {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, 32, 33}) {
    if (signal == s) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("hold: each exit code passes unchanged", "[hold]") {
  for (int code = 0; code < 256; ++code) {
    INFO("code " << code);
    CHECK(code_of(workload("exit", std::to_string(code))) == code);
  }
}

TEST_CASE("hold: each signal that a command dies of passes unchanged", "[hold]") {
  for (int signal = 1; signal < 65; ++signal) {
    if (!ends_a_process(signal)) continue;
    INFO("signal " << signal);
    Hold hold;
    hold.start({}, workload("die", std::to_string(signal)));
    const int status = hold.wait();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal);
    CHECK_FALSE(WCOREDUMP(status));
  }
}

TEST_CASE("hold: commands that cannot be executed", "[hold]") {
  Hold hold;
  const auto outcome = [&](const std::string& command, const std::vector<std::string>& options) {
    Hold another;
    another.start(options, {command});
    return std::to_string(another.code()) + " " + another.reported("outcome");
  };
  const std::string missing = std::to_string(ENOENT) + " ended";
  const std::string denied = std::to_string(EACCES) + " ended";
  CHECK(outcome("no-such-command", {}) == "127 not_started 0 " + missing);
  CHECK(outcome("/no/such/command", {}) == "127 not_started 0 " + missing);
  CHECK(outcome("", {}) == "127 not_started 0 " + missing);
  CHECK(outcome("/tmp", {}) == "126 not_started 0 " + denied);
  const std::string plain = script(hold, "plain", "exit 4\n", 0644);
  CHECK(outcome(plain, {}) == "126 not_started 0 " + denied);
  CHECK(outcome("plain", {"--path", "/bin:" + hold.file("bin")}) == "126 not_started 0 " + denied);
  CHECK(outcome("sh", {"--path", "/nonexistent"}) == "127 not_started 0 " + missing);
}

TEST_CASE("hold: the command is looked up as execvp does, in its own PATH", "[hold]") {
  Hold hold;
  script(hold, "odd", "exit 4\n", 0755);  // no #! line
  CHECK(code_of({"odd"}, {"--path", "/nonexistent:" + hold.file("bin")}) == 4);
  CHECK(code_of({hold.file("bin/odd")}) == 4);
  script(hold, "proper", "#!/bin/sh\nexit $1\n", 0755);
  CHECK(code_of({"proper", "5"}, {"--path", hold.file("bin")}) == 5);
  CHECK(code_of({"sh", "-c", "exit 6"}, {"--unset-path", "1"}) == 6);
  SECTION("an entry that may not be searched is passed over") {
    CHECK(code_of({"sh", "-c", "exit 8"}, {"--path", hold.file("bin/odd") + ":/bin"}) == 8);
  }
  SECTION("an empty entry is the current directory") {
    Hold another;
    Setup setup;
    setup.prepare = [&] { REQUIRE(chdir(hold.file("bin").c_str()) == 0); };
    another.start({"--path", ":/nonexistent"}, {"odd"}, setup);
    CHECK(another.code() == 4);
  }
}

TEST_CASE("hold: arguments and environment", "[hold]") {
  CHECK(code_of({"sh", "-c", "[ \"$1\" = 'a  b' ] && [ -z \"$2\" ] && [ $# = 2 ]", "sh", "a  b",
                 ""}) == 0);
  Hold hold;
  Setup setup;
  setup.prepare = [] {
    setenv("HOLD_UNSET", "secret", 1);
    setenv("HOLD_PROBE", "another", 1);
  };
  hold.start({}, workload("show"), setup);
  CHECK(hold.code() == 0);
  CHECK(shown(hold, "set") == "set 1");
  CHECK(shown(hold, "unset") == "unset -");
  CHECK(code_of({"true"}, {"--pad", "100000"}) == 0);
  CHECK(code_of({"true"}, {"--pad", "200000"}) == 126);    // more than Linux takes
  CHECK(code_of({"true"}, {"--pad", "20000000"}) == 126);  // more than we take
}

TEST_CASE("hold: mask, dispositions and limits are those of the start", "[hold]") {
  Hold hold;
  Setup setup;
  setup.prepare = [] {
    for (const int s : {SIGHUP, SIGINT, SIGCHLD, SIGPIPE, SIGCONT}) signal(s, SIG_IGN);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    setenv("ASAN_OPTIONS", "disable_coredump=0", 1);  // or it is the sanitizer that sets it
    const rlimit core{4096, 1 << 20};
    setrlimit(RLIMIT_CORE, &core);
  };
  hold.start({}, workload("show"), setup);
  CHECK(hold.code() == 0);
  CHECK(shown(hold, "blocked") == "blocked 10 64");
  CHECK(shown(hold, "ignored") == "ignored 1 2 13 17 18");
  CHECK(shown(hold, "core") == "core 4096");
  CHECK(shown(hold, "group") == "group own");
}

TEST_CASE("hold: the caller's descriptors are passed on, and none of ours", "[hold]") {
  Hold hold;
  Setup setup;
  SECTION("a plain start, with one more (make's jobserver)") {
    setup.prepare = [] {
      dup2(open("/dev/null", O_RDWR), 3);
      dup2(3, 9);
    };
    hold.start({}, workload("show"), setup);
    CHECK(hold.code() == 0);
    CHECK(shown(hold, "descriptors") == "descriptors 0 1 2 3 9");
  }
  SECTION("without stdin, stdout and stderr") {
    setup.closed = {0, 1, 2};
    hold.start({}, workload("show"), setup);
    CHECK(hold.code() == 0);
    CHECK(shown(hold, "descriptors") == "descriptors 0 1 2");
  }
  SECTION("the guard keeps none of them, and bears another name") {
    setup.prepare = [] { dup2(1, 3); };
    hold.start({}, workload("record"), setup);
    hold.processes(1);
    const std::string of_guard = "/proc/" + std::to_string(hold.guard());
    size_t others = 0;
    REQUIRE(eventually([&] {
      others = 0;
      for (const auto& fd : std::filesystem::directory_iterator(of_guard + "/fd")) {
        others += std::filesystem::read_symlink(fd) == "/dev/null" ? 0 : 1;
      }
      return others == 2;  // its socket, its signals
    }));
    std::string name;
    std::getline(std::ifstream(of_guard + "/comm"), name);
    CHECK(name == "lease-guard");
    std::getline(std::ifstream(of_guard + "/cmdline"), name);
    CHECK(std::string(name.c_str()) == "lease-guard");
    CHECK(name.find("hold_probe") == std::string::npos);
    CHECK(std::filesystem::read_symlink(of_guard + "/cwd") == "/");
    hold.create("stop");
    CHECK(hold.code() == 7);
  }
}

TEST_CASE("hold: children ignored at the start do not confuse it", "[hold]") {
  Hold hold;
  Setup setup;
  setup.prepare = [] { signal(SIGCHLD, SIG_IGN); };
  hold.start({"--tree", "wait"}, workload("leave"), setup);
  hold.processes(1);
  hold.create("stop");
  CHECK(hold.code() == 3);
}

TEST_CASE("hold: children that we had at the start are not ours to end", "[hold]") {
  Hold hold;
  Setup setup;
  setup.prepare = [&] {
    const pid_t pid = fork();
    if (pid == 0) {
      execlp("sleep", "sleep", "100", nullptr);
      _exit(1);
    }
    std::ofstream(hold.file("mine")) << pid << "\n";
  };
  hold.start({}, workload("tree"), setup);
  const auto pids = hold.processes(12);
  const pid_t mine = std::stoi(hold.lines("mine").at(0));
  kill(hold.guard(), SIGKILL);
  CHECK(hold.code() == 79);
  CHECK(hold.reported("outcome") == "lost 0 0 ended");
  for (const pid_t pid : pids) CHECK(dead(pid));
  CHECK_FALSE(dead(mine));
  kill(mine, SIGKILL);
}

TEST_CASE("hold: one command after the other", "[hold]") {
  Hold hold;
  hold.start({"--times", "3", "--lease", "60000"}, workload("show"));
  CHECK(hold.code() == 0);
  CHECK(hold.lines("state").size() == 3 * 7);
  for (const auto& line : hold.lines("state")) {
    if (line.starts_with("descriptors")) CHECK(line == "descriptors 0 1 2");
  }
}

TEST_CASE("hold: a process that may not be killed is named, and not waited for past the lease",
          "[hold]") {
  if (getuid() != 0) SKIP("needs root, to make a program that changes its user");
  Hold hold;
  chmod(hold.file("").c_str(), 0777);
  chmod(hold.file("alive").c_str(), 0666);
  const std::string other = hold.file("other_user");
  std::filesystem::copy_file(program("hold_workload"), other);
  chmod(other.c_str(), 04755);
  Setup setup;
  setup.prepare = [&] {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(98);
  };
  hold.start({"--lease", "3000", "--margin", "300", "--grace", "100", "--renew", "50",
              "--renew-until", hold.file("enough")},
             {other, "root"}, setup);
  const auto pids = hold.processes(2);
  const pid_t survivor = pids[0];
  hold.create("enough");
  CHECK(hold.code() == 79);
  CHECK(hold.reported("outcome") ==
        "lost 0 0 survivors: pid " + std::to_string(survivor) + " (other_user)");
  CHECK(dcoord::BootClock::now() >= hold.valid_end());
  CHECK_FALSE(dead(survivor));
  CHECK(dead(pids[1]));  // below it, but within reach
  CHECK(eventually([&] { return dead(hold.guard()); }));
}
