#include "hold/background.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "hold/proc.h"
#include "support/hold_harness.h"

namespace {

using namespace dcoord;
using namespace hold_test;

struct Child {
  pid_t pid = fork();
  Child() {
    if (pid == 0) {
      for (;;) pause();
    }
  }
  ~Child() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
};

}  // namespace

TEST_CASE("hold: bound to a process, its end is seen", "[hold]") {
  SystemClock clock;
  Loop loop(clock);
  Child child;
  hold::BoundProcess bound(loop, child.pid);
  CHECK(bound.pid() == child.pid);
  Task<void> ended = bound.ended();
  loop.start(ended);
  CHECK_FALSE(ended.done());
  CHECK(bound.signal(0));
  CHECK(bound.signal(SIGKILL));
  while (!ended.done()) loop.turn();
  CHECK(dead(child.pid));
  waitpid(child.pid, nullptr, 0);
  CHECK_FALSE(bound.signal(SIGTERM));
}

TEST_CASE("hold: bound to a process that is not there", "[hold]") {
  SystemClock clock;
  Loop loop(clock);
  pid_t gone = 0;
  {
    Child child;
    gone = child.pid;
    kill(gone, SIGKILL);
    siginfo_t info;
    waitid(P_PID, static_cast<id_t>(gone), &info, WEXITED | WNOWAIT);
    CHECK_THROWS_AS(hold::BoundProcess(loop, gone), Error);  // a zombie has ended
  }
  CHECK_THROWS_AS(hold::BoundProcess(loop, gone), Error);
  CHECK_THROWS_AS(hold::BoundProcess(loop, 0), Error);
  CHECK_THROWS_AS(hold::BoundProcess(loop, -1), Error);
}

TEST_CASE("hold: a process in the background has nothing of ours", "[hold]") {
  const auto start = hold::StartState::capture();
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  int other[2];
  REQUIRE(pipe(other) == 0);
  const pid_t pid = hold::detach(std::span(&ends[1], 1), start);
  if (pid == 0) {
    std::string text = getsid(0) == getpid() ? "session " : "no session ";
    for (const auto& fd : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const auto target = std::filesystem::read_symlink(fd, gone);
      if (!gone && target != "/proc/" + std::to_string(getpid()) + "/fd")
        text += fd.path().filename().string() + " ";
    }
    text += std::filesystem::current_path();
    const auto n = write(ends[1], text.data(), text.size());
    _exit(n > 0 ? 0 : 1);
  }
  close(ends[1]);
  char buffer[4096];
  const ssize_t n = read(ends[0], buffer, sizeof buffer);
  CHECK(std::string(buffer, static_cast<size_t>(n)) ==
        "session 0 1 2 " + std::to_string(ends[1]) + " /");
  for (const int fd : {ends[0], other[0], other[1]}) close(fd);
  waitpid(pid, nullptr, 0);
}
