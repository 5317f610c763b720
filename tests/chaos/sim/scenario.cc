#include "chaos/sim/scenario.h"

#include <stdexcept>

#include "support/checkers.h"

namespace dcoord::testing::sim {
namespace {

/// Which kinds of trouble a seed means: half of them only what clients and networks do.
Weather weather_of(uint64_t seed) {
  Weather w;
  switch (seed % 8) {
    case 0:
      break;
    case 1:
    case 2:
    case 3:
      w.losses = w.crashes = true;
      break;
    case 4:
      w.losses = true;
      break;
    case 5:
      w.losses = w.crashes = w.outages = true;
      break;
    case 6:
      w.losses = w.crashes = w.data_loss = true;
      break;
    default:
      w.losses = w.crashes = w.outages = w.clock_jumps = true;
  }
  return w;
}

std::unique_ptr<Scenario> make(const std::string& name, World& world) {
  if (name == "lock") return make_lock_scenario(world, false);
  if (name == "elect") return make_lock_scenario(world, true);
  if (name == "queue") return make_queue_scenario(world);
  if (name == "barrier") return make_barrier_scenario(world);
  if (name == "job") return make_job_scenario(world);
  if (name == "state") return make_state_scenario(world);
  if (name == "naive") return make_naive_scenario(world);
  throw std::runtime_error("no scenario " + name);
}

}  // namespace

std::vector<std::string> Scenario::unfinished() const {
  std::vector<std::string> names;
  for (const Process& process : processes) {
    if (!process.over()) names.push_back(process.name);
  }
  return names;
}

Process& Scenario::spawn(const std::string& name) { return processes.emplace_back(w, name); }

void Scenario::begin(Process& process, Task<void> life) {
  process.life = std::move(life);
  w.loop().start(process.life);
  if (w.weather().crashes && w.chance(30)) w.start(reap(process));
}

Task<void> Scenario::reap(Process& process) {
  co_await w.loop().sleep(w.upto(40s));
  if (process.over() || w.healed()) co_return;
  ++w.effects.crashes;
  w.note(process.name + " dies");
  process.dead = true;
  process.life.cancel();
  for (Operation* o : process.open) died(*o);
}

ScheduleResult run_schedule(Scripts& scripts, const std::string& name, uint64_t seed, bool trace) {
  ScheduleResult result;
  World world(scripts, seed, weather_of(seed), trace);
  const std::unique_ptr<Scenario> scenario = make(name, world);
  scenario->start();
  world.run_until(world.now() + 60s);
  world.heal();
  const TimePoint end = world.now() + 600s;
  while (world.violations().empty() && world.now() < end && !scenario->unfinished().empty())
    world.run_until(world.now() + 10s);
  result.violations = world.violations();
  if (result.violations.empty()) {
    for (const std::string& process : scenario->unfinished())
      world.violate("liveness.stuck", process + " still waits 10 minutes after all has healed");
    scenario->end();
    const History history = world.history();
    result.operations = history.size();
    const Violations judged = scenario->judge(history);
    result.violations = world.violations();
    result.violations.insert(result.violations.end(), judged.begin(), judged.end());
    world.model().now_us += int64_t{40} * 24 * 3600 * 1000000;
    world.model().expire();
    for (const auto& [key, entry] : world.model().data) {
      if (!scenario->may_stay(key)) result.violations.push_back({"liveness.key_left", key});
    }
  }
  result.effects = world.effects;
  return result;
}

}  // namespace dcoord::testing::sim
