// In PID namespaces, as containers are.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/hold_harness.h"

namespace {

using namespace hold_test;

const std::vector<std::string> kLease = {"--lease", "60000"};

bool namespaces_work() { return system("unshare --fork --pid --mount-proc true 2>/dev/null") == 0; }

}  // namespace

TEST_CASE("hold: as PID 1 of a container", "[hold]") {
  if (!namespaces_work()) SKIP("no PID namespaces here");
  Hold hold;
  Setup container;
  // As container runtimes do, in a session of its own.
  container.wrapper = {"unshare", "--fork", "--pid", "--mount-proc", "setsid"};
  // PID 1 there has another number here.
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
    hold.start(kLease, workload("exit", "6"), container);
    CHECK(hold.code() == 6);
  }
  SECTION("TERM is forwarded, and dying of it is 128+15") {
    hold.start(kLease, {"sh", "-c", "\"$0\" record & wait", program("hold_workload")}, container);
    eventually([&] { return !hold.lines("pids").empty(); });
    kill(first_process(), SIGTERM);
    CHECK(hold.code() == 128 + SIGTERM);
    hold.all_dead();
  }
  SECTION("orphans are collected") {
    hold.start(kLease, workload("record"), container);
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

TEST_CASE("hold: where /proc shows another PID namespace, no stranger is hit", "[hold]") {
  if (!namespaces_work()) SKIP("no PID namespaces here");
  Hold hold;
  Setup container;
  container.wrapper = {"unshare", "--fork", "--pid"};
  SECTION("a command that is alone is ended as ever") {
    hold.start({"--lease", "2000", "--margin", "500", "--grace", "300"}, {"sleep", "100"},
               container);
    CHECK(hold.code() == 79);
    CHECK(hold.reported("outcome") == "lost 15 0 ended");
  }
  SECTION("what cannot be found is told") {
    hold.start(kLease, workload("leave", "stubborn"), container);
    CHECK(hold.code() == 3);
    Hold other;
    other.start({"--lease", "3500", "--margin", "1500", "--grace", "300", "--renew", "50",
                 "--renew-until", other.file("enough")},
                workload("tree"), container);
    other.processes(12);
    other.create("enough");
    CHECK(other.code() == 79);
    CHECK(other.reported("outcome") == "lost 9 0 survivors: processes that could not be listed");
    other.all_dead();  // as PID 1 we take them along
  }
}
