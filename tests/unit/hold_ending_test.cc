// A command's whole tree is dead before the lease's end, whatever happens to its keepers.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "support/hold_harness.h"

namespace {

using namespace hold_test;
using dcoord::BootClock;
using std::chrono::milliseconds;

/// Renewed until there is a file "enough".
std::vector<std::string> lease(const Hold& hold) {
  return {"--lease", "2500",    "--margin", "600",           "--grace",
          "300",     "--renew", "50",       "--renew-until", hold.file("enough")};
}

/// Not renewed, but lost when there is a file "lost".
std::vector<std::string> long_lease(const Hold& hold, const std::string& grace) {
  return {"--lease", "60000", "--margin", "500", "--grace", grace, "--lose-on", hold.file("lost")};
}

constexpr size_t kTreeSize = 12;

void check_dead(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) CHECK(eventually([&] { return dead(pid); }));
}

/// Lets `act` loose on the probe with a tree of stubborn processes under it, and sees that the tree
/// is dead in time.
void survives(const std::function<void(Hold&)>& act, const std::vector<std::string>& more = {}) {
  Hold hold;
  auto options = lease(hold);
  options.insert(options.end(), more.begin(), more.end());
  hold.start(options, workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  hold.create("enough");
  act(hold);
  CHECK(hold.all_dead() < hold.valid_end());
  check_dead(pids);
}

}  // namespace

TEST_CASE("hold: without renewal the tree is dead before the lease's end", "[hold]") {
  survives([](Hold& hold) { CHECK(hold.code() == 79); });
}

TEST_CASE("hold: also on a kernel without children files", "[hold]") {
  survives([](Hold& hold) { CHECK(hold.code() == 79); }, {"--no-children-files", "1"});
}

TEST_CASE("hold: the supervisor is killed", "[hold]") {
  survives([](Hold& hold) { kill(hold.supervisor(), SIGKILL); });
}

TEST_CASE("hold: the guard is killed", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.guard(), SIGKILL);
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome").starts_with("lost"));
  });
}

TEST_CASE("hold: the supervisor is stopped", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.supervisor(), SIGSTOP);
    CHECK(hold.code() == 79);
  });
}

TEST_CASE("hold: the guard is stopped", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.guard(), SIGSTOP);
    CHECK(hold.code() == 79);
  });
}

TEST_CASE("hold: supervisor and guard are stopped", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.guard(), SIGSTOP);
    kill(hold.supervisor(), SIGSTOP);
    CHECK(hold.code() == 79);
  });
}

TEST_CASE("hold: the supervisor is stopped and the guard killed", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.supervisor(), SIGSTOP);
    kill(hold.guard(), SIGKILL);
    CHECK(hold.code() == 79);
  });
}

TEST_CASE("hold: the guard is stopped and the supervisor killed", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.guard(), SIGSTOP);
    kill(hold.supervisor(), SIGKILL);
  });
}

TEST_CASE("hold: the supervisor's group is killed", "[hold]") {
  survives([](Hold& hold) { kill(-hold.supervisor(), SIGKILL); });
}

TEST_CASE("hold: the supervisor's group is stopped", "[hold]") {
  survives([](Hold& hold) {
    kill(-hold.supervisor(), SIGSTOP);
    CHECK(hold.code() == 79);
  });
}

TEST_CASE("hold: the command's group is stopped", "[hold]") {
  survives([](Hold& hold) {
    kill(-hold.command(), SIGSTOP);
    CHECK(hold.code() == 79);
  });
}

TEST_CASE("hold: renewed, the command runs on; when the renewals end it is dead in time",
          "[hold]") {
  Hold hold;
  hold.start({"--lease", "1500", "--margin", "500", "--grace", "200", "--renew", "100"},
             workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  const TimePoint first = hold.valid_end();
  REQUIRE(eventually([&] { return hold.valid_end() > first + milliseconds(1600); }));
  CHECK_FALSE(dead(hold.command()));
  kill(hold.supervisor(), SIGSTOP);
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  check_dead(pids);
}

TEST_CASE("hold: a stopped command can act on TERM", "[hold]") {
  Hold hold;
  hold.start(long_lease(hold, "30000"), {"sleep", "50"});
  kill(hold.command(), SIGSTOP);
  hold.create("lost");
  CHECK(hold.code() == 79);
  CHECK(hold.reported("outcome") == "lost 15 0 ended");
}

TEST_CASE("hold: a bush that forks as fast as it can", "[hold]") {
  Hold hold;
  hold.start(long_lease(hold, "0"), workload("bush", "200"));
  REQUIRE(eventually([&] { return !hold.lines("grown").empty(); }));
  hold.create("lost");
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  check_dead(hold.processes(100));
}

TEST_CASE("hold: a bush is cut while it grows", "[hold]") {
  Hold hold;
  hold.start(long_lease(hold, "0"), workload("bush", "1000"));
  hold.processes(50);
  hold.create("lost");
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  for (const auto& line : hold.lines("pids")) CHECK(dead(std::stoi(line)));
}

TEST_CASE("hold: a chain that flees", "[hold]") {
  Hold hold;
  hold.start(long_lease(hold, "0"), workload("flee", "1000000"));
  hold.processes(2);
  hold.create("lost");
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  CHECK(hold.lines("fled").empty());
}

TEST_CASE("hold: a lost lease is TERM at once, KILL after the grace", "[hold]") {
  SECTION("a command that minds TERM") {
    Hold hold;
    hold.start(long_lease(hold, "30000"), {"sleep", "50"});
    SECTION("that runs") { hold.command(); }
    SECTION("that is being started") {}
    hold.create("lost");
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome") == "lost 15 0 ended");
    CHECK(BootClock::now() < hold.valid_end() - milliseconds(30000));
  }
  SECTION("one that does not") {
    Hold hold;
    hold.start(long_lease(hold, "200"), workload("tree"));
    const auto pids = hold.processes(kTreeSize);
    hold.create("lost");
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome") == "lost 9 0 ended");
    CHECK(hold.reported("lose") == "0");  // no renewal turns it back
    check_dead(pids);
  }
  SECTION("one that answers TERM with success is lost all the same") {
    Hold hold;
    hold.start(
        long_lease(hold, "30000"),
        {"sh", "-c", "trap 'exit 0' TERM; echo >\"$HOLD_DIR/lost\"; while :; do sleep 0.05; done"});
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome").starts_with("lost 0 "));
  }
}

TEST_CASE("hold: --max-time is TERM, then KILL after the grace", "[hold]") {
  Hold hold;
  hold.start({"--max-time", "2500", "--grace", "200"}, workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  CHECK(hold.code() == 124);
  CHECK(hold.reported("outcome") == "max_time 9 0 ended");
  check_dead(pids);
}

TEST_CASE("hold: what the command leaves behind", "[hold]") {
  Hold hold;
  SECTION("is left") {
    hold.start({"--tree", "leave"}, workload("leave"));
    CHECK(hold.code() == 3);
    CHECK_FALSE(dead(hold.processes(1)[0]));
    hold.create("stop");
    hold.all_dead();
  }
  SECTION("is waited for") {
    hold.start({"--tree", "wait", "--lease", "1000", "--margin", "200", "--renew", "100"},
               workload("leave"));
    const pid_t left = hold.processes(1)[0];
    const pid_t command = hold.command();
    REQUIRE(eventually([&] { return dead(command); }));
    const TimePoint first = hold.valid_end();
    REQUIRE(eventually([&] { return hold.valid_end() > first + milliseconds(300); }));
    CHECK_FALSE(dead(left));
    CHECK_FALSE(dead(hold.supervisor()));
    hold.create("stop");
    CHECK(hold.code() == 3);
    CHECK(dead(left));
  }
  SECTION("is waited for, but not past the lease") {
    hold.start({"--tree", "wait", "--lease", "1500", "--margin", "500"},
               workload("leave", "stubborn"));
    hold.processes(1);
    CHECK(hold.code() == 79);
    CHECK(hold.all_dead() < hold.valid_end());
  }
  SECTION("is killed") {
    hold.start({"--tree", "kill", "--grace", "100"}, workload("leave", "stubborn"));
    const pid_t left = hold.processes(1)[0];
    CHECK(hold.code() == 3);
    CHECK(dead(left));
  }
}
