#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <map>
#include <random>

#include "base/error.h"
#include "base/token.h"
#include "output/encode.h"
#include "primitives/lock.h"
#include "primitives/state.h"
#include "redis/session.h"
#include "support/server.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using Why = StateRefused::Why;

std::string any_server() { return GENERATE(from_range(server_programs())); }

class StateWorld {
 public:
  explicit StateWorld(const std::string& program)
      : server(program),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        state(loop, *scripts, keys, "key") {}

  redis::Patience patience() { return {loop.now() + 20s, kNever}; }
  StateGuard guard(const std::string& fence = "") {
    StateGuard g;
    g.token = random_token();
    g.fence = fence;
    g.who.host = "host";
    return g;
  }
  StateAnswer set(const std::string& bytes, StateGuard g, Duration ttl = {}) {
    StateChange change;
    change.bytes = bytes;
    change.ttl = ttl;
    return change_it(change, std::move(g));
  }
  StateAnswer change_it(const StateChange& change, StateGuard g) {
    return loop.run(state.set(change, std::move(g), patience()));
  }
  StateAnswer remove() {
    StateChange change;
    change.deletes = true;
    return change_it(change, guard());
  }
  /// The version that was written; fails if it was refused.
  long long version(const StateAnswer& answer) {
    REQUIRE(std::holds_alternative<StateWritten>(answer));
    return std::stoll(std::get<StateWritten>(answer).version);
  }
  long long put(const std::string& bytes) { return version(set(bytes, guard())); }
  std::optional<Why> why(const StateAnswer& answer) {
    const auto* refused = std::get_if<StateRefused>(&answer);
    return refused == nullptr ? std::nullopt : std::optional(refused->why);
  }
  StateAnswer incr(long long by, std::optional<long long> least = {},
                   std::optional<long long> most = {}) {
    StateIncrement increment;
    increment.by = by;
    increment.least = least;
    increment.most = most;
    return loop.run(state.incr(increment, guard(), patience()));
  }
  std::string number(const StateAnswer& answer) {
    REQUIRE(std::holds_alternative<StateWritten>(answer));
    return std::get<StateWritten>(answer).number;
  }
  StateValue get() { return loop.run(state.get(patience())); }
  std::optional<StateValue> next(const std::string& known, const std::string& token,
                                 Duration limit = {}) {
    return loop.run(state.next(known, token, loop.now() + limit, patience()));
  }
  bool called(const std::string& token) {
    return !server.command({"LPOP", keys.mailbox("key", token)}).is_nil();
  }

  SystemClock clock;
  Loop loop{clock};
  Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  State state;
};

TEST_CASE("state: any bytes come back, with a version, a time and a writer") {
  StateWorld w(any_server());
  CHECK_FALSE(w.get().present);
  for (const std::string& bytes :
       {std::string(), std::string("a\0b\xff\n", 5), std::string(300000, 'x')}) {
    const long long version = w.put(bytes);
    const StateValue value = w.get();
    CHECK(value.present);
    CHECK(value.bytes == bytes);
    CHECK(value.version == std::to_string(version));
    CHECK(value.writer.host == "host");
    CHECK(value.at.count() > 1600000000000);
    CHECK_FALSE(value.left);
  }
}

TEST_CASE("state: versions rise over deletion, expiry and loss of all data") {
  StateWorld w(any_server());
  long long last = 0;
  const auto rises = [&](long long version) {
    CHECK(version > last);
    CHECK(version < 1LL << 53);
    last = version;
  };
  for (int i = 0; i < 50; ++i) rises(w.put("x"));
  rises(w.version(w.remove()));
  CHECK(w.why(w.remove()) == Why::absent);
  rises(w.put("y"));
  rises(w.version(w.set("z", w.guard(), 20ms)));
  REQUIRE(wait_until([&] { return !w.get().present; }));
  rises(std::stoll(w.get().version));
  CHECK(w.get().version == w.get().version);  // the same for all that look
  rises(w.put("y"));
  w.server.command({"FLUSHALL"});
  rises(w.put("y"));
}

TEST_CASE("state: conditions") {
  StateWorld w(any_server());
  StateChange absent, is_version, is_value;
  absent.if_absent = true;
  absent.bytes = is_version.bytes = is_value.bytes = "new";
  is_version.if_version = "0";
  is_value.if_value = "";
  CHECK(w.why(w.change_it(is_value, w.guard())) == Why::differs);
  const long long first = w.version(w.change_it(is_version, w.guard()));
  CHECK(w.why(w.change_it(is_version, w.guard())) == Why::version);
  CHECK(w.why(w.change_it(absent, w.guard())) == Why::exists);
  CHECK(std::get<StateRefused>(w.change_it(absent, w.guard())).version == std::to_string(first));
  is_version.if_version = std::to_string(first);
  const long long second = w.version(w.change_it(is_version, w.guard()));
  is_value.if_value = "old";
  CHECK(w.why(w.change_it(is_value, w.guard())) == Why::differs);
  is_value.if_value = "new";
  CHECK(w.version(w.change_it(is_value, w.guard())) > second);
  // One that was deleted and made again does not pass for the old one.
  REQUIRE(w.version(w.remove()) > second);
  CHECK(w.version(w.change_it(absent, w.guard())) > second);
  CHECK(w.why(w.change_it(is_version, w.guard())) == Why::version);
}

TEST_CASE("state: a request that is sent again is done once, whatever came meanwhile") {
  StateWorld w(any_server());
  const StateGuard g = w.guard();
  const long long version = w.version(w.set("a", g));
  for (int i = 0; i < 10; ++i) w.put("b");
  CHECK(w.version(w.set("a", g)) == version);
  CHECK(w.get().bytes == "b");
  w.set("7", w.guard());
  StateIncrement increment;
  const StateGuard once = w.guard();
  for (int i = 0; i < 3; ++i) {
    CHECK(w.number(w.loop.run(w.state.incr(increment, once, w.patience()))) == "8");
  }
  CHECK(w.get().bytes == "8");
}

TEST_CASE("state: a request that was refused does nothing when a copy of it comes late") {
  StateWorld w(any_server());
  StateChange fresh, gone, same;
  fresh.if_absent = true;
  fresh.bytes = same.bytes = "late";
  gone.deletes = true;
  same.if_value = "late";
  const StateGuard deleting = w.guard(), making = w.guard(), comparing = w.guard();
  // Nothing is known of the value yet; what is noted does not stay.
  CHECK(w.why(w.change_it(gone, deleting)) == Why::absent);
  CHECK(w.server.command({"PTTL", w.keys.state("key")}).number() > 0);
  w.put("a");
  CHECK(w.server.command({"PTTL", w.keys.state("key")}).number() == -1);
  CHECK(w.why(w.change_it(gone, deleting)) == Why::absent);
  CHECK(w.why(w.change_it(fresh, making)) == Why::exists);
  CHECK(w.why(w.change_it(same, comparing)) == Why::differs);
  w.put("late");
  CHECK(w.why(w.change_it(same, comparing)) == Why::differs);
  CHECK(w.get().bytes == "late");
  w.remove();
  CHECK(w.why(w.change_it(fresh, making)) == Why::exists);
  CHECK_FALSE(w.get().present);
  StateIncrement increment;
  increment.most = 0;
  const StateGuard adding = w.guard();
  CHECK(w.why(w.loop.run(w.state.incr(increment, adding, w.patience()))) == Why::bound);
  w.put("-5");
  CHECK(w.why(w.loop.run(w.state.incr(increment, adding, w.patience()))) == Why::bound);
  CHECK(w.get().bytes == "-5");
}

TEST_CASE("state: an outdated fencing token does not write, over deletion too") {
  StateWorld w(any_server());
  REQUIRE(w.version(w.set("a", w.guard("100"))) > 0);
  REQUIRE(w.version(w.set("b", w.guard("100"))) > 0);
  REQUIRE(w.version(w.set("c", w.guard("200"))) > 0);
  CHECK(w.why(w.set("late", w.guard("199"))) == Why::fenced);
  REQUIRE(w.version(w.remove()) > 0);
  CHECK(w.why(w.set("late", w.guard("199"))) == Why::fenced);
  CHECK(std::get<StateRefused>(w.set("late", w.guard("199"))).number == "200");
  CHECK_FALSE(w.get().present);
  REQUIRE(w.version(w.set("d", w.guard("9007199254740991"))) > 0);
  CHECK(w.why(w.set("late", w.guard("9007199254740990"))) == Why::fenced);
}

TEST_CASE("state: a write that needs a lock is refused without it") {
  StateWorld w(any_server());
  Lock lock(w.loop, *w.scripts, w.keys, "job");
  StateGuard g = w.guard();
  g.lock = "job";
  g.lock_token = random_token();
  const auto write = [&] {
    g.token = random_token();
    return w.why(w.set("a", g));
  };
  CHECK(write() == Why::unlocked);
  LockRequest request;
  request.token = g.lock_token;
  REQUIRE(
      std::holds_alternative<LockGranted>(w.loop.run(lock.ask(request, true, "", w.patience()))));
  CHECK_FALSE(write());
  LockRequest other = request;
  other.token = random_token();
  w.loop.run(lock.ask(other, true, "", w.patience()));
  g.lock_token = other.token;  // in line, not held
  CHECK(write() == Why::unlocked);
  w.loop.run(lock.release(request.token, {}, false, w.patience()));
  CHECK(write() == Why::unlocked);  // offered, not claimed
  REQUIRE(std::holds_alternative<LockGranted>(w.loop.run(lock.ask(other, true, "", w.patience()))));
  CHECK_FALSE(write());
  w.loop.run(lock.revoke(other.token, "", w.patience()));
  CHECK(write() == Why::unlocked);
}

TEST_CASE("state: numbers of 64 bits are added exactly, within bounds") {
  StateWorld w(any_server());
  CHECK(w.number(w.incr(5)) == "5");
  CHECK(w.number(w.incr(-7)) == "-2");
  CHECK(w.why(w.incr(-1, -2)) == Why::bound);
  CHECK(w.why(w.incr(13, {}, 10)) == Why::bound);
  CHECK(w.get().bytes == "-2");
  CHECK(w.number(w.incr(12, -2, 10)) == "10");
  w.put("9223372036854775806");
  CHECK(w.number(w.incr(1)) == "9223372036854775807");
  CHECK(w.why(w.incr(1)) == Why::overflow);
  CHECK(w.get().bytes == "9223372036854775807");
  CHECK(w.why(w.incr(-1, {}, 9223372036854775805)) == Why::bound);
  CHECK(w.number(w.incr(-1, {}, 9223372036854775806)) == "9223372036854775806");
  w.put("-9223372036854775808");
  CHECK(w.why(w.incr(-1)) == Why::overflow);
  CHECK(w.number(w.incr(1, -9223372036854775807)) == "-9223372036854775807");
  for (const char* text : {"", "x", "1.5", " 1", "9223372036854775808"}) {
    w.put(text);
    CHECK(w.why(w.incr(1)) == Why::no_integer);
    CHECK(w.get().bytes == text);
  }
  w.remove();
  CHECK(w.why(w.incr(1, 2)) == Why::bound);
  CHECK_FALSE(w.get().present);
  CHECK(w.number(w.incr(2, 2)) == "2");
}

TEST_CASE("state: an expired number begins anew; adding keeps the time to live") {
  StateWorld w(any_server());
  w.set("5", w.guard(), 60s);
  CHECK(w.number(w.incr(1)) == "6");
  CHECK(w.get().left);
  w.set("5", w.guard(), 20ms);
  REQUIRE(wait_until([&] { return !w.get().present; }));
  CHECK(w.number(w.incr(1)) == "1");
  CHECK_FALSE(w.get().left);
  CHECK(w.server.command({"PTTL", w.keys.state("key")}).number() == -1);
}

TEST_CASE("state: whoever watches is called with each change and sees the newest") {
  StateWorld w(any_server());
  const std::string token = random_token();
  CHECK_FALSE(w.next("0", token));
  const long long first = w.put("a");
  CHECK(w.called(token));
  const auto seen = w.next("0", token);
  REQUIRE(seen);
  CHECK(seen->version == std::to_string(first));
  w.put("b");  // nobody is registered: it is found by its version
  w.put("c");
  CHECK_FALSE(w.called(token));
  const auto newest = w.next(seen->version, token);
  REQUIRE(newest);
  CHECK(newest->bytes == "c");
  CHECK(newest->changes - seen->changes == 2);
  CHECK_FALSE(w.next(newest->version, token));
  w.remove();
  CHECK(w.called(token));
  const auto deleted = w.next(newest->version, token);
  REQUIRE(deleted);
  CHECK_FALSE(deleted->present);
  w.server.command({"FLUSHALL"});
  const auto lost = w.next(deleted->version, token);
  REQUIRE(lost);
  CHECK(lost->version == "0");
}

TEST_CASE("state: whoever watches sees a value expire") {
  StateWorld w(any_server());
  const long long version = w.version(w.set("a", w.guard(), 100ms));
  const auto gone = w.next(std::to_string(version), random_token(), 20s);
  REQUIRE(gone);
  CHECK_FALSE(gone->present);
  CHECK(std::stoll(gone->version) > version);
}

TEST_CASE("state: five hundred that watch are all called, 200 a script") {
  StateWorld w(any_server());
  std::vector<std::string> tokens;
  for (int i = 0; i < 500; ++i) {
    tokens.push_back(random_token());
    REQUIRE_FALSE(w.next("0", tokens.back()));
  }
  w.put("a");
  const auto called = [&] {
    int count = 0;
    for (const auto& token : tokens)
      count += w.server.command({"EXISTS", w.keys.mailbox("key", token)}).number() == 1;
    return count;
  };
  CHECK(called() == 200);
  REQUIRE(w.next("0", random_token()));
  CHECK(called() == 400);
  REQUIRE(w.next("0", random_token()));
  CHECK(called() == 500);
}

TEST_CASE("state: values are listed by prefix, those that are gone are not") {
  StateWorld w(any_server());
  for (const char* name : {"b/2", "b/1", "c"}) {
    State other(w.loop, *w.scripts, w.keys, name);
    StateChange change;
    change.bytes = name;
    w.version(w.loop.run(other.set(change, w.guard(), w.patience())));
  }
  auto values = w.loop.run(list_values(*w.scripts, w.keys, "b/", true, w.patience()));
  REQUIRE(values.size() == 2);
  CHECK(values[0].bytes == "b/1");
  CHECK(values[1].name == "b/2");
  values = w.loop.run(list_values(*w.scripts, w.keys, "", false, w.patience()));
  REQUIRE(values.size() == 3);
  CHECK(values[0].bytes.empty());
  StateChange deletion;
  deletion.deletes = true;
  State other(w.loop, *w.scripts, w.keys, "c");
  w.version(w.loop.run(other.set(deletion, w.guard(), w.patience())));
  CHECK(w.loop.run(list_values(*w.scripts, w.keys, "", false, w.patience())).size() == 2);
}

TEST_CASE("state: all of a bucket with more values than one call asks for, and of many buckets") {
  StateWorld w(any_server());
  std::map<std::string, long long> expected, found;  // versions by name
  std::string bucket;
  for (int i = 0; expected.size() < 351; ++i) {
    const std::string name = std::to_string(i);
    const std::string at = w.keys.index_of(name, "state");
    if (bucket.empty()) bucket = at;
    if (i >= 300 && at != bucket) continue;  // 51 more of the first one's bucket
    State value(w.loop, *w.scripts, w.keys, name);
    StateChange change;
    change.bytes = "of " + name;
    expected[name] = w.version(w.loop.run(value.set(change, w.guard(), w.patience())));
  }
  for (const bool bytes : {false, true}) {
    const auto values = w.loop.run(list_values(*w.scripts, w.keys, "", bytes, w.patience()));
    found.clear();
    for (const auto& value : values) {
      found[value.name] = value.version;
      CHECK(value.bytes == (bytes ? "of " + value.name : ""));
    }
    CHECK(values.size() == expected.size());
    CHECK(found == expected);
  }
}

TEST_CASE("state: random writes agree with a model") {
  const std::string program = any_server();
  const unsigned seed = GENERATE(1u, 2u, 3u);
  CAPTURE(program, seed);
  StateWorld w(program);
  std::mt19937 random(seed);
  const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  std::optional<std::string> model;
  std::string version = "0", watched = "0";
  const std::string watcher = random_token();
  long long last = 0;
  for (int step = 0; step < 500; ++step) {
    CAPTURE(step);
    StateChange change;
    change.bytes = std::to_string(pick(20));
    StateAnswer answer = StateRefused{Why::absent, "", ""};
    std::optional<std::string> after = model;
    bool allowed = true;
    switch (pick(6)) {
      case 0:
        after = change.bytes;
        answer = w.change_it(change, w.guard());
        break;
      case 1:
        change.deletes = true;
        allowed = model.has_value();
        after.reset();
        answer = w.change_it(change, w.guard());
        break;
      case 2:
        change.if_absent = true;
        allowed = !model;
        after = change.bytes;
        answer = w.change_it(change, w.guard());
        break;
      case 3:
        change.if_version = pick(2) == 0 ? version : "1";
        allowed = change.if_version == version;
        after = change.bytes;
        answer = w.change_it(change, w.guard());
        break;
      case 4:
        change.if_value = std::to_string(pick(20));
        allowed = model == change.if_value;
        after = change.bytes;
        answer = w.change_it(change, w.guard());
        break;
      case 5: {
        const long long sum = std::stoll(model.value_or("0")) + pick(9) - 4;
        const long long by = sum - std::stoll(model.value_or("0"));
        allowed = sum >= 0 && sum <= 25;
        after = std::to_string(sum);
        answer = w.incr(by, 0, 25);
        break;
      }
    }
    REQUIRE(std::holds_alternative<StateWritten>(answer) == allowed);
    if (allowed) {
      model = after;
      REQUIRE(w.version(answer) > last);
      last = w.version(answer);
      version = model ? std::to_string(last) : "0";
    }
    const StateValue value = w.get();
    REQUIRE(value.present == model.has_value());
    if (model) REQUIRE(value.bytes == *model);
    if (pick(4) == 0) {
      const auto seen = w.next(watched, watcher);
      REQUIRE(seen.has_value() == (watched != value.version));
      if (seen) watched = seen->version;
    }
  }
}

TEST_CASE("state: JSON is merged as RFC 7396 says, and what is none is refused") {
  CHECK(output::merge_json("", R"({"a":{"b":null,"c":1}})") == R"({"a":{"c":1}})");
  CHECK(output::merge_json(R"({"z":1,"a":{"b":2}})", R"({"a":{"b":null},"n":[1]})") ==
        R"({"z":1,"a":{},"n":[1]})");
  CHECK_THROWS_AS(output::merge_json("{", "{}"), Error);
  CHECK_THROWS_AS(output::merge_json("{}", "x"), Error);
  CHECK_THROWS_AS(output::merge_json("{}", std::string(5000, '[') + std::string(5000, ']')), Error);
}

}  // namespace
}  // namespace dcoord::testing
