// dcoord_sim SCENARIO|all [--seeds FIRST..LAST|FIRST..] [--seconds N] [--trace]: runs schedules and
// prints the violations of the first that has some, with the seed that makes it happen again.
// --seconds: begins no seed after so long. DCOORD_LUA names another lua/ folder.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/log.h"
#include "chaos/sim/scenario.h"
#include "chaos/sim/tools.h"

namespace dcoord::testing::sim {
namespace {

struct Arguments {
  std::string scenario = "all";
  uint64_t first = 1, last = 1000;
  std::chrono::seconds limit = std::chrono::hours(24);
  bool trace = false;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--trace") {
      a.trace = true;
    } else if (word == "--seeds" && i + 1 < argc) {
      const std::string range = argv[++i];
      const size_t dots = range.find("..");
      a.first = std::stoull(range);
      const bool open = dots != std::string::npos && range.size() == dots + 2;
      a.last = dots == std::string::npos ? a.first
               : open                    ? std::numeric_limits<uint64_t>::max()
                                         : std::stoull(range.substr(dots + 2));
    } else if (word == "--seconds" && i + 1 < argc) {
      a.limit = std::chrono::seconds(std::atoi(argv[++i]));
    } else {
      a.scenario = word;
    }
  }
  return a;
}

int run(const Arguments& a) {
  // What the client warns of (clocks, above all) is what the weather is made of.
  if (!a.trace && std::freopen("/dev/null", "w", stderr) == nullptr) return 2;
  Scripts scripts(lua_folder());
  Effects effects;
  long long schedules = 0, operations = 0;
  const std::vector<std::string> all = a.scenario == "all" ? kScenarios : std::vector{a.scenario};
  const auto end = std::chrono::steady_clock::now() + a.limit;
  for (uint64_t seed = a.first; seed <= a.last && std::chrono::steady_clock::now() < end; ++seed) {
    for (const std::string& scenario : all) {
      const ScheduleResult result = run_schedule(scripts, scenario, seed, a.trace);
      ++schedules;
      operations += static_cast<long long>(result.operations);
      effects.add(result.effects);
      if (result.violations.empty()) continue;
      fmt::print("VIOLATED {}\n{}again with: dcoord_sim {} --seeds {} --trace\n",
                 result.violations.front().name, text(result.violations), scenario, seed);
      return 1;
    }
  }
  fmt::print(
      "{} schedules, no violation: {} operations, {} scripts, {} messages lost, {} late, {} "
      "refused, "
      "{} mails, {} crashes, {} outages, {} losses of data, {} clock jumps\n",
      schedules, operations, effects.scripts, effects.lost, effects.late, effects.refused,
      effects.mails, effects.crashes, effects.outages, effects.data_losses, effects.jumps);
  return 0;
}

}  // namespace
}  // namespace dcoord::testing::sim

int main(int argc, char** argv) {
  try {
    dcoord::log::configure({.verbosity = -1});
    const std::string word = argc > 2 ? argv[1] : "";
    const unsigned seed = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 1;
    if (word == "differential")
      return dcoord::testing::sim::differential(std::atoll(argv[2]), seed);
    if (word == "fuzz") return dcoord::testing::sim::fuzz_scripts(std::atoll(argv[2]), seed);
    if (word == "check") return dcoord::testing::sim::check_file(argv[2], {argv + 3, argv + argc});
    return dcoord::testing::sim::run(dcoord::testing::sim::parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "dcoord_sim: {}\n", error.what());
    return 2;
  }
}
