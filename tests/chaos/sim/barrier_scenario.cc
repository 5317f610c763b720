// The barrier: parties that wait, arrive for good, only watch, give up, break it, die, come again.
#include <fmt/format.h>

#include <set>

#include "chaos/sim/scenario.h"
#include "primitives/barrier.h"
#include "support/checkers.h"
#include "support/stored_lock.h"

namespace dcoord::testing::sim {
namespace {

using namespace primitives;

class BarrierScenario : public Scenario {
 public:
  explicit BarrierScenario(World& world)
      : Scenario(world), parties_(2 + static_cast<int>(w.pick(3))) {
    w.invariant = [this](const Ran&) { look(); };
    w.on_data_loss = [this] { generation_ = 0; };
  }

  void start() override {
    for (int n = 0; n < parties_ + static_cast<int>(w.pick(2)); ++n) {
      Process& process = spawn("p" + std::to_string(n));
      begin(process, live(process));
    }
    if (w.chance(25)) {
      Process& process = spawn("watcher");
      begin(process, watch(process));
    }
  }

  Violations judge(const History& history) override {
    // How a generation ended is known for a minute by the server's clock.
    if (w.weather().data_loss || w.weather().clock_jumps) return {};
    return check_barrier(history);
  }

 private:
  BarrierRequest request(const Process& process) {
    BarrierRequest r;
    r.token = w.token();
    r.id = process.name;
    r.parties = parties_;
    r.leads = w.chance(50);
    return r;
  }

  static void tell(Operation& o, const BarrierPassed& passed) {
    o.outcome = Operation::Outcome::done;
    o.with["generation"] = std::to_string(passed.generation);
    o.with["index"] = std::to_string(passed.index.value_or(-1));
    o.with["parties"] = std::to_string(passed.parties);
    o.with["leads"] = passed.leader ? "1" : "0";
  }

  static void tell(Operation& o, const BarrierBroken& broken) {
    o.outcome = Operation::Outcome::refused;
    o.with["generation"] = std::to_string(broken.generation);
  }

  Task<void> live(Process& process) {
    Barrier barrier(w.loop(), *process.runner, keys, "it");
    for (int rounds = 0; rounds < 5 && !w.healed(); ++rounds) {
      co_await w.loop().sleep(w.upto(3s));
      Task<void> one = w.chance(10) ? arrive(process, barrier) : pass(process, barrier);
      co_await one;
    }
  }

  Task<void> arrive(Process& process, Barrier& barrier) {
    const BarrierRequest r = request(process);
    Operation& o = w.record("arrive", process.name, r.token);
    o.with["party"] = r.id;
    o.with["stays"] = "1";
    std::optional<std::variant<BarrierArrived, BarrierRefused>> answer;
    try {
      const redis::Patience p = patience();
      answer.emplace(co_await barrier.arrive(r, p));
    } catch (const Error&) {
    }
    // Nobody tells it how the generation ended: it counts as one without an answer.
    if (answer && std::holds_alternative<BarrierRefused>(*answer)) {
      o.with["left"] = "1";
      o.outcome = Operation::Outcome::refused;
      o.returned = w.now_us();
    }
  }

  Task<void> pass(Process& process, Barrier& barrier) {
    const BarrierRequest r = request(process);
    Operation& o = w.record("arrive", process.name, r.token);
    o.with["party"] = r.id;
    long long known = 0;
    std::optional<BarrierAnswer> answer;
    try {
      std::function<void(const BarrierWaiting&)> on_wait = [&](const BarrierWaiting& place) {
        known = place.generation;
      };
      const TimePoint until = w.now() + (w.chance(60) ? Duration(40s) : w.upto(10s));
      const redis::Patience p = patience();
      answer.emplace(co_await barrier.wait(r, until, p, std::move(on_wait)));
    } catch (const Error&) {
    }
    bool decided = true;
    if (answer && std::holds_alternative<BarrierPassed>(*answer))
      tell(o, std::get<BarrierPassed>(*answer));
    else if (answer && std::holds_alternative<BarrierBroken>(*answer))
      tell(o, std::get<BarrierBroken>(*answer));
    else
      decided = false;
    o.returned = decided ? w.now_us() : Operation::kNoReturn;
    if (decided) co_return;
    std::optional<BarrierFarewell> farewell;
    try {
      const redis::Patience p = patience(6s);
      const std::string broken = w.chance(40) ? "timeout" : "";
      farewell.emplace(co_await barrier.leave(r, known, broken, p));
    } catch (const Error&) {
    }
    if (!farewell) co_return;
    o.returned = w.now_us();
    if (std::holds_alternative<BarrierPassed>(*farewell)) {
      tell(o, std::get<BarrierPassed>(*farewell));
    } else if (std::holds_alternative<BarrierBroken>(*farewell)) {
      tell(o, std::get<BarrierBroken>(*farewell));
    } else {
      o.outcome = Operation::Outcome::refused;
      o.with["left"] = "1";
    }
  }

  Task<void> watch(Process& process) {
    Barrier barrier(w.loop(), *process.runner, keys, "it");
    while (!w.healed()) {
      BarrierRequest r = request(process);
      r.arrives = false;
      r.id = r.token;
      Operation& o = w.record("arrive", process.name, r.token);
      o.with["party"] = r.id;
      o.with["watches"] = "1";
      std::optional<BarrierAnswer> answer;
      try {
        const TimePoint until = w.now() + w.upto(15s);
        const redis::Patience p = patience();
        answer.emplace(co_await barrier.wait(r, until, p, nullptr));
      } catch (const Error&) {
      }
      if (answer && std::holds_alternative<BarrierPassed>(*answer)) {
        tell(o, std::get<BarrierPassed>(*answer));
        o.returned = w.now_us();
      }
      co_await w.loop().sleep(100ms + w.upto(2s));
    }
  }

  /// What the server has stored, after each script.
  void look() {
    const Hash* hash = w.model().find<Hash>(keys.barrier("it"));
    if (hash == nullptr || !hash->contains("s")) return;
    Record r(hash->at("s"));
    r.take<uint8_t>();
    const double generation = r.take<double>();
    r.skip(16);
    const auto parties = r.take<uint32_t>(), next = r.take<uint32_t>(), free = r.take<uint32_t>(),
               staying = r.take<uint32_t>();
    if (generation < generation_) w.violate("barrier.generation_fell", "it went back");
    generation_ = generation;
    size_t arrived = 0, watching = 0, stays = 0;
    std::set<uint32_t> indexes;
    for (const auto& [field, bytes] : *hash) {
      if ((field[0] != 'p' && field[0] != 'w') || field.size() < 2) continue;
      Record party(bytes);
      const unsigned flags = party.take<uint8_t>();
      if (party.take<double>() != generation) continue;
      party.skip(8);
      const auto index = party.take<uint32_t>();
      if ((flags & 2) != 0) {
        ++watching;
        continue;
      }
      ++arrived;
      stays += (flags & 1) != 0;
      if (!indexes.insert(index).second) w.violate("barrier.index", "two have one index");
      if (index >= next) w.violate("barrier.index", "an index was never given");
    }
    const SortedSet* open = w.model().find<SortedSet>(keys.barrier_parties("it"));
    const size_t members = open == nullptr ? 0 : open->scores.size();
    if (members != arrived + watching)
      w.violate("barrier.counts",
                fmt::format("{} in the open generation, {} records", members, arrived + watching));
    if (members > 0 && next - free != arrived)
      w.violate("barrier.counts",
                fmt::format("{} indexes are out, {} have arrived", next - free, arrived));
    if (stays != staying)
      w.violate("barrier.counts", fmt::format("{} stay, {} are counted", stays, staying));
    if (parties > 0 && arrived > parties)
      w.violate("barrier.too_many", "more than all have arrived");
  }

  int parties_;
  double generation_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> make_barrier_scenario(World& world) {
  return std::make_unique<BarrierScenario>(world);
}

}  // namespace dcoord::testing::sim
