#include "primitives/quorum.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "base/duration.h"
#include "redis/scripts.h"
#include "support/lock_world.h"

namespace dcoord::testing {
namespace {

using namespace primitives;
using namespace std::chrono_literals;
namespace scripts = redis::scripts;

std::string any_server() { return GENERATE(from_range(server_programs())); }

/// One of the servers, asked script by script.
struct VoteWorld : LockWorld {
  using LockWorld::LockWorld;
  std::string servers = "a b c";

  redis::Reply run(const redis::Script& script, std::vector<std::string> of,
                   std::vector<std::string> args) {
    redis::Call call{&script, std::move(of), std::move(args)};
    return loop.run(scripts->run(std::move(call), patience())).reply;
  }
  std::vector<std::string> hold_keys(bool index) {
    std::vector<std::string> all{keys.lock("job"), keys.lock_line("job"), keys.lock_waiters("job")};
    if (index) all.push_back(keys.index_of("job", "lock"));
    return all;
  }
  redis::Reply ask(const Request& r, const std::string& flags = "x",
                   const std::string& attempt = "attempt1", Duration window = 20s) {
    auto all = hold_keys(true);
    all.push_back(keys.mailbox("job", r.token));
    return run(scripts::quorum_ask, all,
               {r.token, attempt, std::to_string(to_ms(window)), std::to_string(to_ms(r.ttl)),
                flags, servers, r.parent, encode(r.who), "job"});
  }
  redis::Reply hold(const Request& r, const std::string& fence, const std::string& how = "vote",
                    const std::string& flags = "x") {
    return run(scripts::quorum_hold, hold_keys(true),
               {r.token, std::to_string(to_ms(r.ttl)), how, fence, "0", flags, servers,
                keys.mailbox("job", r.token), encode(r.who), "job"});
  }
  redis::Reply give_up(const Request& r, const std::string& attempt = "") {
    return run(scripts::quorum_release, hold_keys(false), {r.token, attempt, "0", ""});
  }
  bool hinted(const Request& r, const std::string& text) {
    const auto message = mail(r);
    return message == text;
  }
};

TEST_CASE("quorum: a vote becomes a hold under the fence that was agreed on") {
  VoteWorld w(any_server());
  const auto a = w.request(), b = w.request();
  const redis::Reply vote = w.ask(a);
  REQUIRE(vote.word() == "granted");
  CHECK(vote.at(4).number() == to_ms(a.ttl));  // the longest lease that it knows of
  CHECK(vote.at(5).number() >= 0);
  CHECK(vote.at(6).text().size() == 40);
  CHECK(w.ask(a).at(1).number() == vote.at(1).number());
  const redis::Reply other = w.ask(b, "xw");
  REQUIRE(other.word() == "held");
  CHECK(other.at(4).number() == 0);  // only voted for
  const std::string agreed = std::to_string(vote.at(1).number() + 1000000);
  CHECK(w.hold(a, agreed).word() == "held");
  CHECK(w.hold(a, agreed).word() == "held");
  CHECK(w.view().fence == vote.at(1).number() + 1000000);
  CHECK(w.ask(b, "xw").at(4).number() == 1);
  CHECK(w.renewed(a));
  CHECK(w.view().acquired == 1);
  CHECK(w.give_up(a).word() == "released");
  CHECK(w.give_up(a).word() == "released");
  CHECK(w.hinted(b, "look 0"));
  CHECK(w.view().holders.empty());  // nobody is handed it
  const redis::Reply next = w.ask(b);
  REQUIRE(next.word() == "granted");
  CHECK(next.at(1).number() > vote.at(1).number() + 1000000);
}

TEST_CASE(
    "quorum: a vote that lapsed becomes no hold; a valid hold is taken again where it was lost") {
  VoteWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.ask(a, "x", "attempt1", 1ms).word() == "granted");
  REQUIRE(wait_until([&] { return w.hold(a, "5").word() == "lapsed"; }));
  CHECK(w.hold(a, "5", "again").word() == "held");
  CHECK(w.hold(b, "6", "again").word() == "taken");
  w.server.command({"FLUSHALL"});
  CHECK_FALSE(w.renewed(a));
  CHECK(w.hold(a, "5", "again").word() == "held");
  CHECK(w.renewed(a));
}

TEST_CASE("quorum: what was taken back or given up does nothing when it comes late") {
  VoteWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.ask(a).word() == "granted");
  CHECK(w.give_up(a, "attempt1").word() == "left");
  CHECK(w.ask(a).word() == "gone");
  CHECK(w.hold(a, "5").word() == "lapsed");
  CHECK(w.ask(a, "x", "attempt2").word() == "granted");
  CHECK(w.give_up(a).word() == "left");
  CHECK(w.ask(a, "x", "attempt3").word() == "gone");
  CHECK(w.hold(a, "5", "again").word() == "gone");
  // One that never came: its tombstone is there first.
  CHECK(w.give_up(b).word() == "gone");
  CHECK(w.ask(b).word() == "gone");
}

TEST_CASE("quorum: revoked, nested, shared") {
  VoteWorld w(any_server());
  const auto a = w.request(), b = w.request(), c = w.request();
  REQUIRE(w.ask(a).word() == "granted");
  REQUIRE(w.hold(a, "5").word() == "held");
  auto inner = w.request();
  inner.parent = a.token;
  CHECK(w.ask(inner).word() == "nested");
  CHECK(w.loop.run(w.lock.revoke(a.token, "", w.patience())).what == Lock::Revoked::What::revoked);
  CHECK(w.ask(a).word() == "revoked");
  CHECK(w.hold(a, "5", "again").word() == "revoked");
  CHECK_FALSE(w.renewed(a));
  CHECK(w.ask(b, "sw").word() == "held");
  CHECK(w.ask(c, "sw").word() == "held");
  CHECK(w.give_up(a).word() == "released");
  CHECK(w.hinted(b, "look 0"));
  CHECK(w.hinted(c, "look 1000"));
  CHECK(w.ask(b, "s").word() == "granted");
  CHECK(w.ask(c, "s").word() == "granted");
  CHECK(w.hold(b, "9", "vote", "s").word() == "held");
  CHECK(w.hinted(c, "look 0"));  // readers go in one after the other
  CHECK(w.ask(w.request()).word() == "held");
}

TEST_CASE(
    "quorum: another list of servers is refused while the lock is in use, taken over when it is "
    "not") {
  VoteWorld w(any_server());
  const auto a = w.request(), b = w.request();
  REQUIRE(w.ask(a).word() == "granted");
  w.servers = "a b d";
  const redis::Reply refused = w.ask(b);
  REQUIRE(refused.word() == "servers");
  CHECK(refused.at(1).text() == "a b c");
  CHECK(w.hold(b, "5", "again").word() == "servers");
  const auto alone = w.refused(w.request());
  REQUIRE(alone);
  CHECK(alone->limit == kKeptByServers);
  CHECK(w.give_up(a).word() == "left");
  CHECK(w.ask(b).word() == "granted");
  CHECK(w.give_up(b).word() == "left");
  // And the other way round.
  const auto single = w.request();
  REQUIRE(w.granted(single));
  CHECK(w.ask(a).word() == "gone");
  const redis::Reply by_one = w.ask(w.request());
  REQUIRE(by_one.word() == "servers");
  CHECK(by_one.at(1).text().empty());
}

/// Five servers and locks on all of them.
struct FiveWorld {
  explicit FiveWorld(const std::string& program) {
    for (int i = 0; i < 5; ++i) servers.push_back(std::make_unique<Server>(program));
  }
  std::unique_ptr<QuorumLock> lock() {
    std::vector<redis::ScriptRunner*> all;
    std::vector<std::string> names;
    for (const auto& server : servers) {
      redis::SessionOptions options;
      options.connect_timeout = options.command_timeout = 2s;
      runners.push_back(
          redis::make_session(loop, redis::parse_url(server->url(), "test"), options));
      all.push_back(runners.back().get());
      names.push_back(server->url());
    }
    return std::make_unique<QuorumLock>(loop, all, names, keys, "job", LockKind::lock,
                                        QuorumOptions{.restart_guard = false});
  }
  LockRequest request() {
    LockRequest r;
    r.token = random_token();
    r.ttl = 20s;
    r.who.host = "host";
    return r;
  }
  redis::Patience patience() { return {loop.now() + 20s, loop.now() + 20s}; }
  LockGranted take(QuorumLock& lock, const LockRequest& r) {
    const LockAnswer answer = loop.run(lock.ask_once(r, patience()));
    REQUIRE(std::holds_alternative<LockGranted>(answer));
    return std::get<LockGranted>(answer);
  }
  void give_back(QuorumLock& lock, const LockRequest& r) {
    loop.run(lock.release(r.token, Duration::zero(), false, patience()));
  }

  SystemClock clock;
  Loop loop{clock};
  Keys keys{"test"};
  std::vector<std::unique_ptr<Server>> servers;
  std::vector<std::unique_ptr<redis::ScriptRunner>> runners;
};

TEST_CASE("quorum: fences rise over majorities that have one server in common") {
  FiveWorld w(any_server());
  const auto first = w.lock(), second = w.lock();
  w.servers[3]->stop();
  w.servers[4]->stop();
  const LockRequest a = w.request();
  const LockGranted one = w.take(*first, a);
  w.give_back(*first, a);
  w.servers[3]->cont();
  w.servers[4]->cont();
  w.servers[0]->stop();
  w.servers[1]->stop();
  const LockRequest b = w.request();
  const LockGranted two = w.take(*second, b);
  CHECK(two.fence > one.fence);
  w.servers[0]->cont();
  w.servers[1]->cont();
}

TEST_CASE("quorum: a minority's votes are taken back, and a majority is needed to renew") {
  FiveWorld w(any_server());
  const auto first = w.lock(), second = w.lock();
  const LockRequest a = w.request(), b = w.request();
  w.take(*first, a);
  CHECK(std::holds_alternative<LockHeld>(w.loop.run(second->ask_once(b, w.patience()))));
  for (size_t i : {0u, 1u, 2u}) w.servers[i]->restart();
  // Two know it, three have forgotten it: the holder takes it again there.
  const auto renewed = w.loop.run(first->renew(a.token, a.ttl, w.patience()));
  CHECK(std::holds_alternative<LockRenewed>(renewed));
  CHECK(std::holds_alternative<LockHeld>(w.loop.run(second->ask_once(b, w.patience()))));
  for (size_t i : {0u, 1u, 2u}) w.servers[i]->kill();
  const redis::Patience short_time{w.loop.now() + 2s, w.loop.now() + 2s};
  CHECK_THROWS_AS(w.loop.run(first->renew(a.token, a.ttl, short_time)), Error);
  CHECK_THROWS_AS(w.loop.run(second->ask_once(b, short_time)), Error);
  for (size_t i : {0u, 1u, 2u}) w.servers[i]->start();
  w.give_back(*first, a);
  w.take(*second, b);
}

}  // namespace
}  // namespace dcoord::testing
