#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <functional>
#include <memory>

#include "base/error.h"
#include "base/token.h"
#include "primitives/event.h"
#include "primitives/event_group.h"
#include "redis/session.h"
#include "support/server.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using What = Published::What;
using Fate = TopicGroup::Fate;

std::string any_server() { return GENERATE(from_range(server_programs())); }

class EventWorld {
 public:
  explicit EventWorld(const std::string& program)
      : server(program),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        topic(*scripts, keys, "topic"),
        group(*scripts, keys, "topic", "group") {}

  redis::Patience patience() { return {loop.now() + 20s, kNever}; }
  Published publish(std::vector<std::string> events, EventKeep keep = {},
                    const std::string& producer = random_token(), long long position = 0,
                    bool follows = true) {
    std::vector<PublishBatch> batches(1);
    batches[0] = {position, follows, std::move(events)};
    return loop.run(topic.publish(producer, "who", keep, std::move(batches), patience())).at(0);
  }
  std::vector<std::string> data(const std::vector<TopicEvent>& events) {
    std::vector<std::string> all;
    for (const TopicEvent& event : events) all.push_back(event.data);
    return all;
  }
  ReadAnswer read(EventId after, int most = kMostRead) {
    return loop.run(read_topics(*scripts, keys, {{"topic", after, most}}, patience())).at(0);
  }
  std::vector<TopicEvent> events(EventId after = {}, int most = kMostRead) {
    const ReadAnswer answer = read(after, most);
    REQUIRE(std::holds_alternative<EventsRead>(answer));
    return std::get<EventsRead>(answer).events;
  }
  EventId begin(const std::string& since) {
    return loop.run(begin_topics(*scripts, keys, {"topic"}, since, patience())).at(0);
  }

  EventTake request(int count = 1) {
    EventTake r;
    r.token = random_token();
    r.count = count;
    r.since = "start";
    r.member = "member";
    return r;
  }
  EventTakeAnswer ask(const EventTake& r) { return loop.run(group.take(r, patience())); }
  std::vector<GroupEvent> taken(const EventTake& r) {
    const EventTakeAnswer answer = ask(r);
    const auto* const taken = std::get_if<EventsTaken>(&answer);
    return taken == nullptr ? std::vector<GroupEvent>() : taken->events;
  }
  EventsNone none(const EventTake& r) {
    const EventTakeAnswer answer = ask(r);
    REQUIRE(std::holds_alternative<EventsNone>(answer));
    return std::get<EventsNone>(answer);
  }
  long long settle(const std::string& receipt, Fate fate, Duration delay = {},
                   const std::string& id = random_token()) {
    return loop.run(group.settle(id, {receipt}, fate, delay, patience()));
  }
  GroupView view() { return loop.run(group.show(patience())); }

  SystemClock clock;
  Loop loop{clock};
  Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  Topic topic;
  TopicGroup group;
};

TEST_CASE("event: published in order, each position once, under ids whose numbers have no gap") {
  EventWorld w(any_server());
  const std::string producer = random_token();
  const Published first = w.publish({"a", std::string("b\0\xff", 3)}, {}, producer);
  CHECK(first.what == What::published);
  CHECK(first.new_topic);
  CHECK(first.first.number == 1);
  CHECK(first.first.ms > 1600000000000);
  const Published again = w.publish({"a", std::string("b\0\xff", 3)}, {}, producer);
  CHECK(again.what == What::again);
  CHECK(again.first == first.first);
  CHECK(again.count == 2);
  // Batches with other bounds.
  const Published overlap = w.publish({"b", "c"}, {}, producer, 1);
  CHECK(overlap.what == What::published);
  CHECK(overlap.first.number == 3);
  CHECK(overlap.count == 1);
  CHECK(w.publish({"a"}, {}, producer).first == EventId());  // known, but not under which id
  CHECK(w.publish({"x"}, {}, producer, 7, false).what == What::gap);
  CHECK(w.publish({"x"}, {}, random_token(), 1, false).what == What::gap);
  const auto events = w.events();
  CHECK(w.data(events) == std::vector<std::string>{"a", std::string("b\0\xff", 3), "c"});
  CHECK(events[2].publisher == "who");
  CHECK(events[2].id.number == 3);
  CHECK_FALSE(w.publish({"d"}).new_topic);
  CHECK(w.server.command({"XLEN", w.keys.event_news()}).number() == 1);
}

TEST_CASE("event: a topic keeps as many as it was told, and the numbers tell what is gone") {
  EventWorld w(any_server());
  for (int i = 1; i <= 10; ++i) w.publish({std::to_string(i)});
  EventKeep few, inf, brief;
  few.count = 4;
  few.age = Duration::zero();
  w.publish({"11"}, few);
  CHECK(w.events().front().id.number == 8);
  w.publish({"12"});
  CHECK(w.events().size() == 4);
  inf.count = 0;
  inf.age = Duration::zero();
  w.publish({"13"}, inf);
  w.publish({"14"});
  CHECK(w.events().size() == 6);
  brief.count = 0;
  brief.age = 3600s;
  w.publish({"15"}, brief);
  CHECK(w.server.command({"PTTL", w.topic.stream()}).number() > 3500000);
  w.publish({"16"}, inf);
  CHECK(w.server.command({"PTTL", w.topic.stream()}).number() == -1);
  const TopicView view = w.loop.run(w.topic.show(w.patience()));
  CHECK(view.kept == 8);
  CHECK(view.last.number == 16);
  CHECK(view.first_id == w.events().front().id.text());
}

TEST_CASE("event: read on from any place; where to begin") {
  EventWorld w(any_server());
  CHECK(w.begin("now") == EventId());
  CHECK(w.begin("start") == EventId());
  CHECK(w.events().empty());
  w.publish({"a", "b", "c", "d"});
  const auto all = w.events();
  CHECK(w.data(w.events(all[1].id)) == std::vector<std::string>{"c", "d"});
  CHECK(w.events({}, 2).size() == 2);
  CHECK(std::get<EventsRead>(w.read({}, 2)).more);
  CHECK_FALSE(std::get<EventsRead>(w.read({}, 10)).more);
  CHECK(w.begin("now") == all[3].id);
  CHECK(w.events(w.begin("start")).size() == 4);
  CHECK(w.events(w.begin("back 60000")).size() == 4);
  CHECK(w.events(w.begin("at 99999999999999")).empty());
  CHECK(w.events(w.begin(all[2].id.text())).size() == 1);
  // Large ones come in pieces.
  w.publish(std::vector<std::string>(30, std::string(100000, 'x')));
  const auto part = std::get<EventsRead>(w.read(all[3].id));
  CHECK(part.events.size() < 30);
  CHECK(part.more);
  // What is older than what one knows is of another life of the topic.
  w.server.command({"FLUSHALL"});
  CHECK(std::get<TopicAnew>(w.read(all[1].id)).last == EventId());
}

TEST_CASE(
    "event: a group gives each event to one, again to the same request, and in the end to none") {
  EventWorld w(any_server());
  w.publish({"a", "b", "c"});
  const EventTake first = w.request(2);
  const auto items = w.taken(first);
  REQUIRE(items.size() == 2);
  CHECK(items[0].event.data == "a");
  CHECK(items[0].attempt == 1);
  const auto again = w.taken(first);
  REQUIRE(again.size() == 2);
  CHECK(again[1].receipt == items[1].receipt);
  EventTake next = w.request(5);
  next.done = {items[0].receipt, items[1].receipt};
  CHECK(w.taken(next).size() == 1);
  const EventsNone rest = w.none(w.request());
  CHECK(rest.last == w.events().back().id);
  CHECK(rest.look_again > 0s);
  CHECK(rest.look_again <= 10s);
  const GroupView view = w.view();
  CHECK(view.handled == 2);
  CHECK(view.in_flight == 1);
  CHECK(view.lag == 0);
  CHECK(view.members.at(0).name == "member");
  CHECK(w.settle(next.token, Fate::done) == 1);
  CHECK(w.settle(next.token, Fate::done) == 0);
  CHECK(w.view().in_flight == 0);
}

TEST_CASE("event: of the dead it is taken, after a pause what failed, and given up in the end") {
  EventWorld w(any_server());
  w.publish({"a"});
  EventTake brief = w.request();
  brief.lease = 50ms;
  const auto item = w.taken(brief);
  REQUIRE(item.size() == 1);
  std::vector<GroupEvent> second;
  REQUIRE(wait_until([&] { return !(second = w.taken(w.request())).empty(); }));
  CHECK(second[0].attempt == 2);
  CHECK(w.settle(item[0].receipt, Fate::done) == 0);  // it is another's by now
  const std::string request = random_token();
  CHECK(w.settle(second[0].receipt, Fate::retry, 0s, request) == 1);
  CHECK(w.settle(second[0].receipt, Fate::retry, 0s, request) == -1);
  const auto third = w.taken(w.request());
  REQUIRE(third.size() == 1);
  CHECK(third[0].attempt == 3);
  CHECK(w.settle(third[0].receipt, Fate::untried) == 1);
  const auto same = w.taken(w.request());
  REQUIRE(same.size() == 1);
  CHECK(same[0].attempt == 3);
  CHECK(w.settle(same[0].receipt, Fate::retry, 3600s) == 1);
  const EventsNone paused = w.none(w.request());
  CHECK(paused.look_again == 10s);
  CHECK(w.view().waiting == 1);
  w.publish({"b"});
  const auto other = w.taken(w.request());
  REQUIRE(other.size() == 1);
  CHECK(w.settle(other[0].receipt, Fate::retry) == 1);
  EventTake strict = w.request();
  strict.max_attempts = 1;
  CHECK(w.none(strict).notes.given_up == 1);
  CHECK(w.view().given_up == 1);
}

TEST_CASE("event: a lease is raised while it lasts") {
  EventWorld w(any_server());
  w.publish({"a"});
  EventTake brief = w.request();
  brief.lease = 300ms;
  const auto item = w.taken(brief);
  REQUIRE(item.size() == 1);
  const auto extend = [&] {
    return w.loop.run(w.group.extend({item[0].receipt}, 3600s, w.patience())).ends.at(0);
  };
  REQUIRE(extend());
  CHECK(w.none(w.request()).look_again == 10s);
  CHECK(w.settle(item[0].receipt, Fate::done) == 1);
  CHECK_FALSE(extend());
}

TEST_CASE("event: a member that is started again takes back what it had") {
  EventWorld w(any_server());
  w.publish({"a", "b"});
  EventTake mine = w.request();
  EventTake others = w.request();
  others.member = "other";
  REQUIRE(w.taken(mine).size() == 1);
  REQUIRE(w.taken(others).size() == 1);
  EventTake back = w.request(5);
  back.take_back = true;
  const auto items = w.taken(back);
  REQUIRE(items.size() == 1);
  CHECK(items[0].event.data == "a");
  CHECK(items[0].attempt == 2);
}

TEST_CASE("event: what a group missed is counted, also of what it had in flight") {
  EventWorld w(any_server());
  EventKeep few;
  few.count = 2;
  few.age = Duration::zero();
  w.publish({"a", "b", "c", "d", "e"});
  EventTake brief = w.request();
  brief.lease = 50ms;
  REQUIRE(w.taken(brief).size() == 1);
  w.publish({"f"}, few);  // keeps e and f
  EventsTaken taken;
  REQUIRE(wait_until([&] {
    const EventTakeAnswer answer = w.ask(w.request(5));
    if (const auto* got = std::get_if<EventsTaken>(&answer)) taken = *got;
    return !taken.events.empty() && w.view().missed == 4;
  }));
  CHECK(taken.events.back().event.data == "f");
}

TEST_CASE("event: a look takes nothing; a group begins where its first member says") {
  EventWorld w(any_server());
  w.publish({"a"});
  EventTake now = w.request();
  now.since = "now";
  w.none(now);
  CHECK(w.view().lag == 0);
  w.publish({"b"});
  const auto look = [&] {
    return w.loop.run(
        look_at_groups(*w.scripts, w.keys, {"topic", "none"}, "group", w.request(), w.patience()));
  };
  CHECK(std::holds_alternative<EventsReady>(look()[0]));
  CHECK(std::holds_alternative<EventsNone>(look()[1]));
  CHECK(w.view().lag == 1);
  CHECK(w.taken(w.request()).size() == 1);
  CHECK(std::holds_alternative<EventsNone>(look()[0]));
  const auto begin = [&](const std::string& since) {
    return w.loop.run(group_beginning(*w.scripts, w.keys, "g", "p*", since, w.patience()));
  };
  const long long began = begin("back 1000");
  CHECK(began > 1600000000000);
  CHECK(begin("start") == began);
}

TEST_CASE("event: topics are listed with their groups, and forgotten") {
  EventWorld w(any_server());
  w.publish({"a"});
  w.taken(w.request());
  Topic other(*w.scripts, w.keys, "other");
  w.loop.run(other.publish(random_token(), "who", {}, {{0, true, {"x"}}}, w.patience()));
  auto topics = w.loop.run(list_topics(*w.scripts, w.keys, w.patience()));
  REQUIRE(topics.size() == 2);
  CHECK(topics[1].groups == std::vector<std::string>{"group"});
  CHECK(w.loop.run(topic_names(*w.scripts, w.keys, w.patience())).size() == 2);
  CHECK(w.loop.run(w.group.forget(w.patience())));
  CHECK_FALSE(w.view().exists);
  CHECK(w.loop.run(w.topic.forget(w.patience())));
  CHECK_FALSE(w.loop.run(w.topic.forget(w.patience())));
  CHECK(w.loop.run(other.forget(w.patience())));
  w.server.command({"DEL", w.keys.event_news()});
  CHECK(w.server.command({"DBSIZE"}).number() == 0);
}

TEST_CASE("event: another layout is refused") {
  EventWorld w(any_server());
  w.publish({"a"});
  w.server.command({"HSET", w.keys.event_part("topic", "t"), "t", "\x7fx"});
  for (const auto& act : std::vector<std::function<void()>>{
           [&] { w.publish({"b"}); }, [&] { w.events(); }, [&] { w.begin("now"); },
           [&] { w.taken(w.request()); }, [&] { w.loop.run(w.topic.show(w.patience())); }}) {
    try {
      act();
      FAIL("it was not refused");
    } catch (const Error& error) {
      CHECK(error.kind() == "layout");
    }
  }
}

}  // namespace
}  // namespace dcoord::testing
