#include "hold/remains.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "hold/proc.h"
#include "support/server.h"

using namespace dcoord;
using dcoord::testing::wait_until;

namespace {

unsigned long long start_of(pid_t pid) {
  hold::ProcessStat stat;
  return hold::read_stat(pid, stat) ? stat.start : 0;
}

/// A child that waits to be killed, with a variable in its environment.
pid_t child_with(const char* variable) {
  const pid_t pid = fork();
  if (pid == 0) {
    const char* const argv[] = {"sleep", "1000", nullptr};
    const char* const env[] = {variable, "PATH=/bin:/usr/bin", nullptr};
    execvpe("sleep", const_cast<char**>(argv), const_cast<char**>(env));
    _exit(127);
  }
  return pid;
}

}  // namespace

TEST_CASE("a process lives until it is dead, a zombie does not, and a number is used again") {
  CHECK(hold::lives(getpid(), start_of(getpid())));
  CHECK_FALSE(hold::lives(getpid(), start_of(getpid()) - 1));
  CHECK_FALSE(hold::lives(0, 0));
  const pid_t pid = child_with("X=1");
  const auto start = start_of(pid);
  CHECK(hold::lives(pid, start));
  kill(pid, SIGKILL);
  REQUIRE(wait_until([&] { return hold::process_state(pid) == 'Z'; }));
  CHECK_FALSE(hold::lives(pid, start));
  waitpid(pid, nullptr, 0);
  CHECK_FALSE(hold::lives(pid, start));
}

TEST_CASE("the environments of all processes that may be read have what was set for a command") {
  const pid_t pid = child_with("DCOORD_TOKEN=7f3c0000000000000000000000000abc");
  const auto found = [] {
    return hold::environments("DCOORD_").find("7f3c0000000000000000000000000abc") !=
           std::string::npos;
  };
  CHECK(wait_until(found));
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  CHECK_FALSE(found());
}
