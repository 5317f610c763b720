#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>
#include <set>

#include "base/error.h"
#include "redis/scripts.h"
#include "support/lock_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using What = LockReleased::What;
using Why = LockRefused::Why;
using State = LockView::State;

std::string any_server() { return GENERATE(from_range(server_programs())); }

/// Makes a waiter as dead as one that has not looked for longer than waiters live.
void kill_waiter(LockWorld& w, const LockWorld::Request& r) {
  std::string record = w.server.command({"HGET", w.key("lockw"), r.token}).text();
  const double past = 1.0;
  std::memcpy(record.data() + 1, &past, sizeof past);  // the deadline, behind the byte of flags
  w.server.command({"HSET", w.key("lockw"), r.token, record});
}

TEST_CASE("a free lock is granted, and the same token never counts twice") {
  LockWorld w(any_server());
  const auto a = w.request();
  const auto first = w.granted(a);
  REQUIRE(first);
  const auto again = w.granted(a);
  REQUIRE(again);
  CHECK(again->fence == first->fence);
  CHECK(again->valid_end >= first->valid_end);
  const LockView view = w.view();
  CHECK(view.state == State::held);
  CHECK(view.holders.size() == 1);
  CHECK(view.acquired == 1);
  CHECK(view.contended == 0);
  CHECK(view.holders[0].who.command == "command");
}

TEST_CASE("a retried acquire tells the lease that is left, not a whole one from the first grant") {
  LockWorld w(any_server());
  auto a = w.request(LockMode::exclusive, 30s);
  REQUIRE(w.granted(a));
  a.ttl = 1s;  // never lowers the end
  const auto again = w.granted(a);
  REQUIRE(again);
  CHECK(again->valid_end - w.loop.now() > 20s);
}

TEST_CASE("a held lock is refused to who does not wait, and nothing is changed") {
  LockWorld w(any_server());
  REQUIRE(w.granted(w.request()));
  const std::string before = w.stored();
  const auto answer = w.ask(w.request(), false);
  REQUIRE(std::holds_alternative<LockHeld>(answer));
  CHECK(std::get<LockHeld>(answer).holder.host == "host");
  CHECK(w.stored() == before);
}

TEST_CASE("the lock goes down the line in order, with one message to who is next") {
  LockWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  std::vector<LockWorld::Request> line;
  for (int i = 0; i < 5; ++i) {
    line.push_back(w.request());
    const auto place = w.waiting(line.back());
    REQUIRE(place);
    CHECK(place->place == i);
    CHECK(place->holder.host == "host");
  }
  long long fence = 0;
  const auto* holder = &a;
  for (const auto& next : line) {
    CHECK(w.released(*holder) == What::released);
    CHECK(w.called(next));
    CHECK_FALSE(w.granted(w.request(), false));  // nobody passes the line
    const auto grant = w.granted(next);
    REQUIRE(grant);
    CHECK(grant->fence > fence);
    fence = grant->fence;
    holder = &next;
  }
  const LockView view = w.view();
  CHECK(view.acquired == 6);
  CHECK(view.contended == 5);
  CHECK(view.waiting == 0);
}

TEST_CASE("fencing tokens rise over release, expiry, loss of all data and forgetting") {
  LockWorld w(any_server());
  long long fence = 0;
  const auto next = [&] {
    const auto a = w.request();
    const auto grant = w.granted(a);
    REQUIRE(grant);
    CHECK(grant->fence > fence);
    CHECK(grant->fence < (1LL << 53));
    fence = grant->fence;
    return a;
  };
  for (int i = 0; i < 50; ++i) w.release(next());
  auto a = w.request(LockMode::exclusive, 30ms);
  REQUIRE(w.granted(a));
  REQUIRE(w.wait_free());
  next();
  w.server.command({"FLUSHALL"});
  w.release(next());
  CHECK(w.loop.run(w.lock.forget(w.patience())).what == Lock::Forgotten::What::forgotten);
  next();
}

TEST_CASE("readers hold together; a waiting writer holds new readers back and gets in between") {
  LockWorld w(any_server());
  const auto r1 = w.request(LockMode::shared), r2 = w.request(LockMode::shared),
             r3 = w.request(LockMode::shared), r4 = w.request(LockMode::shared),
             writer = w.request();
  REQUIRE(w.granted(r1));
  REQUIRE(w.granted(r2));
  REQUIRE(w.waiting(writer));
  REQUIRE(w.waiting(r3));
  REQUIRE(w.waiting(r4));
  CHECK_FALSE(w.granted(w.request(LockMode::shared), false));
  w.release(r1);
  CHECK_FALSE(w.mail(writer));
  w.release(r2);
  CHECK(w.called(writer));
  REQUIRE(w.granted(writer));
  CHECK(w.waiting(r3));
  w.release(writer);
  CHECK(w.mail(r3));
  CHECK(w.mail(r4));
  REQUIRE(w.granted(r3));
  REQUIRE(w.granted(r4));
  CHECK(w.view().holders.size() == 2);
  CHECK(w.view().mode == LockMode::shared);
}

TEST_CASE(
    "slots: so many hold at once, each with a number of its own, and a freed number is used "
    "again") {
  LockWorld w(any_server());
  std::vector<LockWorld::Request> holders;
  std::set<int> numbers;
  for (int i = 0; i < 3; ++i) {
    holders.push_back(w.slot(3));
    const auto grant = w.granted(holders.back());
    REQUIRE(grant);
    numbers.insert(grant->slot);
  }
  CHECK(numbers == std::set<int>{0, 1, 2});
  const auto waiter = w.slot(3);
  REQUIRE(w.waiting(waiter));
  w.release(holders[1]);
  const auto grant = w.granted(waiter);
  REQUIRE(grant);
  CHECK(grant->slot == 1);
}

TEST_CASE(
    "another number of slots is refused while anybody holds or waits, and taken when idle or asked "
    "to") {
  LockWorld w(any_server());
  const auto a = w.slot(2);
  REQUIRE(w.granted(a));
  auto other = w.slot(3);
  const auto refusal = w.refused(other);
  REQUIRE(refusal);
  CHECK(refusal->why == Why::limit);
  CHECK(refusal->limit == 2);
  CHECK(w.refused(w.request())->why == Why::limit);
  other.resize = true;
  REQUIRE(w.granted(other));
  const auto third = w.slot(3);
  REQUIRE(w.granted(third));
  auto smaller = w.slot(1);
  smaller.resize = true;
  REQUIRE(w.waiting(smaller));
  w.release(a);
  w.release(other);
  CHECK_FALSE(w.called(smaller));  // one still holds, and now one is all
  w.release(third);
  CHECK(w.called(smaller));
  REQUIRE(w.granted(smaller));
  w.release(smaller);
  REQUIRE(w.granted(w.request()));  // idle: any limit may be taken
}

TEST_CASE("a pool is its names: others are refused with both lists") {
  LockWorld w(any_server());
  auto a = w.slot(2);
  a.pool = {"db1", "db2"};
  REQUIRE(w.granted(a));
  auto b = w.slot(2);
  b.pool = {"db1", "db3"};
  const auto refusal = w.refused(b);
  REQUIRE(refusal);
  CHECK(refusal->why == Why::limit);
  CHECK(refusal->pool == std::vector<std::string>{"db1", "db2"});
  b.pool = a.pool;
  CHECK(w.granted(b)->slot == 1);
}

TEST_CASE("nesting needs the token of a live hold of this lock, and to be asked for") {
  LockWorld w(any_server());
  const auto outer = w.request();
  const auto outer_grant = w.granted(outer);
  REQUIRE(outer_grant);
  auto inner = w.request();
  inner.parent = outer.token;
  CHECK(w.refused(inner)->why == Why::nested);
  inner.reentrant = true;
  const auto grant = w.granted(inner);
  REQUIRE(grant);
  CHECK(grant->nested);
  CHECK(grant->fence == outer_grant->fence);
  auto deeper = w.request();
  deeper.parent = inner.token;
  deeper.reentrant = true;
  REQUIRE(w.granted(deeper));
  // A sibling with the same owner but no live token waits like anybody else.
  auto sibling = w.request();
  sibling.who.owner = outer.who.owner;
  sibling.parent = random_token();
  sibling.reentrant = true;
  REQUIRE(w.waiting(sibling));
  SECTION("an inner release leaves the outer hold") {
    CHECK(w.released(deeper) == What::released);
    CHECK(w.released(inner) == What::released);
    CHECK(w.waiting(sibling));
    CHECK(w.released(outer) == What::released);
    CHECK(w.granted(sibling));
  }
  SECTION("an outer release ends what is nested in it") {
    CHECK(w.released(outer) == What::released);
    CHECK(w.granted(sibling));
    CHECK_FALSE(w.renewed(inner));
    CHECK_FALSE(w.renewed(deeper));
    CHECK(w.view().holders.size() == 1);
  }
  SECTION("a nested hold jumps the line") {
    auto more = w.request();
    more.parent = outer.token;
    more.reentrant = true;
    CHECK(w.granted(more));
  }
}

TEST_CASE("a nested hold in slots shares the slot, which is free only when both are gone") {
  LockWorld w(any_server());
  const auto outer = w.slot(1);
  REQUIRE(w.granted(outer));
  auto inner = w.slot(1);
  inner.parent = outer.token;
  inner.reentrant = true;
  const auto grant = w.granted(inner);
  REQUIRE(grant);
  CHECK(grant->slot == 0);
  w.release(inner);
  CHECK_FALSE(w.granted(w.slot(1), false));
  w.release(outer);
  CHECK(w.granted(w.slot(1), false));
}

TEST_CASE(
    "a reader becomes the writer before all who wait, with a new fence; a second one is refused") {
  LockWorld w(any_server());
  const auto r1 = w.request(LockMode::shared), r2 = w.request(LockMode::shared),
             writer = w.request();
  const auto first = w.granted(r1);
  REQUIRE(first);
  REQUIRE(w.granted(r2));
  REQUIRE(w.waiting(writer));
  auto up1 = w.request(), up2 = w.request();
  up1.parent = r1.token;
  up2.parent = r2.token;
  up1.reentrant = up2.reentrant = true;
  const auto place = w.waiting(up1);
  REQUIRE(place);
  CHECK(place->place == 0);
  CHECK(w.refused(up2)->why == Why::upgrading);
  CHECK_FALSE(w.granted(w.request(LockMode::shared), false));
  w.release(r2);
  CHECK(w.called(up1));
  const auto grant = w.granted(up1);
  REQUIRE(grant);
  CHECK(grant->fence > first->fence);
  CHECK(w.waiting(writer));
  w.release(up1);
  CHECK(w.waiting(writer));
  w.release(r1);
  CHECK(w.granted(writer));
}

TEST_CASE("a sole reader becomes the writer at once") {
  LockWorld w(any_server());
  const auto reader = w.request(LockMode::shared);
  REQUIRE(w.granted(reader));
  auto up = w.request();
  up.parent = reader.token;
  up.reentrant = true;
  REQUIRE(w.granted(up));
  CHECK_FALSE(w.granted(w.request(LockMode::shared), false));
  w.release(up);
  CHECK(w.granted(w.request(LockMode::shared), false));
}

TEST_CASE("renewing raises the end, never lowers it, and never makes a hold") {
  LockWorld w(any_server());
  auto a = w.request(LockMode::exclusive, 30s);
  CHECK_FALSE(w.renewed(a));
  CHECK(w.view().state == State::free);
  CHECK(w.server.command({"DBSIZE"}).number() == 0);
  REQUIRE(w.granted(a));
  a.ttl = 60s;
  CHECK(w.renewed(a));
  CHECK(w.view().holders[0].lease_left > 50s);
  a.ttl = 1s;
  CHECK(w.renewed(a));
  CHECK(w.view().holders[0].lease_left > 50s);
  w.release(a);
  CHECK_FALSE(w.renewed(a));
  CHECK(w.view().state == State::free);
}

TEST_CASE(
    "a lease that has ended cannot be renewed, released or brought back, and shows as stale") {
  LockWorld w(any_server());
  const auto a = w.request(LockMode::exclusive, 30ms);
  const auto grant = w.granted(a);
  REQUIRE(grant);
  REQUIRE(w.wait_free());
  const LockView view = w.view();
  CHECK(view.state == State::stale);
  REQUIRE(view.holders.size() == 1);
  CHECK(view.holders[0].lease_left <= 0ms);
  CHECK_FALSE(w.renewed(a));
  CHECK(w.released(a) == What::gone);
  const auto b = w.request();
  const auto next = w.granted(b, false);
  REQUIRE(next);
  CHECK(next->fence > grant->fence);
  CHECK(w.view().state == State::held);
  CHECK(w.view().lost == 1);
}

TEST_CASE("an acquire with the token of an ended lease is a new grant with a new fence") {
  LockWorld w(any_server());
  const auto a = w.request(LockMode::exclusive, 30ms);
  const auto first = w.granted(a);
  REQUIRE(first);
  REQUIRE(w.wait_free());
  const auto second = w.granted(a);
  REQUIRE(second);
  CHECK(second->fence > first->fence);
}

TEST_CASE("a release by a stranger leaves the lock held") {
  LockWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  CHECK(w.released(w.request()) == What::gone);
  CHECK(w.view().state == State::held);
  CHECK(w.renewed(a));
}

TEST_CASE(
    "a released token is released when asked again, and refused when its acquire comes late") {
  LockWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  CHECK(w.released(a) == What::released);
  CHECK(w.released(a) == What::released);
  CHECK(w.refused(a)->why == Why::gone);
  CHECK(w.view().state == State::free);
}

TEST_CASE(
    "an acquire that the server runs after its client gave up does nothing, also on a lock never "
    "used") {
  LockWorld w(any_server());
  const auto a = w.request();
  CHECK(w.released(a) == What::gone);
  CHECK(w.refused(a)->why == Why::gone);
  CHECK(w.refused(a, false)->why == Why::gone);
  CHECK(w.view().holders.empty());
  CHECK(w.server.command({"PTTL", w.key("lock")}).number() > 0);
}

TEST_CASE("one who leaves the line is passed over; one who was offered the lock hands it on") {
  LockWorld w(any_server());
  const auto a = w.request(), b = w.request(), c = w.request(), d = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  REQUIRE(w.waiting(c));
  REQUIRE(w.waiting(d));
  CHECK(w.release(b, Duration::zero(), true).what == What::left);
  CHECK(w.view().timed_out == 1);
  w.release(a);
  CHECK(w.called(c));
  CHECK(w.released(c) == What::left);
  CHECK(w.called(d));
  CHECK(w.granted(d));
  CHECK(w.refused(c)->why == Why::gone);
}

TEST_CASE("an offer that nobody claims lapses after a second and goes to who is alive") {
  LockWorld w(any_server());
  const auto a = w.request(), dead = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  const auto dead_place = w.waiting(dead);
  REQUIRE(dead_place);
  REQUIRE(w.waiting(b));
  w.release(a);
  CHECK(w.mail(b) == "look 1001");  // who is first now knows when to look
  CHECK_FALSE(w.granted(b));
  REQUIRE(wait_until([&] { return w.granted(b).has_value(); }));
  // Who did not come has lost its place.
  REQUIRE(w.waiting(w.request()));
  const auto back = w.waiting(dead, dead_place->ticket);
  REQUIRE(back);
  CHECK(back->place == 1);
}

TEST_CASE("a row of 200 dead waiters costs two windows, not one each") {
  LockWorld w(any_server());
  const auto a = w.request(), alive = w.request();
  REQUIRE(w.granted(a));
  for (int i = 0; i < 200; ++i) REQUIRE(w.waiting(w.request()));
  REQUIRE(w.waiting(alive));
  w.release(a);
  const TimePoint start = w.loop.now();
  std::optional<LockGranted> grant;
  REQUIRE(wait_until([&] {
    const auto answer = w.ask(alive);
    if (const auto* place = std::get_if<LockWaiting>(&answer))
      w.loop.run([](Loop& l, TimePoint at) -> Task<void> { co_await l.sleep_until(at); }(
                                               w.loop, place->look_at));
    if (const auto* g = std::get_if<LockGranted>(&answer)) grant = *g;
    return grant.has_value();
  }));
  CHECK(w.loop.now() - start < 20s);  // one each would be 200 s
  CHECK(w.view().waiting == 0);
}

TEST_CASE("in a roll call those who answer keep their order") {
  LockWorld w(any_server());
  const auto a = w.request(), dead = w.request();
  std::vector<LockWorld::Request> alive;
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(dead));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(w.waiting(w.request()));  // dead, too
    alive.push_back(w.request());
    REQUIRE(w.waiting(alive.back()));
  }
  w.release(a);
  // The last in line looks first, and all of them keep looking: the first of them must get it.
  std::vector<std::string> order;
  REQUIRE(wait_until([&] {
    for (auto r = alive.rbegin(); r != alive.rend(); ++r) {
      if (std::find(order.begin(), order.end(), r->token) != order.end()) continue;
      if (w.granted(*r)) {
        order.push_back(r->token);
        w.release(*r);
      }
    }
    return order.size() == alive.size();
  }));
  CHECK(order == std::vector<std::string>{alive[0].token, alive[1].token, alive[2].token});
}

TEST_CASE("a waiter whose liveness has ended is skipped, and gets its place back by its ticket") {
  LockWorld w(any_server());
  const auto a = w.request(), slow = w.request(), b = w.request(), c = w.request();
  REQUIRE(w.granted(a));
  const auto place = w.waiting(slow);
  REQUIRE(place);
  REQUIRE(w.waiting(b));
  kill_waiter(w, slow);
  w.release(a);
  CHECK_FALSE(w.called(slow));
  CHECK(w.called(b));
  REQUIRE(w.granted(b));
  REQUIRE(w.waiting(c));
  const auto back = w.waiting(slow, place->ticket);
  REQUIRE(back);
  CHECK(back->place == 0);
}

TEST_CASE("a least hold keeps others out after the release, and ends by itself") {
  LockWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  const LockReleased released = w.release(a, 700ms);
  CHECK(released.what == What::released);
  CHECK(released.stays_taken > 0ms);
  CHECK(w.mail(b)->starts_with("look "));
  CHECK_FALSE(w.renewed(a));
  CHECK(w.refused(a)->why == Why::gone);
  CHECK_FALSE(w.granted(b));
  REQUIRE(wait_until([&] { return w.granted(b).has_value(); }));
  CHECK(w.view().lost == 0);
}

TEST_CASE(
    "taking a hold away: its renewals are refused, it is told, and nobody gets in before it let "
    "go") {
  LockWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  const auto revoked = w.loop.run(w.lock.revoke(a.token, "", w.patience()));
  REQUIRE(revoked.what == Lock::Revoked::What::revoked);
  CHECK(revoked.lease_left > 20s);
  CHECK(w.mail(a) == "revoked");
  const auto renewal = w.loop.run(w.lock.renew(a.token, 30s, w.patience()));
  REQUIRE(std::holds_alternative<LockLost>(renewal));
  CHECK(std::get<LockLost>(renewal).revoked);
  CHECK(w.refused(a)->why == Why::revoked);
  CHECK_FALSE(w.granted(b));
  auto inner = w.request();
  inner.parent = a.token;
  inner.reentrant = true;
  CHECK(w.refused(inner)->why == Why::revoked);
  CHECK(w.released(a) == What::released);
  CHECK(w.granted(b));
  CHECK(w.loop.run(w.lock.revoke(random_token(), "", w.patience())).what ==
        Lock::Revoked::What::gone);
}

TEST_CASE(
    "a hold that was taken away does not come back by a copy of its request that comes late") {
  LockWorld w(any_server());
  const auto a = w.request(LockMode::exclusive, 2s), b = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.loop.run(w.lock.revoke(a.token, "", w.patience())).what ==
          Lock::Revoked::What::revoked);
  REQUIRE(w.wait_free());
  SECTION("while it is shown as stale") { CHECK(w.refused(a)->why == Why::revoked); }
  SECTION("when somebody else had the lock since") {
    REQUIRE(w.granted(b));
    CHECK(w.released(b) == What::released);
    CHECK(w.refused(a)->why == Why::gone);
  }
  CHECK(w.view().state != State::held);
}

TEST_CASE("forgetting is refused while somebody holds or waits") {
  LockWorld w(any_server());
  using F = Lock::Forgotten::What;
  const auto forget = [&] { return w.loop.run(w.lock.forget(w.patience())).what; };
  CHECK(forget() == F::absent);
  const auto a = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  CHECK(forget() == F::held);
  REQUIRE(w.waiting(b));
  w.release(a);
  CHECK(forget() == F::held);  // offered
  w.release(b);
  CHECK(forget() == F::forgotten);
  // Only that they ended is kept, for a minute or two: a late duplicate must do nothing.
  CHECK(w.server.command({"HKEYS", w.key("lock")}).size() == 1);
  CHECK(w.server.command({"PTTL", w.key("lock")}).number() <= 120000);
  CHECK(w.refused(a)->why == Why::gone);
  CHECK(w.loop.run(list_locks(*w.scripts, w.keys, LockKind::lock, {}, w.patience())).empty());
}

TEST_CASE("locks are listed from the indexes, and names whose locks are gone are pruned") {
  LockWorld w(any_server());
  std::set<std::string> names;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "lock {with} braces: " + std::to_string(i);
    names.insert(name);
    Lock lock(w.loop, *w.scripts, w.keys, name);
    w.loop.run(lock.ask(w.request(), true, "", w.patience()));
  }
  REQUIRE(w.granted(w.request()));
  names.insert("job");
  const auto all = w.loop.run(list_locks(*w.scripts, w.keys, LockKind::lock, {}, w.patience()));
  std::set<std::string> listed;
  for (const auto& view : all) listed.insert(view.name);
  CHECK(all.size() == names.size());
  CHECK(w.server.command({"DEL", w.key("lock")}).number() == 1);
  CHECK(w.loop.run(list_locks(*w.scripts, w.keys, LockKind::lock, {}, w.patience())).size() ==
        names.size() - 1);
  CHECK(w.server.command({"ZSCORE", w.keys.index_of("job", "lock"), "job"}).is_nil());
}

TEST_CASE("what describes clients expires by itself, but never before a lease does") {
  LockWorld w(any_server());
  auto a = w.request(LockMode::exclusive, 1h);
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(w.request()));
  constexpr long long kDayMs = 24 * 3600 * 1000;
  CHECK(w.server.command({"PTTL", w.key("lock")}).number() > kDayMs + 3600 * 1000 - 1000);
  CHECK(w.server.command({"PTTL", w.key("lockq")}).number() > kDayMs);
  CHECK(w.server.command({"PTTL", w.key("lockw")}).number() > kDayMs);
  a.ttl = 48h;
  REQUIRE(w.renewed(a));
  CHECK(w.server.command({"PTTL", w.key("lock")}).number() > 3 * kDayMs - 1000);
  w.release(a);
  CHECK(w.server.command({"PTTL", w.key("lock")}).number() > 0);
}

TEST_CASE(
    "out of memory: renewing, releasing and leaving work, acquiring fails with nothing done") {
  LockWorld w(any_server());
  const auto a = w.request(), b = w.request(), c = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  REQUIRE(w.waiting(c));
  w.server.command({"CONFIG", "SET", "maxmemory", "1"});
  CHECK(w.renewed(a));
  CHECK(w.released(b) == What::left);
  CHECK(w.released(a) == What::released);
  const std::string before = w.stored();
  try {
    w.ask(w.request());
    FAIL("an acquire went through");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::unavailable);
  }
  CHECK(w.stored() == before);
}

TEST_CASE("a key of another type is never overwritten") {
  LockWorld w(any_server());
  w.server.command({"SET", w.key("lock"), "somebody's"});
  try {
    w.ask(w.request());
    FAIL("an acquire went through");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::data);
  }
  CHECK(w.server.command({"GET", w.key("lock")}).text() == "somebody's");
}

TEST_CASE("a lock with the layout of another release is refused, not misread") {
  LockWorld w(any_server());
  REQUIRE(w.granted(w.request()));
  std::string state = w.server.command({"HGET", w.key("lock"), "s"}).text();
  state[0] = 9;
  w.server.command({"HSET", w.key("lock"), "s", state});
  const std::string before = w.stored();
  const auto refused = [&](auto call) {
    try {
      call();
      return false;
    } catch (const Error& error) {
      return error.code() == ExitCode::data;
    }
  };
  CHECK(refused([&] { w.ask(w.request()); }));
  CHECK(refused([&] { w.release(w.request()); }));
  CHECK(refused([&] { w.renewed(w.request()); }));
  CHECK(refused([&] { w.view(); }));
  CHECK(w.stored() == before);
}

TEST_CASE("a grant survives a restart with the append-only file and lost scripts") {
  LockWorld w(any_server(), {"appendonly yes", "appendfsync always"});
  const auto a = w.request();
  const auto grant = w.granted(a);
  REQUIRE(grant);
  w.server.restart();
  w.server.command({"SCRIPT", "FLUSH"});
  CHECK(w.renewed(a));
  CHECK(w.granted(a)->fence == grant->fence);
  CHECK_FALSE(w.granted(w.request(), false));
}

TEST_CASE(
    "an upgrade is not granted while another reader holds, also when its own outer hold is "
    "released") {
  LockWorld w(any_server());
  const auto p = w.request(LockMode::shared), q = w.request(LockMode::shared);
  REQUIRE(w.granted(p));
  REQUIRE(w.granted(q));
  auto up = w.request();
  up.parent = p.token;
  up.reentrant = true;
  REQUIRE(w.waiting(up));
  SECTION("released") { w.release(p); }
  SECTION("released, but kept for its least time") { w.release(p, 20s); }
  CHECK_FALSE(w.called(up));
  CHECK_FALSE(w.granted(up));
  CHECK(w.renewed(q));
}

TEST_CASE("an upgrade whose outer hold has ended stands in line like any other") {
  LockWorld w(any_server());
  auto p = w.request(LockMode::shared, 300ms);
  const auto q = w.request(LockMode::shared), writer = w.request();
  REQUIRE(w.granted(p));
  REQUIRE(w.granted(q));
  REQUIRE(w.waiting(writer));
  auto up = w.request();
  up.parent = p.token;
  up.reentrant = true;
  REQUIRE(w.waiting(up)->place == 0);
  REQUIRE(wait_until([&] { return w.view().holders.size() == 1; }));
  CHECK(w.waiting(up)->place == 1);
  auto real_upgrade = w.request();
  real_upgrade.parent = q.token;
  real_upgrade.reentrant = true;
  CHECK(w.granted(real_upgrade));
}

TEST_CASE("who does not wait is not refused because of the dead in line, now or later") {
  LockWorld w(any_server());
  const auto a = w.request(), dead = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(dead));
  kill_waiter(w, dead);
  CHECK_FALSE(w.granted(w.request(), false));
  w.release(a);
  const auto b = w.request();
  REQUIRE(w.granted(b, false));
  w.release(b);
  const auto c = w.request();
  REQUIRE(w.granted(c));
  for (int i = 0; i < 250; ++i) {
    const auto more = w.request();
    REQUIRE(w.waiting(more));
    kill_waiter(w, more);
  }
  w.release(c);
  CHECK(w.granted(w.request(), false));
}

TEST_CASE("who lives behind any number of dead keeps the limit that it asked for, and is told") {
  LockWorld w(any_server());
  const auto holder = w.slot(1);
  REQUIRE(w.granted(holder));
  std::vector<LockWorld::Request> dead;
  for (int i = 0; i < 450; ++i) {
    dead.push_back(w.slot(1));
    REQUIRE(w.waiting(dead.back()));
  }
  const auto alive = w.slot(1);
  REQUIRE(w.waiting(alive));
  for (const auto& one : dead) kill_waiter(w, one);
  w.release(holder);  // drops a hundred
  CHECK(w.mail(alive) == "look 0");
  const auto other = w.refused(w.request());
  REQUIRE(other);
  CHECK(other->why == Why::limit);
  CHECK(other->limit == 1);
  CHECK(w.granted(alive));
}

TEST_CASE("the line's keys gone, its count heals") {
  LockWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(w.request()));
  w.server.command({"DEL", w.key("lockq"), w.key("lockw")});
  w.release(a);
  const auto b = w.request();
  REQUIRE(w.granted(b, false));
  const auto c = w.request();
  REQUIRE(w.waiting(c));
  CHECK(w.server.command({"PTTL", w.key("lockq")}).number() > 0);
  CHECK(w.server.command({"PTTL", w.key("lockw")}).number() > 0);
  w.release(b);
  CHECK(w.granted(c));
}

TEST_CASE(
    "a waiter that looks when the lease has ended has the lock at once, not by an offer to "
    "itself") {
  LockWorld w(any_server());
  const auto a = w.request(LockMode::exclusive, 100ms), b = w.request();
  REQUIRE(w.granted(a));
  const auto place = w.waiting(b);
  REQUIRE(place);
  CHECK(place->look_at - w.loop.now() < 200ms);  // it knows when
  REQUIRE(w.wait_free());
  CHECK(w.granted(b));
  CHECK_FALSE(w.mail(b));
}

TEST_CASE("a roll call ends when the first in line has answered, though it does not fit yet") {
  LockWorld w(any_server());
  const auto x = w.request(), reader = w.request(LockMode::shared),
             dead = w.request(LockMode::shared), writer = w.request(), last = w.request();
  REQUIRE(w.granted(x));
  for (const auto& r : {reader, dead, writer, last}) REQUIRE(w.waiting(r));
  w.release(x);
  REQUIRE(w.granted(reader));
  REQUIRE(wait_until(
      [&] { return w.view().holders.size() == 1; }));  // the offer to the dead one has lapsed
  REQUIRE(w.waiting(writer));
  REQUIRE(w.waiting(last));
  CHECK(w.waiting(writer)->look_at - w.loop.now() > 2s);
  CHECK(w.waiting(last)->look_at - w.loop.now() > 2s);
}

TEST_CASE("slots cut and grown again: no number is given out twice") {
  LockWorld w(any_server());
  std::vector<LockWorld::Request> holders;
  for (int i = 0; i < 4; ++i) {
    holders.push_back(w.slot(4));
    REQUIRE(w.granted(holders.back()));
  }
  w.release(holders[0]);
  w.release(holders[1]);
  auto cut = w.slot(2);
  cut.resize = true;
  REQUIRE(w.waiting(cut));
  w.release(cut);
  auto grown = w.slot(4);
  grown.resize = true;
  std::set<int> numbers{2, 3};
  REQUIRE(numbers.insert(w.granted(grown)->slot).second);
  REQUIRE(numbers.insert(w.granted(w.slot(4))->slot).second);
  CHECK_FALSE(w.granted(w.slot(4), false));
}

TEST_CASE("a pool may be added to, but a name that somebody may hold keeps its number") {
  LockWorld w(any_server());
  auto a = w.slot(2);
  a.pool = {"gpu0", "gpu1"};
  REQUIRE(w.granted(a));
  auto swapped = w.slot(2);
  swapped.pool = {"gpu1", "gpu0"};
  swapped.resize = true;
  CHECK(w.refused(swapped)->why == Why::limit);
  auto longer = w.slot(3);
  longer.pool = {"gpu0", "gpu1", "gpu2"};
  longer.resize = true;
  CHECK(w.granted(longer)->slot == 1);
}

TEST_CASE("nine thousand leases that end at once are dropped by the next call") {
  LockWorld w(any_server());
  std::vector<redis::Call> calls;
  for (int i = 0; i < 9000; ++i) {
    const auto r = w.request();
    redis::Call call;
    call.script = &redis::scripts::lock_acquire;
    call.keys = {w.key("lock"), w.key("lockq"), w.key("lockw"), w.keys.index_of("job", "lock")};
    call.args = {r.token, "4000", "s", "0", "0", "", w.lock.mailbox(r.token), "", "job", ""};
    calls.push_back(std::move(call));
  }
  const redis::Patience patience{w.loop.now() + 60s, kNever};
  w.loop.run(w.scripts->run_all(std::move(calls), patience));
  REQUIRE(w.wait_free());
  CHECK(w.granted(w.request()));
  CHECK(w.view().holders.size() == 1);
}

TEST_CASE("out of memory: taking away, a least hold and giving up an unknown request work, too") {
  LockWorld w(any_server());
  const auto a = w.request();
  REQUIRE(w.granted(a));
  w.server.command({"CONFIG", "SET", "maxmemory", "1"});
  CHECK(w.released(w.request()) == What::gone);
  CHECK(w.loop.run(w.lock.revoke(a.token, "", w.patience())).what == Lock::Revoked::What::revoked);
  CHECK(w.release(a, 60s).stays_taken > 50s);
  Lock other(w.loop, *w.scripts, w.keys, "never used");
  CHECK(w.loop.run(other.release(random_token(), Duration::zero(), false, w.patience())).what ==
        What::gone);
}

TEST_CASE("the wait of an upgrade is counted from when it asked") {
  LockWorld w(any_server());
  const auto p = w.request(LockMode::shared), q = w.request(LockMode::shared);
  REQUIRE(w.granted(p));
  REQUIRE(w.granted(q));
  auto up = w.request();
  up.parent = p.token;
  up.reentrant = true;
  REQUIRE(w.waiting(up));
  w.release(q);
  const auto grant = w.granted(up);
  REQUIRE(grant);
  CHECK(grant->waited < 1min);
}

TEST_CASE(
    "a message that the script could not push is pushed by the client, and fails for itself") {
  LockWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.granted(a));
  REQUIRE(w.waiting(b));
  w.server.command({"SET", w.lock.mailbox(b.token), "not a list"});
  w.server.command({"CONFIG", "RESETSTAT"});
  CHECK(w.released(a) == What::released);
  const std::string stats = w.server.command({"INFO", "commandstats"}).text();
  CHECK(stats.find("cmdstat_rpush:calls=2,") != std::string::npos);  // the script's and ours
  CHECK(w.granted(b));                                               // the offer itself stands
}

}  // namespace
}  // namespace dcoord::testing
