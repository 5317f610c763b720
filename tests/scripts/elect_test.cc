#include "primitives/elect.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "support/lock_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
using Changed = ElectionChange::What;
using Step = std::pair<Changed, long long>;  // what happened, in which term

std::string any_server() { return GENERATE(from_range(server_programs())); }

Task<void> pause(Loop& loop) { co_await loop.sleep(5ms); }

struct ElectWorld : LockWorld {
  explicit ElectWorld(const std::string& program)
      : LockWorld(program), election(loop, *scripts, keys, "job", LockKind::elect) {}

  Answer campaign(const Request& r) { return loop.run(election.ask(r, true, "", patience())); }
  std::optional<LockGranted> elected(const Request& r) {
    const Answer answer = campaign(r);
    const auto* grant = std::get_if<LockGranted>(&answer);
    return grant == nullptr ? std::nullopt : std::optional(*grant);
  }
  void resign(const Request& r) {
    loop.run(election.release(r.token, Duration::zero(), false, patience()));
  }
  LockView election_view() { return loop.run(election.show(1000, patience())); }
  std::vector<ElectionChange> changes(const std::string& after = "") {
    ElectionChanges record(*scripts, keys, "job");
    return loop.run(record.after(after, patience()));
  }
  std::vector<Step> steps() {
    std::vector<Step> result;
    for (const auto& change : changes()) result.emplace_back(change.what, change.term);
    return result;
  }
  Request candidate(const std::string& name, Duration ttl = 30s) {
    Request r = request(LockMode::exclusive, ttl);
    r.who.label = name;
    return r;
  }

  Lock election;
};

TEST_CASE("elect: terms go up by one, fences rise, and each change is recorded once") {
  ElectWorld w(any_server());
  const auto a = w.candidate("a"), b = w.candidate("b");
  const auto first = w.elected(a);
  REQUIRE(first);
  CHECK(first->term == 1);
  CHECK(w.elected(a)->term == 1);  // the same request again
  CHECK_FALSE(w.elected(b));
  CHECK(w.steps() == std::vector<Step>{{Changed::elected, 1}});
  w.resign(a);
  // Offered, but not claimed yet: nobody leads for observers.
  CHECK(w.steps() == std::vector<Step>{{Changed::elected, 1}, {Changed::resigned, 1}});
  CHECK(w.election_view().term == 1);
  const auto second = w.elected(b);
  REQUIRE(second);
  CHECK(second->term == 2);
  CHECK(second->fence > first->fence);
  const auto changes = w.changes();
  REQUIRE(changes.size() == 3);
  CHECK(changes[2].what == Changed::elected);
  CHECK(changes[2].fence == second->fence);
  CHECK(changes[2].who.label == "b");
  CHECK(w.changes(changes[1].id).size() == 1);
  CHECK(w.election_view().term == 2);
}

TEST_CASE("elect: the same name as a lock is something else") {
  ElectWorld w(any_server());
  REQUIRE(w.granted(w.request()));
  REQUIRE(w.elected(w.candidate("a")));
  CHECK(w.view().term == 0);
}

TEST_CASE("elect: a leader whose lease ended is recorded as lost by whoever looks next") {
  ElectWorld w(any_server());
  const auto a = w.candidate("a", 1s), b = w.candidate("b");
  const auto first = w.elected(a);
  REQUIRE(first);
  REQUIRE(wait_until([&] { return w.election_view().state == LockView::State::stale; }));
  CHECK(w.steps().size() == 1);  // reading changes nothing
  REQUIRE(w.elected(b));
  CHECK(w.steps() ==
        std::vector<Step>{{Changed::elected, 1}, {Changed::lost, 1}, {Changed::elected, 2}});
}

TEST_CASE("elect: stepping down by order is recorded, and lets the named candidate go first") {
  ElectWorld w(any_server());
  const auto a = w.candidate("a"), b = w.candidate("b"), c = w.candidate("c"), d = w.candidate("d");
  REQUIRE(w.elected(a));
  for (const auto& one : {b, c, d}) CHECK_FALSE(w.elected(one));
  using What = Lock::Revoked::What;
  const std::string before = w.server.command({"HGETALL", w.keys.elect("job")}).at(1).text();
  const auto unknown = w.loop.run(w.election.revoke(a.token, w.request().token, w.patience()));
  CHECK(unknown.what == What::no_successor);
  CHECK(w.server.command({"HGETALL", w.keys.elect("job")}).at(1).text() == before);
  CHECK(w.steps().size() == 1);
  CHECK(w.loop.run(w.election.revoke(a.token, d.token, w.patience())).what == What::revoked);
  CHECK(w.loop.run(w.election.revoke(a.token, d.token, w.patience())).what == What::revoked);
  w.resign(a);
  CHECK_FALSE(w.elected(b));
  CHECK(w.elected(d)->term == 2);
  w.resign(d);
  CHECK_FALSE(w.elected(c));
  CHECK(w.elected(b)->term == 3);
  CHECK(w.steps() == std::vector<Step>{{Changed::elected, 1},
                                       {Changed::revoked, 1},
                                       {Changed::resigned, 1},
                                       {Changed::elected, 2},
                                       {Changed::resigned, 2},
                                       {Changed::elected, 3}});
}

TEST_CASE("elect: an offer that is taken away was no term") {
  ElectWorld w(any_server());
  const auto a = w.candidate("a"), b = w.candidate("b");
  REQUIRE(w.elected(a));
  CHECK_FALSE(w.elected(b));
  w.resign(a);
  CHECK(w.loop.run(w.election.revoke(b.token, "", w.patience())).what ==
        Lock::Revoked::What::revoked);
  CHECK(w.steps() == std::vector<Step>{{Changed::elected, 1}, {Changed::resigned, 1}});
}

TEST_CASE("elect: the record keeps the latest 1,000 changes, and expires after the election") {
  ElectWorld w(any_server());
  for (int i = 0; i < 520; ++i) {
    const auto a = w.candidate("a");
    REQUIRE(w.elected(a)->term == i + 1);
    w.resign(a);
  }
  const auto changes = w.changes();
  REQUIRE(changes.size() == 1000);
  CHECK(changes.back().what == Changed::resigned);
  CHECK(changes.back().term == 520);
  const auto expires = w.server.command({"PTTL", w.keys.elect_changes("job")}).number();
  CHECK(expires > 86400000);
}

TEST_CASE("elect: an observer is woken by a change") {
  ElectWorld w(any_server());
  const auto a = w.candidate("a");
  REQUIRE(w.elected(a));
  const std::string last = w.changes().back().id;
  const auto session = redis::make_session(w.loop, redis::parse_url(w.server.url(), "test"), {});
  ElectionChanges record(*session, w.keys, "job");
  Task<void> waiting = record.wait(last, w.loop.now() + 60s);
  w.loop.start(waiting);
  const auto blocked = [&] {
    return w.server.command({"INFO", "clients"}).text().find("blocked_clients:1") !=
           std::string::npos;
  };
  const TimePoint deadline = w.loop.now() + 20s;
  while (!blocked() && w.loop.now() < deadline) w.loop.run(pause(w.loop));
  REQUIRE(blocked());
  CHECK_FALSE(waiting.done());
  w.resign(a);
  while (!waiting.done() && w.loop.now() < deadline) w.loop.run(pause(w.loop));
  CHECK(waiting.done());
}

}  // namespace
}  // namespace dcoord::testing
