// What an operator does to a lock: reclaim, revoke with its trace, statistics, and the log that
// tells of it.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <random>

#include "support/lock_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using Leftover = Lock::Leftover;
using Proof = Leftover::Proof;
using What = Lock::Reclaimed::What;
using State = LockView::State;
using Happened = LockEvent::What;

std::string any_server() { return GENERATE(from_range(server_programs())); }

Holder operator_named(const std::string& host) {
  Holder who;
  who.owner = random_token();
  who.host = host;
  return who;
}

struct RepairWorld : LockWorld {
  using LockWorld::LockWorld;

  /// What release-stale hands over about a hold that it has seen.
  Leftover seen(const std::string& token, Proof proof, const LockView& at) {
    Leftover leftover;
    leftover.proof = proof;
    leftover.token = token;
    for (const LockParty& p : at.holders) {
      if (p.token == token) leftover.ends = at.server_time + p.lease_left;
    }
    leftover.by = operator_named("ops");
    return leftover;
  }
  Lock::Reclaimed reclaim(const Leftover& leftover) {
    return loop.run(lock.reclaim(leftover, patience()));
  }
  std::vector<Happened> log() {
    std::vector<Happened> words;
    for (const auto& event : view().log) words.push_back(event.what);
    return words;
  }
  bool holds(const Request& r) {
    const LockView now = view();
    return now.state == State::held && !now.holders.empty() && now.holders[0].token == r.token;
  }
};

TEST_CASE(
    "a lease that is over is cleared, and it is told who did that; a second time there is "
    "nothing") {
  RepairWorld w(any_server());
  Leftover all;
  all.by = operator_named("ops");
  const auto lives = w.request();
  REQUIRE(w.granted(lives));
  CHECK(w.reclaim(all).what == What::gone);
  w.release(lives);
  REQUIRE(w.granted(w.request(LockMode::exclusive, 20ms)));
  REQUIRE(w.wait_free());
  REQUIRE(w.view().state == State::stale);
  const auto done = w.reclaim(all);
  CHECK(done.what == What::reclaimed);
  CHECK_FALSE(done.handed_on);
  const LockView view = w.view();
  CHECK(view.state == State::free);
  CHECK(view.lost == 1);
  REQUIRE(view.log.size() == 3);
  CHECK(view.log[0].what == Happened::reclaimed);
  CHECK(view.log[0].by.host == "ops");
  CHECK(view.log[0].who.host == "host");
  CHECK(view.log[1].what == Happened::lost);
  // The same request again, its reply having been lost, is told the same; another operator is not.
  CHECK(w.reclaim(all).what == What::reclaimed);
  all.by = operator_named("other");
  CHECK(w.reclaim(all).what == What::gone);
  CHECK(w.view().log.size() == 3);
}

TEST_CASE("what was purged already, and only shown as stale, is cleared too") {
  RepairWorld w(any_server());
  REQUIRE(w.granted(w.request(LockMode::exclusive, 20ms)));
  REQUIRE(w.wait_free());
  w.release(w.request());  // somebody else's script purges it
  REQUIRE(w.view().state == State::stale);
  Leftover all;
  all.by = operator_named("ops");
  CHECK(w.reclaim(all).what == What::reclaimed);
  CHECK(w.view().state == State::free);
  CHECK(w.view().lost == 1);
}

TEST_CASE("of somebody seen to be gone the hold ends at once, and the next in line is called") {
  RepairWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  const auto leftover = w.seen(a.token, Proof::gone, w.view());
  const auto done = w.reclaim(leftover);
  CHECK(done.what == What::reclaimed);
  CHECK(done.handed_on);
  CHECK(w.called(b));
  REQUIRE(w.granted(b));
  CHECK_FALSE(w.renewed(a));
  CHECK(w.refused(a)->why == LockRefused::Why::gone);  // buried: a late request does nothing
  CHECK(w.reclaim(leftover).what == What::reclaimed);  // the reply was lost
  CHECK(w.holds(b));
  CHECK(w.view().lost == 1);
}

TEST_CASE("one that was renewed since it was seen lives, and is left alone") {
  RepairWorld w(any_server());
  auto a = w.request();
  REQUIRE(w.granted(a));
  const auto leftover = w.seen(a.token, Proof::gone, w.view());
  a.ttl = 60s;
  REQUIRE(w.renewed(a));
  const std::string before = w.stored();
  CHECK(w.reclaim(leftover).what == What::renewed);
  CHECK(w.stored() == before);
}

TEST_CASE("what is younger than asked for is left alone") {
  RepairWorld w(any_server());
  const auto a = w.request(LockMode::exclusive, 20ms);
  REQUIRE(w.granted(a));
  auto gone = w.seen(a.token, Proof::gone, w.view());
  gone.least_age = 1h;
  CHECK(w.reclaim(gone).what != What::reclaimed);
  REQUIRE(w.wait_free());
  Leftover over;
  over.least_age = 1h;
  CHECK(w.reclaim(over).what == What::younger);
  over.least_age = 1ms;
  REQUIRE(wait_until([&] { return w.view().holders[0].lease_left < -1ms; }));
  CHECK(w.reclaim(over).what == What::reclaimed);
}

TEST_CASE("broken by force: over at once with all that is nested in it, and its holder is told") {
  RepairWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  auto inner = w.request();
  inner.parent = a.token;
  inner.reentrant = true;
  REQUIRE(w.granted(inner));
  CHECK(w.reclaim(w.seen(a.token, Proof::broken, w.view())).what == What::reclaimed);
  CHECK(w.view().state == State::free);
  CHECK_FALSE(w.renewed(a));
  CHECK_FALSE(w.renewed(inner));
  CHECK(w.mail(a) == "revoked");
  CHECK(w.log() == std::vector<Happened>{Happened::broken});
  CHECK(w.view().log[0].by.host == "ops");
}

TEST_CASE("one slot is broken, the others stay held; readers wait for the rest of them") {
  RepairWorld w(any_server());
  const auto a = w.slot(2), b = w.slot(2), c = w.slot(2);
  REQUIRE(w.granted(a));
  const auto second = w.granted(b);
  REQUIRE(second);
  REQUIRE(w.waiting(c));
  CHECK(w.reclaim(w.seen(b.token, Proof::broken, w.view())).handed_on);
  const auto third = w.granted(c);
  REQUIRE(third);
  CHECK(third->slot == second->slot);
  CHECK(third->fence > second->fence);
  CHECK(w.renewed(a));
}

TEST_CASE(
    "a revocation and a release are logged with who and when, the newest first and few of them") {
  RepairWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  w.loop.run(w.lock.revoke_by(a.token, "", operator_named("ops"), w.patience()));
  w.release(a);
  LockView view = w.view();
  REQUIRE(view.log.size() == 2);
  CHECK(view.log[0].what == Happened::released);
  CHECK(view.log[0].fence == view.fence);
  CHECK(view.log[0].at >= view.log[0].since);
  CHECK(view.log[0].who.command == "command");
  CHECK(view.log[1].what == Happened::revoked);
  CHECK(view.log[1].by.host == "ops");
  for (int i = 0; i < 40; ++i) {
    const auto r = w.request();
    REQUIRE(w.granted(r));
    w.release(r);
  }
  view = w.view();
  CHECK(view.log.size() >= 4);
  CHECK(view.log.size() < 40);
  CHECK(view.log[0].fence == view.fence);
  for (size_t i = 1; i < view.log.size(); ++i) CHECK(view.log[i].fence < view.log[i - 1].fence);
}

TEST_CASE("statistics begin anew, and those that hold now count as acquired") {
  RepairWorld w(any_server());
  CHECK_FALSE(w.loop.run(w.lock.reset_statistics(w.patience())));
  const auto a = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  w.release(a);
  REQUIRE(w.granted(b));
  LockView view = w.view();
  CHECK(view.acquired == 2);
  CHECK(view.waits.total() == 1);
  CHECK(view.holds.total() == 1);
  CHECK(w.loop.run(w.lock.reset_statistics(w.patience())));
  view = w.view();
  CHECK(view.acquired == 1);
  CHECK(view.contended == 0);
  CHECK(view.waits.total() + view.holds.total() == 0);
  CHECK(view.counted_since > Millis(0));
  CHECK(w.holds(b));
  w.release(b);
  CHECK(w.view().holds.total() == 1);  // acquired is those in the histogram, again
}

TEST_CASE("an operator's acts reach the election's observers as a loss") {
  RepairWorld w(any_server());
  Lock election(w.loop, *w.scripts, w.keys, "job", LockKind::elect);
  const auto a = w.request();
  w.loop.run(election.ask(a, true, "", w.patience()));
  Leftover leftover;
  leftover.proof = Proof::broken;
  leftover.token = a.token;
  CHECK(w.loop.run(election.reclaim(leftover, w.patience())).what == What::reclaimed);
  const auto reply = w.server.command({"XREVRANGE", w.keys.elect_changes("job"), "+", "-"});
  REQUIRE(reply.size() == 2);
  CHECK(reply.at(0).at(1).at(1).text() == "lost");
}

// Scripts are atomic, so what a race can come to is in which order they run. Between the moment at
// which an operator looks and the one at which it acts, anything may happen.
void race(const std::string& program, int races) {
  RepairWorld w(program);
  std::mt19937 random(20261124);
  int reclaimed = 0, spared = 0;
  for (int i = 0; i < races; ++i) {
    auto first = w.request(LockMode::exclusive, random() % 2 == 0 ? Duration(30s) : Duration(2ms));
    const auto next = w.request();
    if (!w.granted(first)) continue;  // never: each race ends with a free lock
    const LockView seen = w.view();
    const bool by_process = random() % 2 == 0;
    auto act = w.seen(first.token, by_process ? Proof::gone : Proof::ended, seen);
    if (!by_process && random() % 2 == 0) act.token.clear();
    const auto between = random() % 5;
    bool first_lives = false;
    std::optional<LockGranted> granted;
    if (between == 1) {
      first.ttl = 31s;  // within the same millisecond the same TTL would change nothing
      // A lease that has ended is not brought back: then it is as good as left behind.
      first_lives = w.renewed(first);
    } else if (between == 2) {
      w.release(first);
      granted = w.granted(next);
    } else if (between == 3) {
      auto rival = w.seen(first.token, by_process ? Proof::gone : Proof::ended, seen);
      w.reclaim(rival);
      granted = w.granted(next, false);
    } else if (between == 4) {
      granted = w.granted(next, false);  // only if the first one's lease is over
    }
    const auto outcome = w.reclaim(act);
    if (first_lives) {
      REQUIRE(outcome.what != What::reclaimed);
      REQUIRE(w.holds(first));
    }
    if (granted) REQUIRE(w.holds(next));
    outcome.what == What::reclaimed ? ++reclaimed : ++spared;
    w.release(first);
    w.release(next);
    Leftover rest;
    rest.by = operator_named("clean");
    if (w.view().state != State::free) w.reclaim(rest);
  }
  // Both must have happened, or the races were none.
  CHECK(reclaimed > races / 20);
  CHECK(spared > races / 20);
}

TEST_CASE("races with a renewal, a new grant and another operator free no live lock") {
  race(any_server(), 1000);
}

TEST_CASE("races with a renewal, a new grant and another operator free no live lock: 10000",
          "[.long]") {
  race(any_server(), 10000);
}

}  // namespace
}  // namespace dcoord::testing
