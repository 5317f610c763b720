#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "support/lock_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

/// Reads packed little-endian records, as lua/lib/lock_layout.lua writes them.
class Record {
 public:
  explicit Record(const std::string& bytes) : bytes_(bytes) {}
  template <class T>
  T take() {
    T value{};
    REQUIRE(at_ + sizeof value <= bytes_.size());
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

struct Entry {
  unsigned flags;
  uint32_t slot;
  double ends;
};

/// The stored state, with what it counts held against the entries themselves.
struct Stored {
  uint32_t limit, holders, offers, nested, exclusive, waiters;
  double fence, acquired, contended, lost;
  std::map<std::string, Entry> entries;
  long long holds = 0, waits = 0;
  std::string slots;
};

long long histogram_count(const std::string& bytes) {
  Record r(bytes);
  r.take<double>();
  r.take<double>();
  long long count = 0;
  for (int i = 0; i < 24; ++i) count += r.take<uint32_t>();
  return count;
}

Stored read_stored(LockWorld& w) {
  Stored s{};
  const redis::Reply all = w.server.command({"HGETALL", w.key("lock")});
  for (size_t i = 0; i + 1 < all.size(); i += 2) {
    const std::string& field = all.at(i).text();
    const std::string& value = all.at(i + 1).text();
    if (field == "s") {
      Record r(value);
      r.take<uint8_t>();
      s.fence = r.take<double>();
      for (int n = 0; n < 4; ++n) r.take<double>();
      for (uint32_t* count : {&s.limit, &s.holders, &s.offers, &s.nested, &s.exclusive, &s.waiters})
        *count = r.take<uint32_t>();
      r.take<uint8_t>();
      for (int n = 0; n < 5; ++n) r.take<double>();
      s.acquired = r.take<double>();
      s.contended = r.take<double>();
      s.lost = r.take<double>();
    } else if (field[0] == 'h') {
      Record r(value);
      Entry e{};
      e.flags = r.take<uint8_t>();
      e.slot = r.take<uint32_t>();
      e.ends = r.take<double>();
      s.entries[field.substr(1)] = e;
    } else if (field == "d") {
      s.holds = histogram_count(value);
    } else if (field == "w") {
      s.waits = histogram_count(value);
    } else if (field == "b") {
      s.slots = value;
    }
  }
  return s;
}

constexpr unsigned kExclusive = 1, kOffered = 4, kNested = 16, kResting = 32;

void check_stored(LockWorld& w) {
  const Stored s = read_stored(w);
  if (s.fence == 0) return;  // nothing is stored
  const auto count = [&](auto wanted) {
    return std::count_if(s.entries.begin(), s.entries.end(),
                         [&](const auto& e) { return wanted(e.second.flags); });
  };
  REQUIRE(s.holders == count([](unsigned f) { return (f & kOffered) == 0; }));
  REQUIRE(s.offers == count([](unsigned f) { return (f & kOffered) != 0; }));
  REQUIRE(s.exclusive == count([](unsigned f) { return (f & kExclusive) != 0; }));
  REQUIRE(s.nested == count([](unsigned f) { return (f & kNested) != 0; }));
  REQUIRE(s.waiters == w.server.command({"ZCARD", w.key("lockq")}).number());
  REQUIRE(s.waiters == w.server.command({"HLEN", w.key("lockw")}).number());
  const auto held = count([](unsigned f) { return (f & (kOffered | kResting)) == 0; });
  REQUIRE(static_cast<long long>(s.acquired) == s.holds + static_cast<long long>(s.lost) + held);
  REQUIRE(static_cast<long long>(s.contended) == s.waits);
  if (s.limit > 0) {
    std::set<uint32_t> used;
    for (const auto& [token, e] : s.entries) {
      if ((e.flags & kNested) == 0) REQUIRE(used.insert(e.slot).second);
    }
    for (const auto& [token, e] : s.entries) used.insert(e.slot);
    REQUIRE(std::count(s.slots.begin(), s.slots.end(), '1') == static_cast<long>(used.size()));
  }
}

void check_exclusion(LockWorld& w) {
  const LockView view = w.view();
  if (view.state != LockView::State::held) return;
  int exclusive = 0, shared = 0, slots = 0;
  bool chained = false;
  for (const auto& p : view.holders) {
    if (p.nested) {
      chained = true;
      continue;
    }
    exclusive += p.mode == LockMode::exclusive;
    shared += p.mode == LockMode::shared;
    slots += p.mode == LockMode::slot;
  }
  REQUIRE(exclusive <= 1);
  if (!chained) REQUIRE((exclusive == 0 || shared == 0));
  REQUIRE((view.limit == 0 || slots <= view.limit));
}

struct Client {
  LockWorld::Request request;
  std::string ticket;
  bool holds = false;
};

/// Random clients that ask, ask again, claim, renew, release, leave, nest, crash (do nothing more),
/// and are revoked.
class Storm {
 public:
  Storm(LockWorld& world, unsigned seed, bool with_slots)
      : w_(world), random_(seed), with_slots_(with_slots) {}

  void step() {
    if (clients_.size() < 12 && pick(3) == 0) arrive();
    if (clients_.empty()) return;
    if (pick(3) == 0) {  // holders let go more often than others leave
      const auto holder =
          std::find_if(clients_.begin(), clients_.end(), [](const Client& c) { return c.holds; });
      if (holder != clients_.end()) {
        w_.release(holder->request);
        clients_.erase(holder);
      }
      if (clients_.empty()) return;
    }
    for (auto& c : clients_) {  // most come when they are called
      if (pick(2) == 0 && w_.called(c.request)) ask(c);
    }
    const auto at = clients_.begin() + static_cast<long>(pick(clients_.size()));
    switch (pick(9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        ask(*at);
        break;
      case 4:
        w_.renewed(at->request);
        break;
      case 5:
        w_.release(at->request, pick(6) == 0 ? Duration(20ms) : Duration::zero());
        clients_.erase(at);
        break;
      case 6:
        if (pick(30) == 0) clients_.erase(at);
        break;  // it crashed
      case 7:
        if (pick(6) == 0) w_.loop.run(w_.lock.revoke(at->request.token, "", w_.patience()));
        break;
      case 8:
        if (at->holds && pick(2) == 0) nest(*at);
        break;
    }
  }

  long long grants = 0;

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  void arrive() {
    Client c;
    c.request = with_slots_ ? w_.slot(3)
                            : w_.request(pick(3) == 0 ? LockMode::exclusive : LockMode::shared);
    // Some leases are too short to be renewed in time.
    c.request.ttl = pick(4) == 0 ? 5ms : 300ms;
    clients_.push_back(std::move(c));
  }

  void nest(const Client& outer) {
    Client c;
    c.request = with_slots_ ? w_.slot(3)
                            : w_.request(pick(2) == 0 ? LockMode::exclusive : LockMode::shared);
    c.request.ttl = 500ms;
    c.request.parent = outer.request.token;
    c.request.reentrant = true;
    clients_.push_back(std::move(c));
  }

  void ask(Client& c) {
    const auto answer = w_.ask(c.request, pick(4) != 0, c.ticket);
    if (const auto* g = std::get_if<LockGranted>(&answer)) {
      if (!fences_.contains(c.request.token) || fences_[c.request.token] != g->fence) {
        ++grants;
        if (!g->nested) {
          REQUIRE(fence_tokens_.insert(g->fence).second);
        }
      }
      fences_[c.request.token] = g->fence;
      c.holds = true;
    } else if (const auto* place = std::get_if<LockWaiting>(&answer)) {
      c.ticket = place->ticket;
    }
  }

  LockWorld& w_;
  std::mt19937 random_;
  bool with_slots_;
  std::vector<Client> clients_;
  std::map<std::string, long long> fences_;
  std::set<long long> fence_tokens_;
};

TEST_CASE(
    "a storm of random clients keeps every count, slot and identity, and never breaks exclusion") {
  const std::string program = GENERATE(from_range(server_programs()));
  const bool with_slots = GENERATE(false, true);
  const unsigned seed = GENERATE(1u, 2u, 3u);
  CAPTURE(program, with_slots, seed);
  LockWorld w(program);
  Storm storm(w, seed, with_slots);
  // How many grants fit into so many steps depends on how fast leases end, compared with us.
  for (int i = 0; i < 1000 || (storm.grants <= 40 && i < 10000); ++i) {
    CAPTURE(i);
    storm.step();
    check_stored(w);
    check_exclusion(w);
  }
  CHECK(storm.grants > 40);
}

}  // namespace
}  // namespace dcoord::testing
