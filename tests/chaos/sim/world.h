#pragma once

#include <functional>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/loop.h"
#include "chaos/sim/lua.h"
#include "chaos/sim/model.h"
#include "redis/script_runner.h"
#include "support/history.h"

namespace dcoord::testing::sim {

using namespace std::chrono_literals;

/// What can go wrong in a schedule; the seed says how often and when.
struct Weather {
  bool losses = false;     ///< messages are lost, late, and overtake each other; connections break
  bool crashes = false;    ///< clients die where they stand
  bool outages = false;    ///< the server is away for a while and comes back with its data
  bool data_loss = false;  ///< it comes back without some or all of it, as after a failover
  bool clock_jumps = false;  ///< its clock is set forward or back
  bool calm() const { return !losses && !crashes && !outages && !data_loss && !clock_jumps; }
  /// What is promised of exclusion holds.
  bool keeps_grants() const { return !data_loss && !clock_jumps; }
};

/// How many of each took place.
struct Effects {
  long long lost = 0, late = 0, refused = 0, crashes = 0, outages = 0, data_losses = 0, jumps = 0;
  long long scripts = 0, mails = 0;
  void add(const Effects& other);
};

/// A script that ran, and what it answered.
struct Ran {
  const std::string& script;
  const Words& args;
  const Reply& reply;
};

/// Jumps to the next moment instead of waiting for it.
class SimClock : public Clock {
 public:
  TimePoint now() override { return now_; }
  void wait(std::span<pollfd>, TimePoint until) override {
    if (until != kNever) now_ = std::max(now_, until);
  }

 private:
  TimePoint now_{1000s};
};

/// One server over the model, one network, one clock, and all that the seed decides. Everything
/// that happens follows from the seed, so it happens again with it.
class World {
 public:
  World(Scripts& scripts, uint64_t seed, Weather weather, bool trace);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool chance(int percent) { return static_cast<int>(pick(100)) < percent; }
  Duration upto(Duration most) {
    return Duration(static_cast<int64_t>(pick(static_cast<size_t>(most.count()) + 1)));
  }
  /// 32 hexadecimal digits.
  std::string token();

  TimePoint now() { return clock_.now(); }
  int64_t now_us() { return now().time_since_epoch() / 1us; }
  Loop& loop() { return loop_; }
  Model& model() { return model_; }

  /// Starts something that goes on by itself.
  void start(Task<void> task);
  /// Turns until `end`, or until something was violated.
  void run_until(TimePoint end);
  /// From now on nothing goes wrong any more.
  void heal();
  bool healed() const { return healed_; }

  void violate(const std::string& name, const std::string& text);
  const Violations& violations() const { return violations_; }

  /// Looks at what is stored after each script.
  std::function<void(const Ran& ran)> invariant;
  /// Called when data was lost: what was known of it no longer holds.
  std::function<void()> on_data_loss;

  std::unique_ptr<redis::ScriptRunner> new_runner();
  Effects effects;
  Weather weather() const { return weather_; }
  /// Begins an operation, to be filled in; it stays where it is.
  Operation& record(std::string what, const std::string& process, const std::string& id);
  History history() const { return {operations_.begin(), operations_.end()}; }

  /// A line of the trace, if one is wanted.
  void note(const std::string& text);
  bool tracing() const { return trace_; }

 private:
  friend class SimRunner;
  struct Exchange;
  Task<void> trouble();
  Task<void> exchange(std::shared_ptr<Exchange> x);
  Task<void> sentinel(TimePoint end);
  Reply execute(const std::string& name, const Words& keys, const Words& args);
  void sync_clock();
  Duration travel();
  void keep_snapshot();
  void lose_data();

  Scripts& scripts_;
  std::mt19937_64 random_;
  Weather weather_;
  bool trace_;
  SimClock clock_;
  Loop loop_{clock_};
  Model model_;
  int64_t server_ahead_us_ = 1'790'000'000'000'000;  // of its clock over the clients'
  bool up_ = true;
  bool healed_ = false;
  std::list<Task<void>> tasks_;
  std::vector<std::map<std::string, Entry>> snapshots_;
  std::multimap<std::string, std::shared_ptr<Event>> listening_;
  Violations violations_;
  std::list<Operation> operations_;
};

}  // namespace dcoord::testing::sim
