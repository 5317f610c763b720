// Who waits for a queue: consumers until nothing is left, producers for room; and what is seen of
// what is due.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "base/error.h"
#include "support/queue_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using What = Pushed::What;
using Items = std::vector<std::string>;

std::string any_server() { return GENERATE(from_range(server_programs())); }

TakeRequest until_drained(QueueWorld& w) {
  TakeRequest r = w.request();
  r.until_drained = true;
  return r;
}
bool told(QueueWorld& w, const TakeRequest& r) { return w.mail(r) == "look 0"; }
Items payloads(const std::vector<PeekedItem>& items) {
  Items out;
  for (const auto& item : items) out.push_back(item.payload);
  return out;
}
PushOptions with(int priority, Duration delay = Duration::zero(), std::string lane = "") {
  PushOptions o;
  o.priority = priority;
  o.delay = delay;
  o.lane = std::move(lane);
  return o;
}

TEST_CASE("who waits until nothing is left is told when the last item is done, dead or purged") {
  QueueWorld w(any_server());
  const std::string end = GENERATE("ack", "take", "dead", "purge");
  CAPTURE(end);
  w.push({"last"});
  if (end == "purge") w.push({"later"}, with(kNormalPriority, 1h));
  const auto item = w.take();
  const TakeRequest a = until_drained(w), usual = w.request(), b = until_drained(w);
  for (const auto& r : {a, usual, b}) REQUIRE(w.waiting(r));
  if (end == "ack" || end == "purge") CHECK(w.ack(item->receipt));
  if (end == "purge") {
    CHECK_FALSE(w.mail(b));
    w.loop.run(w.queue.purge(Queue::Part::delayed, {}, w.patience()));
  }
  if (end == "dead") CHECK(w.nack(item->receipt, 0s, Fate::dead));
  if (end == "take") {
    TakeRequest r = w.request();
    r.done = {item->receipt};
    CHECK(w.waiting(r));
  }
  CHECK(told(w, a));
  CHECK(told(w, b));
  CHECK_FALSE(told(w, usual));
  for (const auto& r : {a, b}) CHECK(std::get<QueueEmpty>(w.ask(r, true)).drained());
  CHECK(w.view().waiting == (end == "take" ? 2 : 1));
  // Nobody waits for this any more, so nobody is told.
  w.push({"x"});
  CHECK(w.ack(w.taken(usual, true).at(0).receipt));
  CHECK_FALSE(w.mail(a));
}

TEST_CASE("who waits until nothing is left waits for what is delayed or in flight, and gets it") {
  QueueWorld w(any_server());
  const TakeRequest none = until_drained(w);
  CHECK(std::get<QueueEmpty>(w.ask(none, true)).drained());
  w.push({"x"}, with(kNormalPriority, 1h));
  const TakeRequest r = until_drained(w);
  CHECK(w.waiting(r));
  w.push({"y"});
  CHECK(w.called(r));
  CHECK(w.taken(r, true).at(0).payload == "y");
}

TEST_CASE(
    "who is far behind in line looks seldom, and is called when it is the first and that is too "
    "late") {
  QueueWorld w(any_server());
  std::vector<TakeRequest> line(12);
  for (size_t i = 0; i < line.size(); ++i) {
    line[i] = w.request();
    const auto place = w.waiting(line[i]);
    REQUIRE(place);
    const Duration look = place->look_at - w.loop.now();
    CHECK(look < (i < 10 ? 10s : 40s) + 1s);
    if (i >= 10) CHECK(look > 15s);
  }
  PushOptions o;
  o.delay = 17s;
  w.push({"later"}, o);
  CHECK_FALSE(w.mail(line[0]));  // looks before that
  for (size_t i = 0; i < 11; ++i) w.loop.run(w.queue.leave(line[i].token, w.patience()));
  const auto message = w.mail(line[11]);
  REQUIRE(message);
  CHECK(message->starts_with("look 1"));
  w.take();
  CHECK_FALSE(w.mail(line[11]));  // it knows
  CHECK(w.view().waiting == 1);
}

TEST_CASE("a producer that waits for room is called when there is some") {
  QueueWorld w(any_server());
  PushOptions o;
  o.max_length = 2;
  o.waits = true;
  const auto mail = [&](const std::string& producer) {
    const redis::Reply reply = w.server.command({"LPOP", w.queue.mailbox(producer)});
    return reply.is_nil() ? std::string() : reply.text();
  };
  const std::string a = random_token(), b = random_token();
  CHECK(w.push_as(a, 0, {"1", "2", "3"}, o).count == 2);
  CHECK(w.push_as(a, 2, {"3"}, o).what == What::full);
  CHECK(w.push_as(a, 2, {"3"}, o).what == What::full);
  CHECK(w.push_as(b, 0, {"4"}, o).what == What::full);
  const auto one = w.take();
  CHECK(mail(a) == "look 0");
  CHECK(mail(a).empty());
  CHECK(mail(b).empty());
  CHECK(w.push_as(a, 2, {"3"}, o).what == What::pushed);
  SECTION("by a purge") { w.loop.run(w.queue.purge(Queue::Part::ready, {}, w.patience())); }
  SECTION("by the next take") { CHECK(w.take()); }
  CHECK(mail(b) == "look 0");
  CHECK(w.push_as(b, 0, {"4"}, o).what == What::pushed);
}

TEST_CASE("more than one call can move falls due at once: a request that does not wait gets all") {
  QueueWorld w(any_server());
  // In one pipeline, since each call moves some of what is due.
  std::vector<PushBatch> batches(3);
  for (size_t i = 0; i < 3; ++i) {
    batches[i].position = static_cast<long long>(i) * 200;
    batches[i].items = Items(200, "x");
  }
  w.loop.run(
      w.queue.push(random_token(), with(kNormalPriority, 1s), std::move(batches), w.patience()));
  REQUIRE(w.wait_overdue(600));
  size_t got = 0;
  TakeRequest r = w.request(kMostTaken);
  std::string ticket;
  for (int call = 0; got < 600 && call < 100; ++call) {
    const TakeAnswer answer = w.ask(r, false, ticket);
    if (const auto* waiting = std::get_if<QueueWaiting>(&answer)) {
      ticket = waiting->ticket;
    } else if (const auto* taken = std::get_if<Taken>(&answer)) {
      got += taken->items.size();
      r = w.request(kMostTaken);
      ticket.clear();
    } else {
      break;
    }
  }
  CHECK(got == 600);
  CHECK(w.view().waiting == 0);
}

TEST_CASE(
    "what is seen first is taken first: leases that ended, priorities, delays that are over") {
  QueueWorld w(any_server());
  w.push({"a", "b", "c"});
  const auto a = w.take(2s), b = w.take();
  w.push({"due"}, with(kNormalPriority, 2s));
  w.push({"low"}, with(1));
  w.push({"high-due"}, with(8, 2s));
  w.push({"high"}, with(7));
  w.push({"lane"}, with(9, Duration::zero(), "w"));
  REQUIRE(w.wait_overdue(3));
  const Items order{"high-due", "high", "a", "c", "due", "low"};
  Items seen = payloads(w.loop.run(w.queue.next(100, w.patience())));
  REQUIRE(seen.size() == 7);
  CHECK(seen.back() == "lane");
  seen.pop_back();
  CHECK(seen == order);
  CHECK(payloads(w.loop.run(w.queue.next(2, w.patience()))) == Items{"high-due", "high"});
  CHECK(w.view().overdue == 3);  // looking moved nothing
  CHECK(w.drain() == order);
  CHECK(w.ack(b->receipt));
}

TEST_CASE(
    "a take that is run late, when some of its items are done, takes no receipt from the others") {
  QueueWorld w(any_server());
  w.push({"a", "b", "c", "d"});
  const TakeRequest r = w.request(2);
  const auto items = w.taken(r);
  REQUIRE(items.size() == 2);
  CHECK(w.ack(items[0].receipt));
  CHECK(std::holds_alternative<TakeGone>(w.ask(r)));
  CHECK(w.view().in_flight == 1);
  CHECK(w.ack(items[1].receipt));
  CHECK(w.drain() == Items{"c", "d"});
}

TEST_CASE("a take and what is given back are bounded, and so is what a push hands out") {
  QueueWorld w(any_server());
  std::vector<TakeRequest> line;
  for (int i = 0; i < 3; ++i) {
    line.push_back(w.request(200));
    REQUIRE(w.waiting(line.back()));
  }
  w.push(Items(600, "x"));
  const QueueView handed_out = w.view();
  CHECK(handed_out.in_flight == 250);
  CHECK(handed_out.ready == 350);
  CHECK(w.called(line[0]));
  CHECK(w.called(line[1]));
  CHECK(w.mail(line[2]) == "look 0");
  PushOptions o;
  o.priority = 9;
  CHECK_THROWS_AS(w.push(Items(251, "x"), o), Error);
  CHECK(w.push(Items(250, "x"), o).count == 250);
}

}  // namespace
}  // namespace dcoord::testing
