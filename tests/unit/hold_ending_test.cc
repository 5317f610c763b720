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

const std::vector<std::string> kLease = {"--lease", "2500", "--margin", "600", "--grace", "300"};
constexpr size_t kTreeSize = 12;

void check_dead(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) CHECK(eventually([&] { return dead(pid); }));
}

/// Lets `act` loose on the probe with a tree of stubborn processes under it, and sees that the tree is dead in time.
void survives(const std::function<void(Hold&)>& act, const std::vector<std::string>& more = {}) {
  Hold hold;
  auto options = kLease;
  options.insert(options.end(), more.begin(), more.end());
  hold.start(options, workload("tree"));
  const auto pids = hold.processes(kTreeSize);
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

TEST_CASE("hold: renewed, the command runs on; when the renewals end it is dead in time", "[hold]") {
  Hold hold;
  hold.start({"--lease", "1500", "--margin", "500", "--grace", "200", "--renew", "100"}, workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  const TimePoint first = hold.valid_end();
  REQUIRE(eventually([&] { return hold.valid_end() > first + milliseconds(1600); }));
  CHECK_FALSE(dead(hold.command()));
  kill(hold.supervisor(), SIGSTOP);
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  check_dead(pids);
}

TEST_CASE("hold: a bush that forks as fast as it can", "[hold]") {
  Hold hold;
  hold.start({"--lease", "4000", "--margin", "2000", "--grace", "100"}, workload("bush", "200"));
  REQUIRE(eventually([&] { return !hold.lines("grown").empty(); }));
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  CHECK(hold.lines("pids").size() >= 200);
  check_dead(hold.processes(200));
}

TEST_CASE("hold: a bush is cut while it grows", "[hold]") {
  Hold hold;
  hold.start({"--lease", "60000", "--margin", "500", "--lose-after", "500"}, workload("bush", "3000"));
  hold.processes(20);
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  for (const auto& line : hold.lines("pids")) CHECK(dead(std::stoi(line)));
}

TEST_CASE("hold: a chain that flees", "[hold]") {
  Hold hold;
  hold.start({"--lease", "60000", "--margin", "500", "--lose-after", "300"}, workload("flee", "1000000"));
  hold.processes(1);
  CHECK(hold.code() == 79);
  CHECK(hold.all_dead() < hold.valid_end());
  CHECK(hold.lines("fled").empty());
}

TEST_CASE("hold: a lost lease is TERM at once, KILL after the grace", "[hold]") {
  SECTION("a command that minds TERM") {
    Hold hold;
    hold.start({"--lease", "60000", "--margin", "500", "--grace", "30000", "--lose-after", "50"}, {"sleep", "50"});
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome") == "lost 15 0 ended");
    CHECK(BootClock::now() < hold.valid_end() - milliseconds(30000));
  }
  SECTION("one that does not") {
    Hold hold;
    hold.start({"--lease", "60000", "--margin", "500", "--grace", "200", "--lose-after", "500"}, workload("tree"));
    const auto pids = hold.processes(kTreeSize);
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome") == "lost 9 0 ended");
    CHECK(hold.reported("lose") == "0");  // no renewal turns it back
    check_dead(pids);
  }
  SECTION("one that answers TERM with success is lost all the same") {
    Hold hold;
    hold.start({"--lease", "60000", "--margin", "500", "--grace", "30000", "--lose-after", "300"},
               {"sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"});
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome").starts_with("lost 0 "));
  }
}

TEST_CASE("hold: --max-time is TERM, then KILL after the grace", "[hold]") {
  Hold hold;
  hold.start({"--max-time", "300", "--grace", "200"}, workload("tree"));
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
    hold.start({"--tree", "wait", "--lease", "1000", "--margin", "200", "--renew", "100"}, workload("leave"));
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
    hold.start({"--tree", "wait", "--lease", "1500", "--margin", "500"}, workload("leave", "stubborn"));
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
