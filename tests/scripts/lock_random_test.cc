#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "support/lock_world.h"
#include "support/stored_lock.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

std::map<std::string, std::string> stored_hash(LockWorld& w) {
  const redis::Reply all = w.server.command({"HGETALL", w.key("lock")});
  std::map<std::string, std::string> hash;
  for (size_t i = 0; i + 1 < all.size(); i += 2) hash[all.at(i).text()] = all.at(i + 1).text();
  return hash;
}

void check_stored(LockWorld& w) {
  const StoredLock stored = read_lock(stored_hash(w));
  REQUIRE(contradiction(stored, w.server.command({"ZCARD", w.key("lockq")}).number(),
                        w.server.command({"HLEN", w.key("lockw")}).number()) == "");
  const redis::Reply time = w.server.command({"TIME"});
  const auto now = static_cast<double>(time.at(0).number() * 1000 + time.at(1).number() / 1000);
  REQUIRE(overlap(stored, now) == "");
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
  }
  CHECK(storm.grants > 40);
}

}  // namespace
}  // namespace dcoord::testing
