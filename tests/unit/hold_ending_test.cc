// A command's whole tree is dead before the lease's end, whatever happens to its keepers.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_get_random_seed.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <random>

#include "support/hold_harness.h"

namespace {

using namespace hold_test;
using dcoord::BootClock;
using std::chrono::milliseconds;

/// Renewed until there is a file "enough".
std::vector<std::string> lease(const Hold& hold) {
  return {"--lease", "3500",    "--margin", "1500",          "--grace",
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
/// is dead in time. The probe then exits with 79, unless it was killed.
void survives(const std::function<void(Hold&)>& act, const std::vector<std::string>& more = {},
              int code = 79) {
  Hold hold;
  auto options = lease(hold);
  options.insert(options.end(), more.begin(), more.end());
  hold.start(options, workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  hold.create("enough");
  act(hold);
  CHECK(hold.died_in_time());
  check_dead(pids);
  CHECK(hold.code() == code);
}

constexpr int kKilled = 128 + SIGKILL;

}  // namespace

TEST_CASE("hold: without renewal the tree is dead before the lease's end", "[hold]") {
  survives([](Hold&) {});
}

TEST_CASE("hold: also on a kernel without children files", "[hold]") {
  survives([](Hold&) {}, {"--no-children-files", "1"});
}

TEST_CASE("hold: the supervisor is killed", "[hold]") {
  survives([](Hold& hold) { kill(hold.supervisor(), SIGKILL); }, {}, kKilled);
}

TEST_CASE("hold: the guard is killed", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.guard(), SIGKILL);
    CHECK(hold.reported("outcome").starts_with("lost"));
  });
}

TEST_CASE("hold: the supervisor is stopped", "[hold]") {
  survives([](Hold& hold) { kill(hold.supervisor(), SIGSTOP); });
}

TEST_CASE("hold: the guard is stopped", "[hold]") {
  survives([](Hold& hold) { kill(hold.guard(), SIGSTOP); });
}

TEST_CASE("hold: supervisor and guard are stopped", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.guard(), SIGSTOP);
    kill(hold.supervisor(), SIGSTOP);
  });
}

TEST_CASE("hold: a stopped guard wakes to send TERM first", "[hold]") {
  Hold hold;
  hold.start(lease(hold), workload("record"));
  hold.processes(1);
  kill(hold.guard(), SIGSTOP);
  kill(hold.supervisor(), SIGSTOP);
  CHECK(hold.died_in_time());
  CHECK(hold.recorded(SIGTERM));
  CHECK(hold.code() == 79);
}

TEST_CASE("hold: the supervisor is stopped and the guard killed", "[hold]") {
  survives([](Hold& hold) {
    kill(hold.supervisor(), SIGSTOP);
    kill(hold.guard(), SIGKILL);
  });
}

TEST_CASE("hold: the guard is stopped and the supervisor killed", "[hold]") {
  Hold hold;
  hold.start({"--lease", "3600000"}, workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  kill(hold.guard(), SIGSTOP);
  kill(hold.supervisor(), SIGKILL);
  hold.all_dead();  // long before the lease
  check_dead(pids);
}

TEST_CASE("hold: the supervisor's group is killed", "[hold]") {
  survives([](Hold& hold) { kill(-hold.supervisor(), SIGKILL); }, {}, kKilled);
}

TEST_CASE("hold: the supervisor's group is stopped", "[hold]") {
  survives([](Hold& hold) { kill(-hold.supervisor(), SIGSTOP); });
}

TEST_CASE("hold: the command's group is stopped", "[hold]") {
  survives([](Hold& hold) { kill(-hold.command(), SIGSTOP); });
}

TEST_CASE("hold: keepers are killed, stopped and continued at random", "[hold]") {
  const char* const rounds = getenv("HOLD_ROUNDS");
  std::mt19937 random(Catch::getSeed());
  const auto pick = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  for (int left = rounds ? atoi(rounds) : 10; left > 0; --left) {
    Hold hold;
    hold.start(lease(hold), workload("tree"));
    const auto pids = hold.processes(kTreeSize);
    const pid_t keepers[] = {hold.supervisor(), hold.guard()};
    hold.create("enough");
    bool killed = false;  // both at once is more than is promised
    std::string story;
    for (int step = 3 + pick(4); step > 0; --step) {
      usleep(static_cast<useconds_t>(pick(500'000)));
      const int who = pick(2);
      const int what = pick(5);
      const int number = what == 0 && !killed ? SIGKILL
                         : what <= 2          ? SIGSTOP
                         : what == 3          ? SIGCONT
                                              : SIGTERM;
      killed = killed || number == SIGKILL;
      story += (who == 0 ? " supervisor " : " guard ") + std::to_string(number);
      if (!dead(keepers[who])) kill(keepers[who], number);
    }
    INFO(story);
    CHECK(hold.died_in_time());
    check_dead(pids);
  }
}

TEST_CASE("hold: renewed, the command runs on; when the renewals end it is dead in time",
          "[hold]") {
  Hold hold;
  hold.start({"--lease", "4000", "--margin", "1500", "--grace", "200", "--renew", "100"},
             workload("tree"));
  const auto pids = hold.processes(kTreeSize);
  const TimePoint first = hold.valid_end();
  REQUIRE(eventually([&] { return hold.valid_end() > first + milliseconds(4100); }));
  CHECK_FALSE(dead(hold.command()));
  kill(hold.supervisor(), SIGSTOP);
  CHECK(hold.died_in_time());
  CHECK(hold.code() == 79);
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
  CHECK(hold.died_in_time());
  check_dead(hold.processes(100));
}

TEST_CASE("hold: a bush is cut while it grows", "[hold]") {
  Hold hold;
  hold.start(long_lease(hold, "0"), workload("bush", "1000"));
  hold.processes(50);
  hold.create("lost");
  CHECK(hold.code() == 79);
  CHECK(hold.died_in_time());
  for (const auto& line : hold.lines("pids")) CHECK(dead(std::stoi(line)));
}

TEST_CASE("hold: a chain that flees", "[hold]") {
  Hold hold;
  hold.start(long_lease(hold, "0"), workload("flee", "1000000"));
  hold.processes(2);
  hold.create("lost");
  CHECK(hold.code() == 79);
  CHECK(hold.died_in_time());
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
    hold.start({"--tree", "wait", "--lease", "5000", "--margin", "200", "--renew", "100"},
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
    hold.start({"--tree", "wait", "--lease", "2500", "--margin", "1500"},
               workload("leave", "stubborn"));
    hold.processes(1);
    CHECK(hold.died_in_time());
    CHECK(hold.code() == 79);
  }
  SECTION("is killed") {
    hold.start({"--tree", "kill", "--grace", "100"}, workload("leave", "stubborn"));
    const pid_t left = hold.processes(1)[0];
    CHECK(hold.code() == 3);
    CHECK(dead(left));
  }
}
