// The master that sentinels name: found, checked, and found again when it moves.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/token.h"
#include "primitives/lock.h"
#include "redis/client.h"
#include "support/peer.h"
#include "support/sentinel_group.h"

namespace dcoord::testing {
namespace {

const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);
const TestScript kGet("return redis.call('GET', KEYS[1])", false);

std::string at(const Server& sentinel) { return "127.0.0.1:" + std::to_string(sentinel.port()); }

/// A sentinel alone, which watches a server that it never fails over.
std::unique_ptr<Server> lone_sentinel(const std::string& program, int watched,
                                      std::vector<std::string> more = {}) {
  more.insert(more.begin(), monitor("main", watched, 9));
  return std::make_unique<Server>(
      ServerSettings{.program = program, .sentinel = true, .config = std::move(more)});
}

/// Whether a server has the value there.
bool has(Server& server, const std::string& key, const std::string& value) {
  const redis::Reply reply = server.command({"GET", key});
  return !reply.is_nil() && reply.text() == value;
}

TEST_CASE("sentinel: one who holds, waits and asks goes on with the new master") {
  SentinelGroup group({.program = GENERATE(from_range(server_programs()))});
  Client client(group.url());
  CHECK(client.run(kSet.call({"k"}, {"1"})).text() == "OK");
  CHECK(has(group.server(0), "k", "1"));

  Client waiter(group.url());
  Task<std::optional<std::string>> waiting =
      waiter.session->wait_message("mailbox", add(waiter.loop.now(), 600s));
  waiter.loop.start(waiting);
  REQUIRE(waiter.turn_until([&] {
    return group.server(0).command({"INFO", "clients"}).text().find("blocked_clients:1") !=
           std::string::npos;
  }));

  Server& second = group.failover();
  // Neither is told before it asks; a waiter is cut short, to look for itself.
  CHECK(client.run(kSet.call({"k"}, {"2"})).text() == "OK");
  CHECK(has(second, "k", "2"));
  CHECK(client.run(kGet.call({"k"})).text() == "2");
  REQUIRE(waiter.turn_until([&] { return waiting.done(); }));
  CHECK_FALSE(waiting.take());
  waiting = waiter.session->wait_message("mailbox", add(waiter.loop.now(), 60s));
  waiter.loop.start(waiting);
  REQUIRE(waiter.turn_until([&] {
    return second.command({"INFO", "clients"}).text().find("blocked_clients:1") !=
           std::string::npos;
  }));
  second.command({"RPUSH", "mailbox", "hello"});
  REQUIRE(waiter.turn_until([&] { return waiting.done(); }));
  CHECK(waiting.take() == "hello");
}

/// A lock held through the sentinels, with a lease that outlasts any failover here.
struct HeldLock {
  explicit HeldLock(Client& c) : client(c), lock(c.loop, *c.session, keys, "job") {
    request.token = random_token();
    request.ttl = 120s;
    const auto answer = client.loop.run(lock.ask(request, false, "", client.within()));
    REQUIRE(std::holds_alternative<primitives::LockGranted>(answer));
  }
  bool renewed() {
    return std::holds_alternative<primitives::LockRenewed>(
        client.loop.run(lock.renew(request.token, request.ttl, client.within())));
  }
  Client& client;
  primitives::Keys keys{"test"};
  primitives::Lock lock;
  primitives::LockRequest request;
};

TEST_CASE("sentinel: the master is killed under a holder, then stopped, then forgets") {
  SentinelGroup group({.program = GENERATE(from_range(server_programs()))});
  redis::SessionOptions options;
  options.command_timeout = 500ms;
  Client client(group.url(), options);
  HeldLock held(client);
  group.wait_replicated();
  group.server(0).kill();
  CHECK(held.renewed());
  Server& second = group.new_master(group.server(0));
  CHECK(second.command({"DBSIZE"}).number() > 0);

  group.server(0).start({"replicaof 127.0.0.1 " + std::to_string(second.port())});
  REQUIRE(wait_until([&] { return second.command({"ROLE"}).at(2).size() == 2; }));
  group.wait_replicated();
  second.stop();
  CHECK(held.renewed());
  second.cont();
  Server& third = group.new_master(second);
  CHECK(third.command({"GET", "nothing"}).is_nil());

  // What the replicas never heard of is lost with the master.
  for (size_t i = 0; i < group.servers(); ++i) {
    if (&group.server(i) != &third) group.server(i).command({"REPLICAOF", "127.0.0.1", "1"});
  }
  Client late_client(group.url(), options);
  primitives::Lock other(late_client.loop, *late_client.session, held.keys, "other");
  primitives::LockRequest request;
  request.token = random_token();
  request.ttl = 120s;
  REQUIRE(std::holds_alternative<primitives::LockGranted>(
      late_client.loop.run(other.ask(request, false, "", late_client.within()))));
  third.kill();
  CHECK(std::holds_alternative<primitives::LockLost>(
      late_client.loop.run(other.renew(request.token, request.ttl, late_client.within()))));
  CHECK(held.renewed());
}

TEST_CASE("sentinel: sentinels that are down, stopped or out of date are passed over") {
  const std::string program = GENERATE(from_range(server_programs()));
  Server master(
      ServerSettings{.program = program, .tcp = true, .config = {"repl-diskless-sync-delay 0"}});
  Server replica(
      ServerSettings{.program = program,
                     .tcp = true,
                     .config = {"replicaof 127.0.0.1 " + std::to_string(master.port())}});
  const auto good = lone_sentinel(program, master.port());
  const auto stopped = lone_sentinel(program, master.port());
  const auto old = lone_sentinel(program, replica.port());
  const auto gone = lone_sentinel(program, free_port());
  REQUIRE(wait_until([&] {
    return replica.command({"INFO", "replication"}).text().find("master_link_status:up") !=
           std::string::npos;
  }));
  stopped->stop();
  const std::string down = "127.0.0.1:" + std::to_string(free_port());
  for (const std::string& first : {down, at(*stopped), at(*old), at(*gone)}) {
    INFO(first);
    Client client("redis+sentinel://" + first + "," + at(*good) + "/main");
    CHECK(client.run(kSet.call({first}, {"v"})).text() == "OK");
    CHECK(has(master, first, "v"));
    CHECK(client.run(kGet.call({first})).text() == "v");
  }

  // Alone, each says what is the matter.
  const auto error = [&](const std::string& sentinel, const TestScript& script) {
    Client client("redis+sentinel://" + sentinel + "/main");
    return error_of([&] {
      const redis::Patience patience{add(client.loop.now(), 60s), add(client.loop.now(), 700ms)};
      client.run(script.call({"k"}, {"v"}), patience);
    });
  };
  for (const TestScript* script : {&kSet, &kGet}) {
    const Error stale = error(at(*old), *script);
    CHECK(stale.code() == ExitCode::unavailable);
    says(stale, "is not the master but a replica");
    says(stale, std::to_string(old->port()) + " that named it");
  }
  CHECK(replica.command({"GET", "k"}).is_nil());
  const Error refused = error(down, kSet);
  CHECK(refused.code() == ExitCode::unavailable);
  says(refused, "no sentinel names a master 'main': " + down + ": Connection refused");
  says(error(at(*stopped), kSet), "no answer");
  says(error(at(*gone), kSet), "(master 'main'): Connection refused");
}

TEST_CASE("sentinel: what asking again would not change is said at once") {
  const std::string program = GENERATE(from_range(server_programs()));
  Server master(ServerSettings{.program = program, .tcp = true});
  const auto open = lone_sentinel(program, master.port());
  const auto locked = lone_sentinel(program, master.port(), {"requirepass se%cret"});
  locked->login = {"se%cret"};
  const auto error = [&](redis::Target target) {
    Client client(std::move(target));
    return error_of([&] { client.run(kSet.call({"k"}, {"v"})); });
  };
  const auto target = [&](const Server& sentinel, const std::string& name = "main") {
    return redis::parse_target("redis+sentinel://" + at(sentinel) + "/" + name, "-u");
  };

  const Error unknown = error(target(*open, "nosuch"));
  CHECK(unknown.code() == ExitCode::unavailable);
  says(unknown, "no sentinel names a master 'nosuch': " + at(*open) + ": it knows no master");
  const Error plain = error(target(master));
  CHECK(plain.code() == ExitCode::config);
  says(plain, "Redis at " + at(master) + " is not a sentinel");

  redis::Target with = target(*locked);
  const Error shut = error(with);
  CHECK(shut.code() == ExitCode::permission);
  says(shut, "the sentinel at " + at(*locked) + " does not let us in");
  CHECK(shut.hint().find("--sentinel-pass-file") != std::string::npos);
  with.sentinel_password = [] { return std::optional<std::string>("wrong"); };
  const Error wrong = error(with);
  CHECK(wrong.code() == ExitCode::permission);
  CHECK(std::string(wrong.what()).find("wrong") == std::string::npos);
  with.sentinel_password = [] { return std::optional<std::string>("se%cret"); };
  Client client(with);
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");

  // The servers' user and password are nothing of theirs.
  master.command({"ACL", "SETUSER", "al", "on", ">pw", "~*", "+@all"});
  redis::Target as_user =
      redis::parse_target("redis+sentinel://al:pw@" + at(*open) + "/main/3", "-u");
  Client user(as_user);
  CHECK(user.run(kSet.call({"k3"}, {"v"})).text() == "OK");
  CHECK(master.command({"GET", "k3"}).is_nil());
}

TEST_CASE("sentinel: two round trips before the first answer") {
  const std::string program = server_programs().front();
  Listener server;
  const auto sentinel = lone_sentinel(program, server.port());
  Client client("redis+sentinel://" + at(*sentinel) + "/main");
  Task<Answer> task = client.session->run(kSet.call({"k"}, {"v"}), client.within());
  client.loop.start(task);
  // What the server is told with its first bytes: after one question to a sentinel, over a
  // connection of its own. (The sentinel itself connects there, too.)
  std::string said;
  for (int i = 0; i < 20 && said.find("EVALSHA") == std::string::npos; ++i)
    said = server.first_bytes(client);
  CHECK(said.find("ROLE") < said.find("EVALSHA"));
  CHECK(said.find("EVALSHA") != std::string::npos);
}

}  // namespace
}  // namespace dcoord::testing
