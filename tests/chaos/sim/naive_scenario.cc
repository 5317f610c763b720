// What people write by themselves: SET NX PX, and DEL when the work is done. The same weather and
// the same checks must show that it does not hold what the lock holds.
#include "chaos/sim/scenario.h"
#include "redis/script.h"
#include "support/checkers.h"

namespace dcoord::testing::sim {
namespace {

class NaiveScenario : public Scenario {
 public:
  using Scenario::Scenario;

  void start() override {
    for (size_t n = 3 + w.pick(3); n > 0; --n) {
      Process& process = spawn("p" + std::to_string(n));
      begin(process, live(process));
    }
  }

  Violations judge(const History& history) override { return check_exclusion(history); }

 protected:
  void died(Operation& o) override {
    Scenario::died(o);
    o.returned = w.now_us();
  }

 private:
  /// True or false, as the server said; false when it said nothing.
  Task<bool> command(Process& process, std::vector<std::string> words) {
    bool done = false;
    try {
      std::vector<std::vector<std::string>> one{std::move(words)};
      const redis::Patience p = patience();
      const auto answers = co_await process.runner->run_commands(std::move(one), p);
      done = answers[0].reply.type() == Reply::Type::status;
    } catch (const Error&) {
    }
    co_return done;
  }

  Task<void> live(Process& process) {
    while (!w.healed()) {
      co_await w.loop().sleep(w.upto(1s));
      std::vector<std::string> set{"SET", "lock", "1", "NX", "PX", "2000"};
      Task<bool> setting = command(process, std::move(set));
      if (!co_await setting) continue;
      Operation& hold = w.record("hold", process.name, w.token());
      hold.with["mode"] = "x";
      process.open.push_back(&hold);
      // It does not look at the time, and what it deletes may be another's.
      co_await w.loop().sleep(w.upto(3s));
      process.open.remove(&hold);
      hold.returned = w.now_us();
      std::vector<std::string> del{"DEL", "lock"};
      Task<bool> deleting = command(process, std::move(del));
      co_await deleting;
    }
  }
};

}  // namespace

std::unique_ptr<Scenario> make_naive_scenario(World& world) {
  return std::make_unique<NaiveScenario>(world);
}

}  // namespace dcoord::testing::sim
