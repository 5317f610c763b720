#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstring>
#include <set>

#include "base/error.h"
#include "redis/scripts.h"
#include "support/queue_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using What = Pushed::What;
using Items = std::vector<std::string>;

std::string any_server() { return GENERATE(from_range(server_programs())); }

PushOptions with_priority(int priority, std::string lane = "") {
  PushOptions o;
  o.priority = priority;
  o.lane = std::move(lane);
  return o;
}
PushOptions delayed(Duration by) {
  PushOptions o;
  o.delay = by;
  return o;
}

TEST_CASE("what is pushed is taken in order, byte for byte, and is gone when acknowledged") {
  QueueWorld w(any_server());
  const Items items{"a", "", std::string("\0\r\n\xff", 4), std::string(1 << 20, 'x')};
  const Pushed pushed = w.push(items);
  CHECK(pushed.what == What::pushed);
  CHECK(pushed.count == 4);
  CHECK(pushed.length == 4);
  for (const auto& payload : items) {
    const auto item = w.take();
    REQUIRE(item);
    CHECK(item->payload == payload);
    CHECK(item->attempt == 1);
    CHECK(w.ack(item->receipt));
    CHECK_FALSE(w.ack(item->receipt));
  }
  CHECK_FALSE(w.take());
  const QueueView view = w.view();
  CHECK(view.pushed == 4);
  CHECK(view.done == 4);
  CHECK(view.ready + view.delayed + view.in_flight + view.dead == 0);
  CHECK(view.pushed_per_minute == 4);
}

/// Takes up to 10 that end together.
std::vector<QueueItem> bundle(QueueWorld& w, TakeRequest& r, Duration lease = 30s) {
  r = w.request(10, lease);
  r.together = true;
  return w.taken(r);
}

TEST_CASE("what ends together stands in flight once, and is done, given back or left as one") {
  QueueWorld w(any_server());
  const Items items{"a", "", std::string("\0\r\n\xff", 4)};
  w.push(items);
  TakeRequest r;
  const auto taken = bundle(w, r);
  REQUIRE(taken.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(taken[i].payload == items[i]);
    CHECK(taken[i].attempt == 1);
    CHECK(taken[i].receipt == "&" + r.token);
  }
  CHECK(w.view().in_flight == 3);
  CHECK(w.server.command({"ZCARD", w.keys.queue_part("job", "t")}).number() == 1);
  const auto again = w.taken(r);
  REQUIRE(again.size() == 3);
  CHECK(again[2].id == taken[2].id);

  // Given back it is one item after the other again.
  CHECK(w.loop.run(w.queue.nack(random_token(), {taken[0].receipt}, Fate::retry, Duration::zero(),
                                {}, w.patience())) == 3);
  CHECK(w.view().returned == 3);
  CHECK(std::holds_alternative<Taken>(w.ask(w.request(1))));
  CHECK(bundle(w, r).size() == 2);
  CHECK(w.loop.run(w.queue.leave(r.token, w.patience())) == 2);
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  const auto last = bundle(w, r);
  REQUIRE(last.size() == 2);
  CHECK(last[0].attempt == 2);

  // With the next take, beside a single one.
  w.push({"d"});
  const auto single = w.take();
  TakeRequest next = w.request(1);
  next.done = {single->receipt, last[0].receipt, "&" + random_token()};
  w.push({"e"});
  const auto answer = w.ask(next);
  CHECK(std::get<Taken>(answer).done == 3);
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  CHECK(w.view().in_flight == 2);
  const auto found = w.loop.run(w.queue.ack(
      random_token(), {last[0].receipt, std::get<Taken>(answer).items[0].receipt}, w.patience()));
  CHECK(found.count == 1);
  CHECK(found.gone == Items{last[0].receipt});
  CHECK(w.view().done == 4);
}

TEST_CASE("of what ends together, all comes back when the lease ends, at its old place") {
  QueueWorld w(any_server());
  w.push({"a", "b", "c"});
  TakeRequest r;
  REQUIRE(bundle(w, r, 1ms).size() == 3);
  w.push({"d"});
  REQUIRE(w.wait_overdue(3));
  const auto due = w.loop.run(w.queue.peek(Queue::Part::due, 0, 10, w.patience()));
  REQUIRE(due.size() == 3);
  CHECK(due[1].payload == "b");
  CHECK(due[1].attempts == 1);
  CHECK(due[1].returned);
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  const auto items = w.taken(w.request(10));
  REQUIRE(items.size() == 4);
  CHECK(items[0].payload == "a");
  CHECK(items[0].attempt == 2);
  CHECK(items[3].attempt == 1);
  CHECK_FALSE(w.ack("&" + r.token));
}

TEST_CASE("however many leases have ended, no receipt is given a second time") {
  QueueWorld w(any_server());
  std::vector<TakeRequest> requests(4);
  for (auto& r : requests) {
    w.push(Items(200, "x"));
    r = w.request(200, 1ms);
    r.together = true;
    REQUIRE(w.taken(r).size() == 200);
  }
  w.wait_overdue(800);
  CHECK(std::holds_alternative<TakeGone>(w.ask(requests[3])));
  size_t count = 0;
  while (true) {
    const auto items = w.taken(w.request(100));
    if (items.empty()) break;
    count += items.size();
  }
  CHECK(count == 800);
}

TEST_CASE("ids rise, also over batches and after the last item was taken") {
  QueueWorld w(any_server());
  const Pushed first = w.push({"a", "b", "c"});
  CHECK(w.drain().size() == 3);
  CHECK(w.push({"d"}).first_id >= first.first_id + 3);
}

TEST_CASE("a batch that is sent again is pushed once, whatever its bounds are by then") {
  QueueWorld w(any_server());
  const std::string producer = random_token();
  const Pushed first = w.push_as(producer, 0, {"a", "b"});
  const Pushed again = w.push_as(producer, 0, {"a", "b"});
  CHECK(again.what == What::again);
  CHECK(again.first_id == first.first_id);
  CHECK(again.count == 2);
  const Pushed rest = w.push_as(producer, 1, {"b", "c"});
  CHECK(rest.what == What::pushed);
  CHECK(rest.count == 1);
  CHECK(rest.behind == 3);
  CHECK(w.push_as(producer, 1, {"b"}).what == What::again);
  CHECK(w.drain() == Items{"a", "b", "c"});
  CHECK(w.push_as(producer, 0, {"a", "b", "c"}).what == What::again);
}

TEST_CASE("a batch behind one that was not pushed is refused") {
  QueueWorld w(any_server());
  const std::string producer = random_token();
  CHECK(w.push_as(producer, 2, {"c"}, {}, false).what == What::gap);
  CHECK(w.push_as(producer, 0, {"a"}, {}, false).what == What::pushed);
  const Pushed gap = w.push_as(producer, 2, {"c"}, {}, false);
  CHECK(gap.what == What::gap);
  CHECK(gap.behind == 1);
  CHECK(w.push_as(producer, 1, {"b"}, {}, false).what == What::pushed);
  CHECK(w.push_as(random_token(), 7, {"c"}, {}, true).what == What::pushed);
  CHECK(w.drain() == Items{"a", "b", "c"});
}

TEST_CASE("producers are remembered over one change of their keys and forgotten in the end") {
  ServerClock clock;
  QueueWorld w(any_server(), clock);
  const std::string producer = random_token();
  w.push_as(producer, 0, {"a"});
  CHECK(w.push_as(producer, 0, {"a"}).what == What::again);
  clock.advance(11min);
  w.push({"b"});
  const std::string old_key = w.keys.queue_part("job", "o");
  CHECK(w.server.command({"HLEN", old_key}).number() == 2);
  CHECK(w.server.command({"PTTL", old_key}).number() > 0);
  CHECK(w.push_as(producer, 0, {"a"}).what == What::again);
  clock.advance(11min);
  w.push({"c"});
  clock.advance(11min);
  w.push({"d"});
  CHECK(w.push_as(producer, 0, {"a"}).what != What::again);
}

TEST_CASE("one id within the window is one item") {
  QueueWorld w(any_server());
  PushOptions o;
  o.id = "order-7";
  o.window = 1h;
  CHECK(w.push({"a"}, o).what == What::pushed);
  CHECK(w.push({"a"}, o).what == What::duplicate);
  CHECK(w.drain() == Items{"a"});
  CHECK(w.push({"a"}, o).what == What::duplicate);
  o.id = "order-8";
  o.window = 1ms;
  CHECK(w.push({"b"}, o).what == What::pushed);
  CHECK(wait_until([&] { return w.push({"b"}, o).what == What::pushed; }));
}

TEST_CASE("a full queue takes what there is room for, then nothing") {
  QueueWorld w(any_server());
  PushOptions o;
  o.max_length = 3;
  const std::string producer = random_token();
  const Pushed some = w.push_as(producer, 0, {"a", "b", "c", "d"}, o);
  CHECK(some.what == What::pushed);
  CHECK(some.count == 3);
  CHECK(some.behind == 3);
  const Pushed none = w.push_as(producer, 3, {"d"}, o);
  CHECK(none.what == What::full);
  CHECK(none.length == 3);
  REQUIRE(w.take());
  CHECK(w.push_as(producer, 3, {"d"}, o).count == 1);
  CHECK(w.drain() == Items{"b", "c", "d"});
}

TEST_CASE("priorities come before one another, each in its order") {
  QueueWorld w(any_server());
  w.push({"low1", "low2"}, with_priority(0));
  w.push({"a", "b"});
  w.push({"high1"}, with_priority(9));
  w.push({"mid"}, with_priority(6));
  w.push({"high2"}, with_priority(9));
  CHECK(w.drain() == Items{"high1", "high2", "mid", "a", "b", "low1", "low2"});
}

TEST_CASE("a lane is its worker's, and before the shared one; others get it by stealing only") {
  QueueWorld w(any_server());
  w.push({"shared"});
  w.push({"w1-low"}, with_priority(1, "w1"));
  w.push({"w1-high"}, with_priority(8, "w1"));
  w.push({"w2"}, with_priority(5, "w2"));
  w.push({"w11"}, with_priority(5, "w11"));
  const auto next = [&](const char* lane, bool steal) {
    TakeRequest r = w.request();
    r.lane = lane;
    r.steal = steal;
    const auto items = w.taken(r);
    return items.empty() ? std::string("-") : items[0].payload;
  };
  const QueueView view = w.view();
  CHECK(view.ready == 5);
  CHECK(view.groups.size() == 5);
  CHECK(next("w1", false) == "w1-high");
  CHECK(next("w1", false) == "w1-low");
  CHECK(next("w1", false) == "shared");
  CHECK(next("w1", false) == "-");
  CHECK(next("", false) == "-");
  w.push({"w2-second"}, with_priority(5, "w2"));
  CHECK(next("w1", true) == "w2");  // the longest other lane
  CHECK(next("w2", false) == "w2-second");
  CHECK(next("x", true) == "w11");
  CHECK(next("x", true) == "-");
}

TEST_CASE("a delayed item is ready when its time has come, not before") {
  QueueWorld w(any_server());
  w.push({"later"}, delayed(1h));
  w.push({"soon"}, delayed(150ms));
  CHECK(w.view().delayed == 2);
  REQUIRE(w.wait_overdue(1));
  CHECK(w.drain() == Items{"soon"});
  CHECK(w.view().delayed == 1);
}

TEST_CASE("the same token gets the same items again, and a whole lease") {
  QueueWorld w(any_server());
  w.push({"a", "b", "c"});
  const TakeRequest r = w.request(2);
  const auto first = w.taken(r), again = w.taken(r);
  REQUIRE(first.size() == 2);
  REQUIRE(again.size() == 2);
  CHECK(first[0].receipt == again[0].receipt);
  CHECK(first[1].receipt == again[1].receipt);
  CHECK(first[1].payload == again[1].payload);
  CHECK(again[0].attempt == 1);
  CHECK(w.view().in_flight == 2);
  CHECK(w.view().ready == 1);
}

TEST_CASE("a take that was acknowledged is not run again by the server") {
  QueueWorld w(any_server());
  w.push({"a", "b"});
  const TakeRequest r = w.request();
  const auto items = w.taken(r);
  REQUIRE(items.size() == 1);
  CHECK(w.loop.run(w.queue.ack(r.token, {items[0].receipt}, w.patience())).count == 1);
  CHECK(w.loop.run(w.queue.ack(r.token, {items[0].receipt}, w.patience())).again);
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  CHECK(w.view().ready == 1);
}

TEST_CASE("a lease that ended gives the item to the next, in front, and its receipt is void") {
  QueueWorld w(any_server());
  w.push({"a", "b"});
  const auto lost = w.take(1ms);
  REQUIRE(lost);
  REQUIRE(w.wait_overdue(1));
  const auto again = w.take();
  REQUIRE(again);
  CHECK(again->payload == "a");
  CHECK(again->attempt == 2);
  CHECK(again->id == lost->id);
  CHECK_FALSE(w.ack(lost->receipt));
  CHECK_FALSE(w.nack(lost->receipt));
  CHECK(w.ack(again->receipt));
  CHECK(w.view().returned == 1);
}

TEST_CASE("a take whose lease ended gives nothing when a copy of it comes late") {
  QueueWorld w(any_server());
  w.push({"a", "b"});
  const TakeRequest r = w.request(1, 1ms);
  const auto lost = w.taken(r);
  REQUIRE(lost.size() == 1);
  REQUIRE(w.wait_overdue(1));
  SECTION("as the first call since") {}
  SECTION("after another take") { CHECK(w.take()->payload == "a"); }
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  // What its receipt ended would have been an item that the first consumer never saw.
  CHECK_FALSE(w.ack(lost[0].receipt));
  CHECK(w.drain().back() == "b");
}

TEST_CASE("a take that was acknowledged with the next one gives nothing when a copy comes late") {
  QueueWorld w(any_server());
  const int count = GENERATE(1, 2);
  CAPTURE(count);
  w.push({"a", "b", "c", "d", "e"});
  const TakeRequest r = w.request(count);
  TakeRequest next = w.request();
  for (const QueueItem& item : w.taken(r)) next.done.push_back(item.receipt);
  REQUIRE(next.done.size() == static_cast<size_t>(count));
  REQUIRE(w.taken(next).size() == 1);
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  CHECK(w.view().ready == 4 - count);
}

TEST_CASE("extend raises a live lease and brings back none that ended") {
  QueueWorld w(any_server());
  w.push({"a", "b"});
  const auto b = w.take(10s), a = w.take(1ms);
  REQUIRE(a);
  REQUIRE(b);
  REQUIRE(w.wait_overdue(1));
  const auto ends = w.loop.run(w.queue.extend({a->receipt, b->receipt}, 1h, w.patience()));
  REQUIRE(ends.size() == 2);
  CHECK_FALSE(ends[0]);
  REQUIRE(ends[1]);
  CHECK(*ends[1] - w.loop.now() > 59min);
  const auto lower = w.loop.run(w.queue.extend({b->receipt}, 1s, w.patience()));
  CHECK(*lower[0] - w.loop.now() > 59min);
}

TEST_CASE("nack: ready again in front, or later, or dead with a cause") {
  QueueWorld w(any_server());
  w.push({"a", "b"});
  auto item = w.take();
  REQUIRE(w.nack(item->receipt));
  item = w.take();
  CHECK(item->payload == "a");
  CHECK(item->attempt == 2);
  REQUIRE(w.nack(item->receipt, 1h));
  CHECK(w.view().delayed == 1);
  item = w.take();
  CHECK(item->payload == "b");
  REQUIRE(w.nack(item->receipt, 0s, Fate::dead, {3, "it broke\nbadly"}));
  const QueueView view = w.view();
  CHECK(view.dead == 1);
  CHECK(view.buried == 1);
  const auto dead = w.loop.run(w.queue.peek(Queue::Part::dead, 0, 10, w.patience()));
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].id == item->id);
  CHECK(dead[0].attempts == 1);
  CHECK(dead[0].cause.exit_code == 3);
  CHECK(dead[0].cause.text == "it broke\nbadly");
  CHECK(dead[0].payload == "b");
}

TEST_CASE("an answer to nack that was lost is given again, and the item is returned once") {
  QueueWorld w(any_server());
  w.push({"a"});
  const TakeRequest r = w.request();
  const auto items = w.taken(r);
  const auto nack = [&] {
    return w.loop.run(w.queue.nack(r.token, {items[0].receipt}, Fate::retry, 0s, {}, w.patience()));
  };
  CHECK(nack() == 1);
  CHECK_FALSE(nack());
  CHECK(w.view().ready == 1);
}

TEST_CASE("an item that was tried too often goes to the dead instead of to a consumer") {
  QueueWorld w(any_server());
  w.push({"bad", "good"});
  TakeRequest r = w.request(1, 1ms);
  r.max_attempts = 2;
  for (int i = 0; i < 2; ++i) {
    r.token = random_token();
    REQUIRE(w.taken(r).at(0).payload == "bad");
    REQUIRE(w.wait_overdue(1));
  }
  r.token = random_token();
  CHECK(w.taken(r).at(0).payload == "good");
  CHECK(w.view().dead == 1);
}

TEST_CASE("dead items: shown, retried as if new, thrown away") {
  QueueWorld w(any_server());
  w.push({"a", "b", "c"});
  for (int i = 0; i < 3; ++i) REQUIRE(w.nack(w.take()->receipt, 0s, Fate::dead));
  const auto dead = w.loop.run(w.queue.peek(Queue::Part::dead, 0, 10, w.patience()));
  REQUIRE(dead.size() == 3);
  CHECK(w.loop.run(w.queue.revive({dead[1].id}, w.patience())) == 1);
  CHECK(w.loop.run(w.queue.revive({dead[1].id}, w.patience())) == 0);
  const auto item = w.take();
  CHECK(item->payload == "b");
  CHECK(item->attempt == 1);
  CHECK(w.loop.run(w.queue.purge(Queue::Part::dead, {dead[0].id}, w.patience())) == 1);
  CHECK(w.loop.run(w.queue.revive({}, w.patience())) == 1);
  CHECK(w.drain() == Items{"c"});
  CHECK(w.view().dead == 0);
}

TEST_CASE("purge throws away what is ready or delayed, and nothing that is in flight") {
  QueueWorld w(any_server());
  w.push(Items(100, "x"));
  const auto held = w.take();
  w.push({"lane"}, with_priority(1, "w"));
  for (int i = 0; i < 6; ++i) w.push(Items(250, "later"), delayed(1h));
  CHECK(w.loop.run(w.queue.purge(Queue::Part::ready, {}, w.patience())) == 100);
  CHECK(w.view().ready == 0);
  CHECK(w.loop.run(w.queue.purge(Queue::Part::delayed, {}, w.patience())) == 1500);
  const QueueView view = w.view();
  CHECK(view.delayed == 0);
  CHECK(view.in_flight == 1);
  CHECK(w.ack(held->receipt));
  CHECK(w.server.command({"EXISTS", w.keys.queue_part("job", "b")}).number() == 0);
}

TEST_CASE("a push wakes the first in line with one message, and the claim gets the item") {
  QueueWorld w(any_server());
  const TakeRequest a = w.request(), b = w.request();
  const auto first = w.waiting(a), second = w.waiting(b);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->place == 0);
  CHECK(second->place == 1);
  CHECK(w.view().waiting == 2);
  w.push({"x"});
  CHECK(w.called(a));
  CHECK_FALSE(w.called(b));
  CHECK_FALSE(w.take());  // it is a's
  const auto items = w.taken(a, true);
  REQUIRE(items.size() == 1);
  CHECK(items[0].attempt == 1);
  CHECK(w.ack(items[0].receipt));
  CHECK(w.view().waiting == 1);
}

TEST_CASE("a batch goes to as many in line as it has items for") {
  QueueWorld w(any_server());
  std::vector<TakeRequest> line;
  for (int i = 0; i < 5; ++i) {
    line.push_back(w.request());
    REQUIRE(w.waiting(line.back()));
  }
  w.push({"0", "1", "2"});
  for (size_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK(w.called(line[i]) == (i < 3));
    if (i < 3) CHECK(w.taken(line[i], true).at(0).payload == std::to_string(i));
  }
  CHECK(w.view().waiting == 2);
}

TEST_CASE("an item for a lane passes those in line that it is not for") {
  QueueWorld w(any_server());
  TakeRequest other = w.request(), mine = w.request(), thief = w.request();
  other.lane = "w1";
  mine.lane = "w2";
  thief.lane = "w3";
  thief.steal = true;
  for (const auto& r : {other, mine}) REQUIRE(w.waiting(r));
  w.push({"x"}, with_priority(5, "w2"));
  CHECK_FALSE(w.called(other));
  CHECK(w.called(mine));
  CHECK(w.taken(mine, true).at(0).payload == "x");
  REQUIRE(w.waiting(thief));
  w.push({"y"}, with_priority(5, "w4"));
  CHECK_FALSE(w.called(other));
  CHECK(w.called(thief));
}

TEST_CASE("an offer that nobody claims is no attempt, and those behind are asked at once") {
  QueueWorld w(any_server());
  const TakeRequest dead = w.request(), b = w.request(), c = w.request();
  for (const auto& r : {dead, b, c}) REQUIRE(w.waiting(r));
  w.push({"x"});
  CHECK(w.called(dead));
  CHECK(w.mail(b));  // first in line now: told when to look
  REQUIRE(w.wait_overdue(1));
  const auto got = w.taken(b, true);
  if (got.empty()) {  // asked with all others: whoever comes gets it
    REQUIRE(w.mail(c));
    REQUIRE(w.taken(c, true).at(0).attempt == 1);
  } else {
    CHECK(got[0].attempt == 1);
  }
  CHECK(w.view().in_flight == 1);
  CHECK(w.view().returned == 0);
}

TEST_CASE("who leaves gives back what it was offered, to the next in line") {
  QueueWorld w(any_server());
  const TakeRequest a = w.request(), b = w.request();
  REQUIRE(w.waiting(a));
  REQUIRE(w.waiting(b));
  w.push({"x"});
  CHECK(w.loop.run(w.queue.leave(a.token, w.patience())) == 1);
  CHECK(w.called(b));
  CHECK(w.taken(b, true).at(0).attempt == 1);
  CHECK(std::holds_alternative<TakeGone>(w.ask(a, true)));
}

TEST_CASE("the first in line is told to look when something is due before it would") {
  QueueWorld w(any_server());
  const TakeRequest a = w.request(), b = w.request();
  const auto place = w.waiting(a);
  REQUIRE(place);
  CHECK(place->look_at - w.loop.now() > 9s);
  REQUIRE(w.waiting(b));
  w.push({"x"}, delayed(200ms));
  const auto told = w.mail(a);
  REQUIRE(told);
  CHECK(told->starts_with("look "));
  CHECK_FALSE(w.mail(b));
  REQUIRE(w.wait_overdue(1));
  CHECK(w.taken(a, true).size() == 1);
}

TEST_CASE("a place that was lost comes back with its ticket") {
  QueueWorld w(any_server());
  const TakeRequest a = w.request(), b = w.request();
  const auto first = w.waiting(a);
  REQUIRE(w.waiting(b));
  w.server.command({"ZREM", w.keys.queue_part("job", "q"), a.token});
  w.server.command({"HDEL", w.keys.queue_part("job", "w"), a.token});
  CHECK(w.waiting(a, first->ticket)->place == 0);
}

TEST_CASE("done and the next take are one step, and the same again after a lost answer") {
  QueueWorld w(any_server());
  w.push({"a", "b"});
  const auto a = w.take();
  TakeRequest r = w.request();
  r.done = {a->receipt};
  for (int i = 0; i < 2; ++i) {
    const auto answer = w.ask(r);
    REQUIRE(std::holds_alternative<Taken>(answer));
    CHECK(std::get<Taken>(answer).items.at(0).payload == "b");
    CHECK(std::get<Taken>(answer).done == (i == 0 ? 1 : 0));
  }
  CHECK(w.view().done == 1);
  CHECK(w.view().in_flight == 1);
}

TEST_CASE("nothing to take: told whether anything may come") {
  QueueWorld w(any_server());
  const auto empty = [&] { return std::get<QueueEmpty>(w.ask(w.request())); };
  CHECK(empty().drained());
  CHECK_FALSE(w.view().exists);  // asking leaves nothing behind
  w.push({"x"}, delayed(1h));
  CHECK(empty().delayed == 1);
  w.push({"y"}, with_priority(5, "w"));
  CHECK(empty().for_others == 1);
  w.push({"z"});
  const auto z = w.take();
  CHECK(empty().in_flight == 1);
}

TEST_CASE("another layout is refused, and nothing is touched") {
  QueueWorld w(any_server());
  w.push({"x"});
  std::string state = w.server.command({"HGET", w.keys.queue("job"), "s"}).text();
  state[0] = 9;
  w.server.command({"HSET", w.keys.queue("job"), "s", state});
  CHECK_THROWS_AS(w.push({"y"}), Error);
  CHECK_THROWS_AS(w.take(), Error);
  CHECK_THROWS_AS(w.view(), Error);
  CHECK(w.server.command({"LLEN", w.keys.queue_part("job", "r")}).number() == 1);
}

TEST_CASE("when memory is out nothing is pushed, and what is there can be taken and done") {
  QueueWorld w(any_server(), {"maxmemory-policy noeviction"});
  w.push(Items(20, std::string(1000, 'x')));
  const auto held = w.take();
  w.server.command({"CONFIG", "SET", "maxmemory", "1mb"});
  const std::string producer = random_token();
  CHECK_THROWS_AS(w.push_as(producer, 0, {"y"}), Error);
  CHECK(w.ack(held->receipt));
  w.server.command({"CONFIG", "SET", "maxmemory", "0"});
  CHECK(w.push_as(producer, 0, {"y"}).what == What::pushed);
  CHECK(w.view().ready == 20);
}

}  // namespace
}  // namespace dcoord::testing
