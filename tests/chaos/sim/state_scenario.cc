// The value: writers with and without conditions, readers, and watchers who must see the newest.
#include <fmt/format.h>

#include "chaos/sim/scenario.h"
#include "primitives/state.h"
#include "support/checkers.h"
#include "support/stored_lock.h"

namespace dcoord::testing::sim {
namespace {

using namespace primitives;

class StateScenario : public Scenario {
 public:
  explicit StateScenario(World& world) : Scenario(world), counts_(w.chance(40)) {
    w.invariant = [this](const Ran&) { look(); };
    w.on_data_loss = [this] { version_ = 0; };
  }

  void start() override {
    for (size_t n = 2 + w.pick(3); n > 0; --n) {
      Process& process = spawn("p" + std::to_string(n));
      begin(process, live(process));
    }
    for (size_t n = w.pick(3); n > 0; --n) {
      Process& process = spawn("watcher" + std::to_string(n));
      begin(process, watch(process));
    }
  }

  Violations judge(const History& history) override {
    Violations found = check_state(history);
    std::erase_if(found, [&](const Violation& v) {
      const bool clock_back = w.weather().clock_jumps && w.weather().data_loss;
      return w.weather().data_loss && (v.name == "state.not_linearizable" || clock_back);
    });
    return found;
  }

  bool may_stay(const std::string& key) const override {
    return Scenario::may_stay(key) || key.find(":state:") != std::string::npos;
  }

 private:
  Task<void> live(Process& process) {
    State state(w.loop(), *process.runner, keys, "it");
    std::string seen = "0";
    for (size_t n = 2 + w.pick(5); n > 0 && !w.healed(); --n) {
      co_await w.loop().sleep(w.upto(4s));
      Task<void> one = w.chance(35) ? read(process, state, seen) : write(process, state, seen);
      co_await one;
    }
  }

  Task<void> read(Process& process, State& state, std::string& seen) {
    Operation& o = w.record("get", process.name, w.token());
    std::optional<StateValue> value;
    try {
      const redis::Patience p = patience();
      value.emplace(co_await state.get(p));
    } catch (const Error&) {
    }
    if (!value) co_return;
    o.returned = w.now_us();
    o.outcome = Operation::Outcome::done;
    if (value->present) {
      o.with["value"] = value->bytes;
      o.with["version"] = value->version;
    } else {
      o.with["absent"] = "1";
    }
    seen = value->present ? value->version : "0";
  }

  Task<void> write(Process& process, State& state, std::string seen) {
    StateGuard guard;
    guard.token = w.token();
    const bool deletes = w.chance(15);
    Operation& o = w.record(deletes   ? "delete"
                            : counts_ ? "incr"
                                      : "set",
                            process.name, guard.token);
    std::optional<StateAnswer> answer;
    try {
      const redis::Patience p = patience();
      if (!deletes && counts_) {
        StateIncrement increment;
        increment.by = 1 + static_cast<long long>(w.pick(5));
        o.with["by"] = std::to_string(increment.by);
        answer.emplace(co_await state.incr(increment, guard, p));
      } else {
        StateChange change;
        change.deletes = deletes;
        change.bytes = deletes ? "" : std::to_string(++values_);
        if (!deletes) o.with["value"] = change.bytes;
        if (w.chance(40)) o.with["if_version"] = change.if_version = seen;
        answer.emplace(co_await state.set(std::move(change), guard, p));
      }
    } catch (const Error&) {
    }
    if (!answer) co_return;
    o.returned = w.now_us();
    if (const auto* written = std::get_if<StateWritten>(&*answer)) {
      o.outcome = Operation::Outcome::done;
      o.with["version"] = written->version;
      if (!written->number.empty()) o.with["number"] = written->number;
    } else {
      o.outcome = Operation::Outcome::refused;
    }
  }

  /// Sees every newest version, until what is stored in the end.
  Task<void> watch(Process& process) {
    State state(w.loop(), *process.runner, keys, "it");
    std::string known = "0";
    while (true) {
      std::optional<StateValue> value;
      try {
        const TimePoint until = w.now() + 30s;
        const redis::Patience p = patience();
        value = co_await state.next(known, w.token(), until, p);
      } catch (const Error&) {
      }
      if (value) known = value->version;
      // Once nobody writes any more, it has to have the newest soon.
      if (!w.healed() || !quiet()) {
        co_await w.loop().sleep(w.upto(500ms));
        continue;
      }
      if (known == fmt::format("{:.0f}", version_)) co_return;
      if (!value) {
        w.violate("state.watcher_missed",
                  fmt::format("{} knows {}, the newest is {:.0f}", process.name, known, version_));
        co_return;
      }
    }
  }

  bool quiet() const {
    for (const Process& process : processes) {
      if (process.name[0] == 'p' && !process.over()) return false;
    }
    return true;
  }

  /// What the server has stored, after each script.
  void look() {
    const Hash* hash = w.model().find<Hash>(keys.state("it"));
    if (hash == nullptr || !hash->contains("m")) return;
    Record r(hash->at("m"));
    r.skip(1);
    const bool present = r.take<uint8_t>() != 0;
    const double version = r.take<double>();
    if (version < version_)
      w.violate("state.version_went_back", "the newest version is an older one");
    version_ = version;
    if (present != hash->contains("v"))
      w.violate("state.bytes", "there are bytes, or none, though there should not be");
    const SortedSet* watching = w.model().find<SortedSet>(keys.state_watching("it"));
    if (watching != nullptr && w.model().entry_of(keys.state_watching("it"))->expires_ms == 0)
      w.violate("state.no_expiry", "those that watch stay for ever");
  }

  bool counts_;
  int values_ = 0;
  double version_ = 0;
};

}  // namespace

std::unique_ptr<Scenario> make_state_scenario(World& world) {
  return std::make_unique<StateScenario>(world);
}

}  // namespace dcoord::testing::sim
