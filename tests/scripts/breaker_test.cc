#include "primitives/breaker.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "base/error.h"
#include "support/breaker_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using Outcome = BreakerOutcome;
using State = BreakerState;
using Why = BreakerWhy;

std::string any_server() { return GENERATE(from_range(server_programs())); }

TEST_CASE("breaker: opens at exactly the threshold, and tells when the next may try") {
  BreakerWorld w(any_server());
  CHECK_FALSE(w.view().known);
  w.succeed();
  w.fail(2);
  CHECK(w.state() == State::closed);
  const auto third = w.ask();
  REQUIRE(third.allowed());
  const auto told = w.tell(third, Outcome::failure, "ci7");
  CHECK(told.counted);
  CHECK(told.changed);
  CHECK(told.view.state == State::open);
  CHECK(told.view.why == Why::failures);
  CHECK(told.view.failures == 3);
  CHECK(told.view.calls == 4);
  CHECK(told.view.who.host == "ci7");
  const auto refused = w.ask();
  REQUIRE(refused.refused());
  CHECK(refused.answer.view.next_try == Millis(10000));
  CHECK(refused.answer.view.failures == 3);
}

TEST_CASE("breaker: a failure counts until its bucket leaves the window, to the millisecond") {
  BreakerWorld w(any_server());
  w.wanted.settings.failures = 2;
  const Millis start = w.time.now();
  w.time.advance(999ms);  // the last of the first bucket
  w.fail();
  w.time.set(start + 19999ms);
  CHECK(w.view().window_failures == 1);
  CHECK(w.view().reporter_count == 1);
  SECTION("still in it") {
    w.fail();
    CHECK(w.state() == State::open);
  }
  SECTION("out of it") {
    w.time.set(start + 20000ms);
    CHECK(w.view().window_failures == 0);
    CHECK(w.view().reporter_count == 0);
    w.fail();
    CHECK(w.state() == State::closed);
  }
}

TEST_CASE("breaker: the window has at most twenty buckets, each of which leaves it whole") {
  BreakerWorld w(any_server());
  w.wanted.settings.failures = 0;
  for (int i = 1; i <= 100; ++i) {
    w.fail();
    w.succeed();
    const BreakerView view = w.view();
    CHECK(view.window_failures == std::min(i, 20));
    CHECK(view.window_calls == 2 * std::min(i, 20));
    const redis::Reply window = w.server.command({"HGET", w.keys.breaker("api"), "w"});
    CHECK(window.text().size() <= 20 * 16);
    w.time.advance(1s);
  }
  CHECK(w.view().all_failures == 100);
  CHECK(w.state() == State::closed);  // its number does not open it
}

TEST_CASE("breaker: a probe at the very moment the recovery time-out is over; it closes it") {
  BreakerWorld w(any_server());
  w.fail(3);
  w.time.advance(9999ms);
  CHECK(w.ask().answer.view.next_try == Millis(1));
  CHECK(w.state() == State::open);
  w.time.advance(1ms);
  CHECK(w.state() == State::half_open);  // as anybody who asks will see
  const auto probe = w.ask();
  REQUIRE(probe.probes());
  const auto other = w.ask();
  REQUIRE(other.refused());
  CHECK(other.answer.view.state == State::half_open);
  CHECK(other.answer.view.next_try == Millis(5000));  // the lease of the permit
  CHECK(w.view().probes_out == 1);
  const auto told = w.tell(probe, Outcome::success);
  CHECK(told.changed);
  CHECK(told.view.state == State::closed);
  CHECK(told.view.why == Why::recovered);
  CHECK(w.ask().allowed());
  w.fail(2);  // what was before it opened is forgotten
  CHECK(w.state() == State::closed);
}

TEST_CASE("breaker: a probe that never returns frees its permit; a late result still decides") {
  BreakerWorld w(any_server());
  w.fail(3);
  w.time.advance(10s);
  const auto lost = w.ask();
  REQUIRE(lost.probes());
  w.time.advance(4999ms);
  CHECK(w.ask().refused());
  w.time.advance(1ms);
  const auto second = w.ask();
  REQUIRE(second.probes());
  CHECK(w.ask().refused());
  SECTION("it closes it, and the other's result is of an earlier epoch") {
    CHECK(w.tell(lost, Outcome::success).changed);
    CHECK(w.state() == State::closed);
    CHECK_FALSE(w.tell(second, Outcome::failure).counted);
  }
  SECTION("it opens it") {
    CHECK(w.tell(lost, Outcome::failure).view.state == State::open);
    CHECK_FALSE(w.tell(second, Outcome::success).counted);
    CHECK(w.state() == State::open);
  }
}

TEST_CASE("breaker: N probes at a time, all of which have to succeed") {
  BreakerWorld w(any_server());
  w.wanted.settings.probes = 3;
  w.fail(3);
  w.time.advance(10s);
  const auto a = w.ask(), b = w.ask(), c = w.ask();
  REQUIRE((a.probes() && b.probes() && c.probes()));
  CHECK(w.ask().refused());
  CHECK_FALSE(w.tell(a, Outcome::success).changed);
  CHECK(w.ask().refused());  // three in all: two are out, one has succeeded
  CHECK(w.view().probes_succeeded == 1);
  SECTION("one that does not count makes room for another") {
    CHECK(w.tell(b, Outcome::ignored).counted);
    const auto d = w.ask();
    REQUIRE(d.probes());
    CHECK_FALSE(w.tell(c, Outcome::success).changed);
    CHECK(w.tell(d, Outcome::success).changed);
    CHECK(w.state() == State::closed);
  }
  SECTION("one failure opens it again") {
    CHECK(w.tell(b, Outcome::failure).changed);
    CHECK(w.view().why == Why::probe_failed);
    CHECK_FALSE(w.tell(c, Outcome::success).counted);
    CHECK(w.state() == State::open);
  }
}

TEST_CASE("breaker: the recovery time-out doubles up to its maximum, until there was a rest") {
  BreakerWorld w(any_server());
  w.fail(3);
  for (const auto wait : {10s, 20s, 40s, 80s, 80s}) {
    CHECK(w.view().next_try == Millis(wait));
    w.time.advance(wait - 1ms);
    CHECK(w.ask().refused());
    w.time.advance(1ms);
    const auto probe = w.ask();
    REQUIRE(probe.probes());
    w.tell(probe, Outcome::failure);
  }
  w.time.advance(80s);
  REQUIRE(w.succeed());
  REQUIRE(w.state() == State::closed);
  SECTION("closed for less than a window is none") {
    w.time.advance(19999ms);
    w.fail(3);
    CHECK(w.view().next_try == Millis(80s));
  }
  SECTION("closed for a window is one") {
    w.time.advance(20s);
    w.fail(3);
    CHECK(w.view().next_try == Millis(10s));
  }
  SECTION("an operator's reset is one") {
    w.loop.run(w.breaker.reset(random_token(), {}, w.patience()));
    w.fail(3);
    CHECK(w.view().next_try == Millis(10s));
  }
}

TEST_CASE("breaker: results of an earlier epoch do not count, also after loss of all data") {
  BreakerWorld w(any_server());
  const auto old = w.ask();
  w.fail(3);
  CHECK_FALSE(w.tell(old, Outcome::failure).counted);
  w.time.advance(10s);
  const auto probe = w.ask();
  CHECK_FALSE(w.tell(old, Outcome::success).counted);  // it is no probe
  REQUIRE(w.state() == State::half_open);
  CHECK(w.tell(probe, Outcome::success).counted);
  CHECK_FALSE(w.tell(old, Outcome::failure).counted);
  const auto before = w.ask();
  w.server.command({"FLUSHALL"});
  w.time.advance(1ms);
  CHECK_FALSE(w.tell(before, Outcome::failure).counted);
  CHECK_FALSE(w.view().known);
  CHECK(w.fail());
}

TEST_CASE("breaker: a failure rate opens it when there are enough calls") {
  BreakerWorld w(any_server());
  w.wanted.settings.failures = 0;
  w.wanted.settings.rate = 50;
  w.wanted.settings.min_calls = 10;
  w.fail(5);
  for (int i = 0; i < 4; ++i) w.succeed();
  CHECK(w.state() == State::closed);
  SECTION("exactly that rate; a success may be the call that makes them enough") {
    w.succeed();
    CHECK(w.state() == State::open);
    CHECK(w.view().why == Why::rate);
    CHECK(w.view().calls == 10);
  }
  SECTION("less than that, and then again that") {
    w.time.advance(20s);
    for (int i = 0; i < 6; ++i) w.succeed();
    w.fail(5);
    CHECK(w.state() == State::closed);
    w.fail();
    CHECK(w.state() == State::open);
  }
}

TEST_CASE("breaker: one sick host does not open it for all") {
  BreakerWorld w(any_server());
  w.wanted.settings.reporters = 2;
  for (int i = 0; i < 10; ++i) w.call(Outcome::failure, "sick");
  CHECK(w.state() == State::closed);
  CHECK(w.view().reporters.size() == 1);
  SECTION("a second one does") {
    w.call(Outcome::failure, "other");
    CHECK(w.state() == State::open);
    REQUIRE(w.view().reporters.size() == 2);
    CHECK(w.view().reporter_count == 2);
  }
  SECTION("one whose failure is too long ago is none") {
    w.time.advance(20s);
    w.call(Outcome::failure, "other");
    w.call(Outcome::failure, "other");
    w.call(Outcome::failure, "other");
    CHECK(w.state() == State::closed);
  }
}

TEST_CASE("breaker: settings are those of the first use until they are reconfigured") {
  BreakerWorld w(any_server());
  w.succeed();
  w.wanted.settings.failures = 2;
  w.wanted.settings.probes = 7;
  CHECK(w.ask().answer.view.settings.failures == 3);
  w.fail(2);
  CHECK(w.state() == State::closed);
  w.wanted.reconfigure = true;
  w.wanted.given = "10000000";
  CHECK(w.ask().answer.view.settings.failures == 2);
  w.wanted.reconfigure = false;
  CHECK(w.view().settings.failures == 2);
  CHECK(w.view().settings.probes == 1);  // was not asked for
  CHECK(w.view().window_failures == 2);
  w.fail();
  CHECK(w.state() == State::open);
}

TEST_CASE("breaker: another sampling duration begins a new window") {
  BreakerWorld w(any_server());
  w.fail(2);
  w.wanted.reconfigure = true;
  w.wanted.given = "00010000";
  w.wanted.settings.window = 40s;
  w.fail();
  CHECK(w.view().window_failures == 1);
  CHECK(w.view().settings.window == 40s);
  w.fail();  // says the same again, which changes nothing
  CHECK(w.view().window_failures == 2);
  w.fail();
  CHECK(w.state() == State::open);
}

TEST_CASE("breaker: asked or told again after a lost reply, it is the same once") {
  BreakerWorld w(any_server());
  const auto call = w.ask();
  CHECK(w.ask(call.token).answer.epoch == call.answer.epoch);
  for (int i = 0; i < 5; ++i) CHECK(w.tell(call, Outcome::failure).counted);
  CHECK(w.view().window_failures == 1);
  w.fail();
  const auto third = w.ask();
  for (int i = 0; i < 3; ++i) {
    const auto told = w.tell(third, Outcome::failure);
    CHECK(told.counted);
    CHECK(told.changed);
    CHECK(told.view.state == State::open);
  }
  CHECK(w.view().opened == 1);
  w.time.advance(10s);
  const auto probe = w.ask();
  REQUIRE(probe.probes());
  const std::string stored = w.stored();
  CHECK(w.ask(probe.token).probes());
  CHECK(w.ask(probe.token).answer.epoch == probe.answer.epoch);
  CHECK(w.stored() == stored);
  for (int i = 0; i < 2; ++i) CHECK(w.tell(probe, Outcome::success).changed);
  CHECK(w.view().all_calls == 4);
}

TEST_CASE("breaker: a call that nobody asked for counts while it is closed") {
  BreakerWorld w(any_server());
  for (int i = 0; i < 3; ++i) CHECK(w.tell(random_token(), "", Outcome::failure).counted);
  CHECK(w.state() == State::open);
  CHECK_FALSE(w.tell(random_token(), "", Outcome::success).counted);
  w.time.advance(10s);
  CHECK_FALSE(w.tell(random_token(), "", Outcome::success).counted);
  const auto probe = w.ask();
  CHECK_FALSE(w.tell(random_token(), "", Outcome::success).counted);
  REQUIRE(w.ask().refused());
  // One that was interrupted before it had its answer gives its permit back.
  CHECK(w.tell(probe.token, "", Outcome::ignored).counted);
  CHECK(w.ask().probes());
}

TEST_CASE("breaker: what an operator does") {
  BreakerWorld w(any_server());
  Holder who;
  who.host = "ops";
  const auto reset = [&] { return w.loop.run(w.breaker.reset(random_token(), who, w.patience())); };
  const auto trip = [&](const std::string& token = random_token()) {
    return w.loop.run(w.breaker.trip(token, who, w.patience()));
  };
  const auto hold = [&](Duration length) {
    return w.loop.run(w.breaker.hold_open(random_token(), length, who, w.patience()));
  };
  const auto ttl = [&] { return w.server.command({"PTTL", w.keys.breaker("api")}).number(); };
  CHECK_FALSE(reset().known);
  CHECK(w.stored().empty());

  const std::string token = random_token();
  CHECK(trip(token).state == State::open);
  CHECK(w.view().why == Why::tripped);
  CHECK(w.view().who.host == "ops");
  w.time.advance(1s);
  const std::string stored = w.stored();
  trip(token);  // its reply was lost
  CHECK(w.stored() == stored);
  const auto refused = w.ask();
  REQUIRE(refused.refused());
  CHECK(refused.answer.view.settings.recovery == 10s);  // the trip has stored no settings
  CHECK(reset().state == State::closed);
  w.fail(2);
  reset();
  w.fail(2);
  CHECK(w.state() == State::closed);

  hold(1h);
  w.time.advance(1h - 1ms);
  CHECK(w.ask().refused());
  w.time.advance(1ms);
  CHECK(w.ask().probes());
  hold(1h);
  trip();
  CHECK(w.view().next_try == Millis(1h));  // a trip does not shorten it
  hold(kForever);
  CHECK_FALSE(w.view().next_try);
  CHECK(ttl() == -1);
  w.time.advance(24h * 400);
  CHECK(w.ask().refused());
  reset();
  CHECK(w.ask().allowed());
  CHECK(ttl() > 0);
}

TEST_CASE("breaker: one that is not used is forgotten after a month, not while it is in use") {
  BreakerWorld w(any_server());
  for (int day = 0; day < 40; ++day) {
    w.succeed();
    w.time.advance(24h);
  }
  CHECK(w.view().all_calls == 40);
  w.time.advance(24h * 31);
  CHECK_FALSE(w.view().known);
}

TEST_CASE("breaker: a server whose clock goes back does not keep it open for longer") {
  BreakerWorld w(any_server());
  w.fail(3);
  w.time.advance(-1h);
  const auto asked = w.ask();
  REQUIRE(asked.refused());
  CHECK(asked.answer.view.next_try == Millis(10s));
  w.time.advance(10s);
  REQUIRE(w.succeed());
  CHECK(w.state() == State::closed);
  w.fail(2);
  w.time.advance(-1500ms);  // what is ahead of the clock now still counts
  w.fail();
  CHECK(w.state() == State::open);
}

TEST_CASE("breaker: another layout is refused, and nothing is touched") {
  BreakerWorld w(any_server());
  w.succeed();
  w.server.command({"HSET", w.keys.breaker("api"), "s", std::string("\x09rest")});
  const std::string stored = w.stored();
  const auto refuses = [&](auto&& action) {
    try {
      action();
      return false;
    } catch (const Error& error) {
      return error.code() == ExitCode::data;
    }
  };
  CHECK(refuses([&] { w.ask(); }));
  CHECK(refuses([&] { w.tell(random_token(), "", Outcome::failure); }));
  CHECK(refuses([&] { w.loop.run(w.breaker.trip(random_token(), {}, w.patience())); }));
  CHECK(refuses([&] { w.view(); }));
  CHECK(w.stored() == stored);
}

TEST_CASE("breaker: results are counted though the memory is full") {
  BreakerWorld w(any_server());
  w.fail(2);
  const auto third = w.ask();
  w.server.command({"CONFIG", "SET", "maxmemory", "1"});
  CHECK(w.tell(third, Outcome::failure).view.state == State::open);
  w.time.advance(10s);
  CHECK(w.ask().probes());
}

}  // namespace
}  // namespace dcoord::testing
