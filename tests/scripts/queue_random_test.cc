#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <map>
#include <random>
#include <set>

#include "support/queue_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

/// What the model knows of an item, by its payload.
struct Known {
  int deliveries = 0;
  int excuses = 0;  ///< returns, ended leases and clients that went away: each allows a delivery
  bool done = false;
};

struct Consumer {
  TakeRequest request;
  std::string ticket;
  std::vector<QueueItem> items;
};

/// Random producers and consumers; some crash, some are slow, some send everything twice.
class Storm {
 public:
  Storm(QueueWorld& world, unsigned seed) : w_(world), random_(seed) {}

  void step() {
    if (pick(4) == 0) push();
    if (consumers_.size() < 12 && pick(3) == 0) arrive();
    for (auto& c : consumers_) {  // most come when they are called
      if (c.items.empty() && pick(2) == 0 && w_.called(c.request)) ask(c);
    }
    if (consumers_.empty()) return;
    const auto at = consumers_.begin() + static_cast<long>(pick(consumers_.size()));
    if (at->items.empty()) {
      if (pick(8) == 0) {
        w_.loop.run(w_.queue.leave(at->request.token, w_.patience()));
        consumers_.erase(at);
      } else {
        ask(*at);
      }
      return;
    }
    end(at);
  }

  void check() {
    const QueueView v = w_.view();
    const auto number = [&](const char* command, const char* part) {
      return w_.server.command({command, w_.keys.queue_part("job", part)}).number();
    };
    REQUIRE(v.pushed == pushed_);
    REQUIRE(v.pushed == v.ready + v.delayed + v.in_flight + v.dead + v.done);
    const auto laned = number("ZCARD", "l");
    REQUIRE(v.ready == number("LLEN", "r") + laned);
    long long timed = 0, bodies = 0;  // of a bundle, one and two
    const redis::Reply fields = w_.server.command({"HKEYS", w_.keys.queue_part("job", "b")});
    for (const auto& field : fields.elements()) {
      timed += std::string_view("=!?-*").find(field.text()[0]) == std::string_view::npos;
      if (field.text()[0] == '&') bodies += 2 - bundles_.at(field.text());
      if (field.text()[0] == '&') timed += bundles_.at(field.text()) - 1;
    }
    REQUIRE(v.delayed + v.in_flight == timed);
    REQUIRE(v.dead == number("ZCARD", "d"));
    const auto padding =
        w_.server.command({"HEXISTS", w_.keys.queue_part("job", "b"), "-"}).number();
    REQUIRE(number("HLEN", "b") - padding == laned + v.delayed + v.in_flight + bodies + 2 * v.dead);
    REQUIRE(number("ZCARD", "q") == number("HLEN", "w"));
    REQUIRE(v.waiting <= number("ZCARD", "q"));
  }

  /// Ends everything; each item must then be done or dead, once.
  void finish() {
    for (auto& c : consumers_) {
      if (c.items.empty()) w_.loop.run(w_.queue.leave(c.request.token, w_.patience()));
    }
    REQUIRE(wait_until([&] {
      TakeRequest r = w_.request(50, 30s);
      r.lane = "w1";
      r.steal = true;
      for (const auto& item : w_.taken(r)) {
        known_.at(item.payload).deliveries++;
        if (w_.ack(item.receipt)) {
          REQUIRE_FALSE(std::exchange(known_.at(item.payload).done, true));
        }
      }
      const QueueView v = w_.view();
      return v.ready + v.delayed + v.in_flight == 0;
    }));
    std::set<std::string> dead;
    for (long long from = 0;;) {
      const auto page = w_.loop.run(w_.queue.peek(Queue::Part::dead, from, 100, w_.patience()));
      if (page.empty()) break;
      from += static_cast<long long>(page.size());
      for (const auto& item : page) REQUIRE(dead.insert(item.payload).second);
    }
    for (const auto& [payload, known] : known_) {
      CAPTURE(payload, known.deliveries, known.excuses);
      REQUIRE(known.done != dead.contains(payload));
      REQUIRE(known.deliveries <= 1 + known.excuses);
      deliveries += known.deliveries;
    }
  }

  long long deliveries = 0;

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  void push() {
    PushOptions o;
    if (pick(4) == 0) o.priority = static_cast<int>(pick(10));
    if (pick(4) == 0) o.lane = pick(2) == 0 ? "w1" : "w2";
    if (pick(4) == 0) o.delay = Millis(pick(40));
    std::vector<std::string> items;
    for (size_t n = 1 + pick(6); n > 0; --n) {
      items.push_back("item" + std::to_string(next_++));
      known_[items.back()] = {};
    }
    const std::string producer = random_token();
    pushed_ += static_cast<long long>(items.size());
    for (size_t times = pick(4) == 0 ? 2 : 1; times > 0; --times) w_.push_as(producer, 0, items, o);
  }

  void arrive() {
    Consumer c;
    c.request = w_.request(1 + static_cast<int>(pick(3)));
    // Some leases are too short for those that hold them.
    c.request.lease = pick(3) == 0 ? 3ms : 400ms;
    c.request.lane = pick(2) == 0 ? "" : pick(2) == 0 ? "w1" : "w2";
    c.request.steal = pick(3) == 0;
    if (pick(2) == 0) c.request.max_attempts = 4;
    c.request.together = pick(2) == 0;
    consumers_.push_back(std::move(c));
  }

  void ask(Consumer& c) {
    const auto answer = w_.ask(c.request, pick(4) != 0, c.ticket);
    if (const auto* taken = std::get_if<Taken>(&answer)) {
      get(c, taken->items);
      // The same items, unless the lease is over by then.
      if (pick(4) == 0) get(c, w_.taken(c.request));
    } else if (const auto* place = std::get_if<QueueWaiting>(&answer)) {
      c.ticket = place->ticket;
    }
  }

  void get(Consumer& c, const std::vector<QueueItem>& items) {
    if (!items.empty() && items[0].receipt[0] == '&')
      bundles_[items[0].receipt] = static_cast<long long>(items.size());
    for (const auto& item : items) {
      const bool had = std::any_of(c.items.begin(), c.items.end(), [&](const QueueItem& other) {
        return other.id == item.id && other.attempt == item.attempt;
      });
      if (had) continue;
      Known& known = known_.at(item.payload);
      REQUIRE_FALSE(known.done);
      known.deliveries++;
      // Whoever does not answer within its lease may find that another has the item.
      known.excuses++;
    }
    c.items = items;
  }

  void end(std::vector<Consumer>::iterator at) {
    const auto items = at->items;
    const std::string token = at->request.token;
    const bool crashes = pick(6) == 0;
    consumers_.erase(at);
    if (crashes) return;
    if (items[0].receipt[0] == '&') return end_bundle(items);
    for (const auto& item : items) {
      const size_t how = pick(8);
      if (how < 5) {
        if (w_.ack(item.receipt)) {
          Known& known = known_.at(item.payload);
          REQUIRE_FALSE(std::exchange(known.done, true));
          known.excuses--;
        }
        REQUIRE_FALSE(w_.ack(item.receipt));
      } else {
        w_.nack(item.receipt, how == 5 ? Millis(pick(20)) : Millis(0),
                how == 6 ? Fate::dead : Fate::retry);
      }
    }
  }

  void end_bundle(const std::vector<QueueItem>& items) {
    const std::string& receipt = items[0].receipt;
    const size_t how = pick(8);
    if (how >= 5) {
      w_.nack(receipt, how == 5 ? Millis(pick(20)) : Millis(0),
              how == 6 ? Fate::dead : Fate::retry);
      return;
    }
    const Acked acked = w_.loop.run(w_.queue.ack(random_token(), {receipt}, w_.patience()));
    if (acked.count > 0) {
      REQUIRE(acked.count == static_cast<long long>(items.size()));
      for (const auto& item : items) {
        Known& known = known_.at(item.payload);
        REQUIRE_FALSE(std::exchange(known.done, true));
        known.excuses--;
      }
    }
    REQUIRE_FALSE(w_.ack(receipt));
  }

  QueueWorld& w_;
  std::mt19937 random_;
  std::vector<Consumer> consumers_;
  std::map<std::string, Known> known_;
  std::map<std::string, long long> bundles_;  // receipt -> items
  long long pushed_ = 0;
  int next_ = 0;
};

TEST_CASE("a storm of producers and consumers: every item is in one place, and ends done or dead") {
  const std::string program = GENERATE(from_range(server_programs()));
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(program, seed);
  QueueWorld w(program);
  Storm storm(w, seed);
  for (int i = 0; i < 800; ++i) {
    CAPTURE(i);
    storm.step();
    storm.check();
  }
  storm.finish();
  storm.check();
  CHECK(storm.deliveries > 300);
}

}  // namespace
}  // namespace dcoord::testing
