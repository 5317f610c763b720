// The queue: producers that send everything again when an answer is lost, consumers that wait, are
// slow, die.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "chaos/sim/scenario.h"
#include "primitives/queue.h"
#include "support/checkers.h"
#include "support/stored_lock.h"

namespace dcoord::testing::sim {
namespace {

using namespace primitives;

/// An item as it is stored in some place.
struct Placed {
  double id = 0;
  std::string payload, place;
};

class QueueScenario : public Scenario {
 public:
  explicit QueueScenario(World& world) : Scenario(world) {
    lanes_ = w.chance(40);
    w.invariant = [this](const Ran& ran) { look(ran.script); };
    w.on_data_loss = [this] { ends_.clear(); };
  }

  void start() override {
    for (size_t n = 1 + w.pick(3); n > 0; --n) {
      Process& process = spawn("producer" + std::to_string(n));
      begin(process, produce(process));
    }
    for (size_t n = 1 + w.pick(5); n > 0; --n) {
      Process& process = spawn("consumer" + std::to_string(n));
      begin(process, consume(process));
    }
  }

  void end() override {
    for (const Placed& item : all()) {
      Operation& found = w.record("found", "server", item.payload);
      found.with["item"] = item.payload;
      found.with["place"] = item.place;
      found.outcome = Operation::Outcome::done;
      found.returned = found.invoke;
    }
  }

  Violations judge(const History& history) override {
    Violations found = check_queue(history);
    // After a loss of data, pushed items are lost and acknowledged ones come back; with a clock
    // that jumps, they come early.
    std::erase_if(found, [&](const Violation& v) {
      if (w.weather().data_loss)
        return v.name != "queue.invented" && v.name != "queue.in_two_places";
      return w.weather().clock_jumps && v.name == "queue.delivered_early";
    });
    return found;
  }

  bool may_stay(const std::string& key) const override {
    return Scenario::may_stay(key) || key.find(":queue") != std::string::npos;
  }

 private:
  Task<void> produce(Process& process) {
    Queue queue(w.loop(), *process.runner, keys, "it");
    const std::string producer = w.token();
    PushBatch batch;
    for (size_t n = 1 + w.pick(6); n > 0 && !w.healed(); --n) {
      co_await w.loop().sleep(w.upto(6s));
      PushOptions options;
      if (w.chance(20)) options.priority = static_cast<int>(w.pick(10));
      if (lanes_ && w.chance(30)) options.lane = "w" + std::to_string(w.pick(2));
      if (w.chance(20)) options.delay = Millis(w.pick(5000));
      batch.items.clear();
      std::vector<Operation*> pushes;
      for (size_t items = 1 + w.pick(3); items > 0; --items) {
        batch.items.push_back(fmt::format("i{}", ++items_));
        pushes.push_back(&w.record("push", process.name, batch.items.back()));
        pushes.back()->with["item"] = batch.items.back();
      }
      std::optional<Pushed> pushed;
      try {
        std::vector<PushBatch> batches{batch};
        const redis::Patience p = patience();
        std::string who = producer;
        Task<std::vector<Pushed>> pushing =
            queue.push(std::move(who), options, std::move(batches), p);
        const std::vector<Pushed> answers = co_await pushing;
        pushed = answers[0];
      } catch (const Error&) {
      }
      using What = Pushed::What;
      const bool done = pushed && (pushed->what == What::pushed || pushed->what == What::again);
      for (Operation* push : pushes) {
        push->returned = pushed ? w.now_us() : Operation::kNoReturn;
        push->outcome = done     ? Operation::Outcome::done
                        : pushed ? Operation::Outcome::refused
                                 : Operation::Outcome::unknown;
      }
      // What came of it nobody knows: the producer goes on as another one.
      if (!pushed) co_return;
      batch.position += static_cast<long long>(batch.items.size());
    }
  }

  Task<void> consume(Process& process) {
    Queue queue(w.loop(), *process.runner, keys, "it");
    const std::string lane = lanes_ && w.chance(60) ? "w" + std::to_string(w.pick(2)) : "";
    std::vector<std::string> done;  // acknowledged by the next take
    while (!w.healed()) {
      co_await w.loop().sleep(w.upto(2s));
      TakeRequest r;
      r.token = w.token();
      r.count = 1 + static_cast<int>(w.pick(3));
      r.lease = w.chance(50) ? Duration(1s) : 1s + w.upto(9s);
      r.lane = lane;
      r.steal = w.chance(20);
      r.max_attempts = w.chance(30) ? 3 : 0;
      r.together = w.chance(40);
      r.done = std::move(done);
      done.clear();
      std::vector<Operation*> acks = acknowledging(process, r.done);
      std::optional<TakeAnswer> answer;
      try {
        const redis::Patience p = patience();
        const TimePoint until = w.now() + w.upto(20s);
        const bool waits = w.chance(70);
        TakeRequest asked = r;
        std::string no_ticket;
        Task<TakeAnswer> taking;
        if (waits)
          taking = queue.take(std::move(asked), until, p);
        else
          taking = queue.ask(std::move(asked), false, std::move(no_ticket), p);
        answer.emplace(co_await taking);
      } catch (const Error&) {
      }
      // Whether all of them were in flight still, the answer to the first of several calls told.
      for (Operation* ack : acks) {
        ack->returned = answer ? w.now_us() : Operation::kNoReturn;
        ack->outcome = Operation::Outcome::unknown;
      }
      const auto* taken = answer ? std::get_if<Taken>(&*answer) : nullptr;
      if (taken == nullptr) {
        Operation& unknown = w.record("take", process.name, r.token);
        unknown.with["receipt"] = r.token;
        Task<void> leaving = leave(queue, r.token);
        co_await leaving;
        continue;
      }
      const Taken mine = *taken;
      note_taken(process, r, mine);
      Task<void> working = work(process, queue, r, mine, done);
      co_await working;
    }
  }

  std::vector<Operation*> acknowledging(Process& process,
                                        const std::vector<std::string>& receipts) {
    std::vector<Operation*> acks;
    for (const std::string& receipt : receipts) {
      for (const std::string& delivery : deliveries(receipt)) {
        acks.push_back(&w.record("ack", process.name, delivery));
        acks.back()->with["receipt"] = delivery;
      }
    }
    return acks;
  }

  /// A receipt for the history, where each names one item.
  static std::string delivery(const QueueItem& item) {
    return item.receipt[0] == '&' ? item.receipt + "/" + item.payload : item.receipt;
  }
  std::vector<std::string> deliveries(const std::string& receipt) {
    const auto bundle = bundles_.find(receipt);
    return bundle == bundles_.end() ? std::vector<std::string>{receipt} : bundle->second;
  }

  void note_taken(Process& process, const TakeRequest& r, const Taken& taken) {
    for (const QueueItem& item : taken.items) {
      if (item.receipt[0] == '&') bundles_[item.receipt].push_back(delivery(item));
      Operation& take = w.record("take", process.name, r.token);
      // The answer may have been long on its way: the item was given when the lease began.
      take.invoke =
          std::min<int64_t>(take.invoke, (taken.valid_end - r.lease).time_since_epoch() / 1us);
      take.with["item"] = item.payload;
      take.with["receipt"] = delivery(item);
      take.with["attempt"] = std::to_string(item.attempt);
      take.with["lease_end"] = std::to_string(taken.valid_end.time_since_epoch() / 1us);
      take.outcome = Operation::Outcome::done;
      take.returned = w.now_us();
    }
  }

  Task<void> leave(Queue& queue, std::string token) {
    try {
      const redis::Patience p = patience(4s);
      Task<long long> leaving = queue.leave(std::move(token), p);
      co_await leaving;
    } catch (const Error&) {
    }
  }

  Task<void> work(Process& process, Queue& queue, TakeRequest r, Taken taken,
                  std::vector<std::string>& done) {
    co_await w.loop().sleep(w.chance(80) ? w.upto(r.lease / 2) : w.upto(3 * r.lease));
    std::vector<std::string> receipts;
    for (const QueueItem& item : taken.items)
      if (receipts.empty() || receipts.back() != item.receipt) receipts.push_back(item.receipt);
    if (w.chance(20)) {
      try {
        const redis::Patience p = patience(2s);
        std::vector<std::string> copies = receipts;
        Task<std::vector<std::optional<TimePoint>>> extending =
            queue.extend(std::move(copies), r.lease, p);
        co_await extending;
      } catch (const Error&) {
      }
      co_await w.loop().sleep(w.upto(r.lease));
    }
    const size_t how = w.pick(10);
    if (how == 0) co_return;  // forgets it
    if (how < 3) {
      done = receipts;  // with the next take
      co_return;
    }
    for (const std::string& receipt : receipts) {
      Task<void> ending =
          how < 8 ? acknowledge(process, queue, receipt) : give_back(process, queue, receipt);
      co_await ending;
    }
  }

  Task<void> acknowledge(Process& process, Queue& queue, std::string receipt) {
    const std::vector<std::string> several{receipt};
    const std::vector<Operation*> acks = acknowledging(process, several);
    std::optional<Acked> acked;
    try {
      const redis::Patience p = patience(6s);
      std::vector<std::string> one{receipt};
      std::string request = w.token();
      Task<Acked> acking = queue.ack(std::move(request), std::move(one), p);
      acked.emplace(co_await acking);
    } catch (const Error&) {
    }
    const bool done =
        acked && (acked->again || acked->count == static_cast<long long>(acks.size()));
    for (Operation* ack : acks) {
      ack->returned = acked ? w.now_us() : Operation::kNoReturn;
      ack->outcome = !acked ? Operation::Outcome::unknown
                     : done ? Operation::Outcome::done
                            : Operation::Outcome::refused;
    }
  }

  Task<void> give_back(Process& process, Queue& queue, std::string receipt) {
    for (const std::string& delivery : deliveries(receipt)) {
      Operation& nack = w.record("nack", process.name, delivery);
      nack.with["receipt"] = delivery;
    }
    try {
      const redis::Patience p = patience(6s);
      std::vector<std::string> one{receipt};
      std::string request = w.token();
      const Fate fate = w.chance(20) ? Fate::dead : w.chance(50) ? Fate::retry : Fate::untried;
      const Duration delay = w.chance(50) ? Duration(0) : w.upto(3s);
      DeathCause cause;
      Task<std::optional<long long>> returning =
          queue.nack(std::move(request), std::move(one), fate, delay, std::move(cause), p);
      co_await returning;
    } catch (const Error&) {
    }
  }

  template <class T>
  const T& part(const std::string& name) {
    static const T none;
    const T* found = w.model().find<T>(keys.queue_part("it", name));
    return found == nullptr ? none : *found;
  }

  static Placed body(const std::string& bytes, const std::string& place) {
    Record r(bytes);
    r.skip(1 + 8 + 2 + 1);
    r.skip(r.take<uint8_t>());
    Placed item;
    item.id = r.take<double>();
    r.skip(2);
    item.payload = r.rest();
    item.place = place;
    return item;
  }

  std::vector<Placed> bundle(const std::string& receipt, const std::string& bytes) {
    Record r(bytes);
    r.skip(8);
    const auto size = r.take<uint16_t>();
    const auto& bodies = part<Hash>("b");
    const auto entries = bodies.find("*" + receipt.substr(1));
    if (entries == bodies.end()) {
      w.violate("queue.counts", "a bundle without its entries");
      return {};
    }
    Record lengths(entries->second);
    size_t at = 4 * size;
    std::vector<Placed> items;
    for (int i = 0; i < size; ++i) {
      const auto length = lengths.take<uint32_t>();
      Record entry(entries->second.substr(at, length));
      at += length;
      const double id = entry.take<double>();
      entry.skip(2);
      items.push_back({id, entry.rest(), "flight"});
    }
    if (at != entries->second.size()) w.violate("queue.counts", "a bundle of other lengths");
    return items;
  }

  /// Every item that is stored, with the place.
  std::vector<Placed> all() {
    std::vector<Placed> items;
    for (const std::string& entry : part<List>("r")) {
      Record r(entry);
      const double id = r.take<double>();
      r.skip(2);
      items.push_back({id, r.rest(), "ready"});
    }
    for (const auto& [field, bytes] : part<Hash>("b")) {
      if (field[0] == '-' || field[0] == '?' || field[0] == '*') continue;
      if (field[0] == '&') {
        for (Placed& item : bundle(field, bytes)) items.push_back(std::move(item));
        continue;
      }
      items.push_back(body(bytes, field[0] == '+'   ? "delayed"
                                  : field[0] == '=' ? "ready"
                                  : field[0] == '!' ? "dead"
                                                    : "flight"));
    }
    return items;
  }

  double bundled_items() {
    double count = 0;
    for (const auto& [field, bytes] : part<Hash>("b")) {
      if (field[0] == '&') count += static_cast<double>(bundle(field, bytes).size());
    }
    return count;
  }

  void expect(const char* what, double counted, size_t there) {
    if (counted != static_cast<double>(there))
      w.violate("queue.counts",
                fmt::format("{}: {} are counted, {} are there", what, counted, there));
  }

  void look(const std::string& script) {
    const Hash* hash = w.model().find<Hash>(keys.queue("it"));
    if (hash == nullptr || !hash->contains("s")) return;
    Record r(hash->at("s"));
    r.take<uint8_t>();
    double s[23] = {};
    for (int i = 2; i <= 22; ++i) s[i] = r.take<double>();
    const double ready = s[2], laned = s[3], delayed = s[4], flight = s[5], dead = s[6],
                 waiters = s[7], due = s[8];
    expect("ready", ready, part<List>("r").size());
    expect("laned", laned, part<SortedSet>("l").scores.size());
    const std::vector<Placed> items = all();
    double bundles = 0;
    for (const auto& [field, bytes] : part<Hash>("b")) bundles += field[0] == '&' ? 1 : 0;
    const auto timed = std::count_if(items.begin(), items.end(), [](const Placed& item) {
      return item.place == "delayed" || item.place == "flight";
    });
    const double bundled = bundled_items();
    expect("delayed and in flight", delayed + flight, static_cast<size_t>(timed));
    expect("timers", delayed + flight - bundled + bundles, part<SortedSet>("t").scores.size());
    expect("dead", dead, part<SortedSet>("d").scores.size());
    expect("in line", waiters, part<SortedSet>("q").scores.size());
    expect("waiters", waiters, part<Hash>("w").size());
    const auto& bodies = part<Hash>("b");
    expect("bodies", laned + delayed + flight - bundled + 2 * bundles + 2 * dead,
           bodies.size() - bodies.count("-"));
    expect("pushed", s[13], static_cast<size_t>(ready + laned + delayed + flight + dead + s[14]));
    const auto& timers = part<SortedSet>("t").order;
    if (!timers.empty() && (due == 0 || due > timers.begin()->first))
      w.violate("queue.due", "the first moment is no lower bound");
    std::set<double> ids;
    for (const Placed& item : items) {
      if (!ids.insert(item.id).second)
        w.violate("queue.two_places", fmt::format("item {} is there twice", item.payload));
    }
    for (const auto& [score, receipt] : timers) {
      const auto before = ends_.find(receipt);
      const bool live = score > static_cast<double>(w.model().now_ms());
      if (receipt[0] == '+' || before == ends_.end()) continue;
      if (live && score < before->second)
        w.violate("queue.lease_fell", "the end of a lease was lowered");
      // (A take with the same token is another delivery under the same receipt.)
      if (script == "queue/extend" && live &&
          before->second <= static_cast<double>(w.model().now_ms()) && score > before->second)
        w.violate("queue.revived", "a lease that had ended goes on");
    }
    ends_.clear();
    for (const auto& [score, receipt] : timers) ends_[receipt] = score;
  }

  bool lanes_ = false;
  int items_ = 0;
  std::map<std::string, double> ends_;
  std::map<std::string, std::vector<std::string>> bundles_;  // receipt -> its deliveries
};

}  // namespace

std::unique_ptr<Scenario> make_queue_scenario(World& world) {
  return std::make_unique<QueueScenario>(world);
}

}  // namespace dcoord::testing::sim
