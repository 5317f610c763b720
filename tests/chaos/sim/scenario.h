#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "chaos/sim/world.h"
#include "primitives/keys.h"

namespace dcoord::testing::sim {

/// A process: what it runs ends with it, wherever it stands.
struct Process {
  explicit Process(World& world, std::string process_name)
      : name(std::move(process_name)), runner(world.new_runner()) {}
  std::string name;
  std::unique_ptr<redis::ScriptRunner> runner;
  std::list<Operation*> open;  ///< operations that end with it if it dies
  Task<void> life;
  bool dead = false;
  bool over() const { return dead || life.done(); }
};

/// Clients of one thing, and what must hold of it.
class Scenario {
 public:
  explicit Scenario(World& world) : w(world) {}
  virtual ~Scenario() = default;

  /// Starts the clients.
  virtual void start() = 0;
  /// After everything has healed and the clients are done: looks at what is left.
  virtual void end() {}
  /// Of the history.
  virtual Violations judge(const History& history) = 0;
  /// Whether a key may be there for ever.
  virtual bool may_stay(const std::string& key) const {
    return key.find(":index:") != std::string::npos;
  }

  /// Those that are alive and not done.
  std::vector<std::string> unfinished() const;

 protected:
  Process& spawn(const std::string& name);
  /// Begins its life; in some weather it dies at some time.
  void begin(Process& process, Task<void> life);
  /// What a process's operations are when it dies; `o` is one of `open`.
  virtual void died(Operation& o) { o.with["died"] = "1"; }
  redis::Patience patience(Duration limit = 12s) { return {w.now() + limit, w.now() + limit}; }

  World& w;
  primitives::Keys keys{"sim"};
  std::list<Process> processes;

 private:
  Task<void> reap(Process& process);
};

std::unique_ptr<Scenario> make_lock_scenario(World& world, bool election);
std::unique_ptr<Scenario> make_queue_scenario(World& world);
std::unique_ptr<Scenario> make_barrier_scenario(World& world);
std::unique_ptr<Scenario> make_job_scenario(World& world);
std::unique_ptr<Scenario> make_state_scenario(World& world);
/// What people write by themselves: SET NX PX, and DEL when done.
std::unique_ptr<Scenario> make_naive_scenario(World& world);

inline const std::vector<std::string> kScenarios = {"lock",    "elect", "queue",
                                                    "barrier", "job",   "state"};

struct ScheduleResult {
  Violations violations;
  Effects effects;
  size_t operations = 0;
};

/// Runs the schedule of a seed to its end.
ScheduleResult run_schedule(Scripts& scripts, const std::string& scenario, uint64_t seed,
                            bool trace);

}  // namespace dcoord::testing::sim
