// Clusters: each request to the node that serves its slot, wherever that is by now.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/token.h"
#include "primitives/lock.h"
#include "redis/client.h"
#include "redis/slots.h"
#include "support/certificates.h"
#include "support/cluster_group.h"

namespace dcoord::testing {
namespace {

const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);
const TestScript kGet("return redis.call('GET', KEYS[1])", false);
const TestScript kBoth("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[2])",
                       true);

std::string slot_text(const std::string& key) { return std::to_string(redis::slot_of(key)); }

/// A lock in the cluster, and what tests ask of it.
struct ClusterLock {
  ClusterLock(Client& c, std::string name)
      : client(c), lock(c.loop, *c.session, keys, std::move(name)) {}
  primitives::LockRequest request() const {
    primitives::LockRequest r;
    r.token = random_token();
    r.ttl = 120s;
    return r;
  }
  bool granted(const primitives::LockRequest& r, bool wait = false) {
    return std::holds_alternative<primitives::LockGranted>(
        client.loop.run(lock.ask(r, wait, "", client.within())));
  }
  bool renewed(const primitives::LockRequest& r) {
    return std::holds_alternative<primitives::LockRenewed>(
        client.loop.run(lock.renew(r.token, r.ttl, client.within())));
  }
  bool released(const primitives::LockRequest& r) {
    return client.loop.run(lock.release(r.token, Duration::zero(), false, client.within())).what ==
           primitives::LockReleased::What::released;
  }
  std::string key() const { return keys.lock(lock.name()); }

  Client& client;
  primitives::Keys keys{"test"};
  primitives::Lock lock;
};

TEST_CASE("cluster: a node alone, without slots, is not ready until it has them") {
  ClusterNode node(GENERATE(from_range(server_programs())));
  for (const std::string scheme : {"redis", "redis-cluster"}) {
    Client client(scheme + "://" + node.address());
    const Error error = last_error(client, kSet.call({"k"}, {"v"}));
    CHECK(error.code() == ExitCode::unavailable);
    says(error, "CLUSTERDOWN");
    Client other(scheme + "://" + node.address() + "/1");
    CHECK(error_of([&] { other.run(kSet.call({"k"}, {"v"})); }).code() == ExitCode::config);
  }
  Client client("redis-cluster://" + node.address());
  Task<Answer> task = client.session->run(kSet.call({"k"}, {"v"}), client.within());
  client.loop.start(task);
  int replies = 0;
  REQUIRE(client.turn_until([&] {
    return node.server.command({"INFO", "errorstats"}).text().find("errorstat_CLUSTERDOWN") !=
               std::string::npos &&
           ++replies > 5;
  }));
  CHECK_FALSE(task.done());
  node.server.command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  REQUIRE(client.turn_until([&] { return task.done(); }));
  CHECK(task.take().reply.text() == "OK");
}

/// Whoever takes a node for a single server is told.
void single_server_is_told(const ClusterGroup& group) {
  Client client(group.node(0).server.url());
  CHECK(client.run(kSet.call({"{bar}1"}, {"v"})).text() == "OK");                   // slot 5061
  const Error moved = error_of([&] { client.run(kSet.call({"{foo}1"}, {"v"})); });  // slot 12182
  CHECK(moved.code() == ExitCode::config);
  CHECK(moved.kind() == "cluster");
  says(moved, std::to_string(group.node(2).server.port()));
  CHECK(moved.hint().find("--cluster") != std::string::npos);
  CHECK_FALSE(client.wait_message("{foo}mailbox", 60s));
  CHECK(error_of([&] {
          client.run(kSet.call({"{bar}1", "{foo}1"}, {"v"}));
        }).code() == ExitCode::internal);
  CHECK(client.run(kSet.call({"{bar}2"}, {"v"})).text() == "OK");
}

/// As few redirections as there can be.
void redirections_are_few(const ClusterGroup& group) {
  const long long before = group.errors("MOVED");
  {
    Client one_shot(group.url());
    CHECK(one_shot.run(kSet.call({"{bar}1"}, {"v"})).text() == "OK");  // the first node's
    CHECK(group.errors("MOVED") == before);
  }
  Client one_shot(group.url());
  CHECK(one_shot.run(kSet.call({"{foo}1"}, {"v"})).text() == "OK");  // the last one's
  CHECK(group.errors("MOVED") == before + 1);
  CHECK(one_shot.run(kSet.call({"{foo}2"}, {"v"})).text() == "OK");
  CHECK(group.errors("MOVED") == before + 1);
  const auto crossing = error_of([&] { one_shot.run(kBoth.call({"{bar}1", "{foo}1"}, {"v"})); });
  CHECK(crossing.code() == ExitCode::internal);
}

void answers_come_in_order(const ClusterGroup& group) {
  const long long before = group.errors("MOVED");
  Client client(group.url());
  std::vector<Call> writes;
  std::vector<std::vector<std::string>> reads;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "{" + std::to_string(i) + "}k";
    writes.push_back(kSet.call({key}, {std::to_string(i)}));
    reads.push_back({"GET", key});
  }
  const auto done = client.loop.run(client.session->run_all(writes, client.within()));
  CHECK(std::all_of(done.begin(), done.end(),
                    [](const Answer& answer) { return answer.reply.text() == "OK"; }));
  Client reader(group.url());
  const auto answers = reader.loop.run(reader.session->run_commands(reads, reader.within()));
  bool in_order = answers.size() == 2000;
  for (size_t i = 0; in_order && i < answers.size(); ++i)
    in_order = answers[i].reply.text() == std::to_string(i);
  CHECK(in_order);
  for (size_t i = 0; i < 3; ++i) CHECK(group.node(i).server.command({"DBSIZE"}).number() > 500);
  CHECK(group.errors("MOVED") == before);

  // One of the nodes has forgotten the script.
  group.node(1).server.command({"SCRIPT", "FLUSH"});
  const auto again = client.loop.run(client.session->run_all(writes, client.within()));
  CHECK(again.size() == 2000);
}

void locks_are_listed_and_messages_arrive(const ClusterGroup& group) {
  Client client(group.url());
  std::set<int> masters;
  std::vector<std::string> names;
  for (int i = 0; i < 30; ++i) {
    ClusterLock lock(client, "lock " + std::to_string(100 + i));
    CHECK(lock.granted(lock.request()));
    names.push_back(lock.lock.name());
    masters.insert(redis::slot_of(lock.key()) * 3 / redis::kSlots);
  }
  CHECK(masters.size() == 3);
  Client fresh(group.url());
  const primitives::Keys keys("test");
  const auto views = fresh.loop.run(
      primitives::list_locks(*fresh.session, keys, primitives::LockKind::lock, {}, fresh.within()));
  std::vector<std::string> listed;
  for (const auto& view : views) listed.push_back(view.name);
  CHECK(listed == names);

  // Waiting, from a client that does not know where.
  for (const std::string& name : {names[0], names[1], names[2], names[3]}) {
    Client other(group.url());
    const std::string mailbox = keys.mailbox(name, "token");
    Task<std::optional<std::string>> waiting =
        other.session->wait_message(mailbox, add(other.loop.now(), 60s));
    other.loop.start(waiting);
    client.command({"RPUSH", mailbox, "look 0"});
    REQUIRE(other.turn_until([&] { return waiting.done(); }));
    CHECK(waiting.take() == "look 0");
  }
}

TEST_CASE("cluster: every slot, from nodes that know where it is") {
  ClusterGroup group({.program = GENERATE(from_range(server_programs())), .replicas = 0});
  single_server_is_told(group);
  redirections_are_few(group);
  answers_come_in_order(group);
  locks_are_listed_and_messages_arrive(group);
}

TEST_CASE("cluster: a server that is none") {
  Server single(ServerSettings{.program = GENERATE(from_range(server_programs())), .tcp = true});
  Client client("redis-cluster://127.0.0.1:" + std::to_string(single.port()));
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
  std::vector<Call> calls{kGet.call({"{bar}1"}), kGet.call({"{foo}1"})};
  const Error plain =
      error_of([&] { client.loop.run(client.session->run_all(calls, client.within())); });
  CHECK(plain.code() == ExitCode::config);
  says(plain, "cluster support disabled");
}

TEST_CASE("cluster: a slot moves under a lock that is held and waited for") {
  ClusterGroup group(
      {.program = GENERATE(from_range(server_programs())), .masters = 2, .replicas = 0});
  Client client(group.url());
  ClusterLock held(client, "job");
  const auto holder = held.request();
  REQUIRE(held.granted(holder));
  const std::string slot = slot_text(held.key());
  ClusterNode& from = group.owner(redis::slot_of(held.key()));
  ClusterNode& to = &from == &group.node(0) ? group.node(1) : group.node(0);
  const auto migrate = [&](const std::string& key) {
    return from.server.command(
        {"MIGRATE", "127.0.0.1", std::to_string(to.server.port()), key, "0", "10000"});
  };
  const auto exists = [&](ClusterNode& node, const std::string& key) {
    const redis::Reply keys = node.server.command({"CLUSTER", "GETKEYSINSLOT", slot, "1000"});
    return std::ranges::any_of(keys.elements(),
                               [&](const redis::Reply& k) { return k.text() == key; });
  };
  const size_t brace = held.key().find('{');
  const std::string tag = held.key().substr(brace, held.key().find('}') - brace + 1);
  const auto key = [&](const std::string& name) { return tag + name; };
  REQUIRE(client.run(kSet.call({key("old")}, {"1"})).text() == "OK");
  REQUIRE(client.run(kSet.call({key("other")}, {"2"})).text() == "OK");

  REQUIRE_FALSE(to.server.command({"CLUSTER", "SETSLOT", slot, "IMPORTING", from.id()}).is_error());
  REQUIRE_FALSE(from.server.command({"CLUSTER", "SETSLOT", slot, "MIGRATING", to.id()}).is_error());
  // What is still there is served there; what is new begins at the new place (ASK).
  CHECK(held.renewed(holder));
  CHECK(client.run(kGet.call({key("old")})).text() == "1");
  CHECK(client.run(kSet.call({key("new")}, {"3"})).text() == "OK");
  CHECK(exists(to, key("new")));
  CHECK_FALSE(exists(from, key("new")));
  CHECK(group.errors("ASK") >= 1);
  CHECK(client.run(kGet.call({key("new")})).text() == "3");

  // Of two keys one is here and one is there: nobody can serve it until both are.
  REQUIRE_FALSE(migrate(key("old")).is_error());
  Task<Answer> task =
      client.session->run(kBoth.call({key("old"), key("other")}, {"4"}), client.within());
  client.loop.start(task);
  REQUIRE(client.turn_until([&] { return group.errors("TRYAGAIN") > 2; }));
  CHECK_FALSE(task.done());
  REQUIRE_FALSE(migrate(key("other")).is_error());
  REQUIRE(client.turn_until([&] { return task.done(); }));
  CHECK(task.take().reply.text() == "2");

  // The lock's own state: renewed before, between and after, since that takes one key.
  CHECK(held.renewed(holder));
  REQUIRE_FALSE(migrate(held.key()).is_error());
  CHECK(held.renewed(holder));
  Client waiter(group.url());
  const std::string mailbox = held.lock.mailbox("waiter");
  Task<std::optional<std::string>> waiting =
      waiter.session->wait_message(mailbox, add(waiter.loop.now(), 60s));
  waiter.loop.start(waiting);
  REQUIRE(waiter.turn_until([&] {
    return to.server.command({"INFO", "clients"}).text().find("blocked_clients:1") !=
           std::string::npos;
  }));
  const redis::Reply rest = from.server.command({"CLUSTER", "GETKEYSINSLOT", slot, "1000"});
  for (const auto& left : rest.elements()) REQUIRE_FALSE(migrate(left.text()).is_error());
  group.assign(redis::slot_of(held.key()), to);

  CHECK(held.renewed(holder));
  CHECK(client.run(kGet.call({key("old")})).text() == "4");
  client.command({"RPUSH", mailbox, "hello"});
  REQUIRE(waiter.turn_until([&] { return waiting.done(); }));
  CHECK(waiting.take() == "hello");
  CHECK(held.released(holder));
  CHECK(held.granted(held.request()));
}

TEST_CASE("cluster: masters fail over under holders") {
  ClusterGroup group({.program = GENERATE(from_range(server_programs()))});
  redis::SessionOptions options;
  options.command_timeout = 500ms;
  Client client("redis-cluster://127.0.0.1:" + std::to_string(free_port()) + "," +
                    group.node(0).address() + "," + group.node(1).address(),
                options);
  // One lock on each master.
  std::vector<std::unique_ptr<ClusterLock>> locks(3);
  std::vector<primitives::LockRequest> requests;
  for (int i = 0; std::any_of(locks.begin(), locks.end(), [](const auto& l) { return !l; }); ++i) {
    auto lock = std::make_unique<ClusterLock>(client, "lock " + std::to_string(i));
    auto& place = locks[static_cast<size_t>(redis::slot_of(lock->key()) * 3 / redis::kSlots)];
    if (!place) place = std::move(lock);
  }
  for (auto& lock : locks) {
    requests.push_back(lock->request());
    REQUIRE(lock->granted(requests.back()));
  }
  const auto all_renewed = [&] {
    bool all = true;
    for (size_t i = 0; i < 3; ++i) all = locks[i]->renewed(requests[i]) && all;
    return all;
  };
  REQUIRE(wait_until([&] {
    bool all = true;
    for (size_t i = 0; i < 3; ++i) {
      all = all && group.node(i).server.command({"DBSIZE"}).number() ==
                       group.node(i + 3).server.command({"DBSIZE"}).number();
    }
    return all;
  }));

  // As an operator does it: nothing is lost, the old master redirects.
  REQUIRE_FALSE(group.node(3).server.command({"CLUSTER", "FAILOVER"}).is_error());
  REQUIRE(wait_until([&] { return group.node(3).is_master() && !group.node(0).is_master(); }));
  CHECK(all_renewed());
  CHECK(group.errors("MOVED") > 0);

  // The one is killed, the other stopped; each has a replica that takes over.
  group.node(1).server.kill();
  CHECK(all_renewed());
  CHECK(group.node(4).is_master());
  group.node(2).server.stop();
  CHECK(all_renewed());
  CHECK(group.node(5).is_master());
  group.node(2).server.cont();
  for (size_t i = 0; i < 3; ++i) CHECK(locks[i]->released(requests[i]));
}

TEST_CASE(
    "cluster: a redirection keeps user, password and TLS, and an absent host means the same") {
  const std::string program = GENERATE(from_range(server_programs()));
  Certificates certificates;
  certificates.issue("node", "IP:127.0.0.1");
  ServerSettings settings;
  settings.tls = true;
  settings.config = certificates.server_lines("node");
  settings.config.emplace_back("tls-cluster yes");
  settings.config.emplace_back("cluster-preferred-endpoint-type unknown-endpoint");
  settings.config.emplace_back("user al on >pw ~* +@all");
  ClusterGroup group({.program = program, .masters = 2, .replicas = 0, .server = settings});
  for (size_t i = 0; i < 2; ++i) group.node(i).server.command({"ACL", "SETUSER", "default", "off"});

  redis::Target target =
      redis::parse_target("rediss-cluster://al:pw@" + group.node(0).address(), "-u");
  target.server.tls.ca_file = certificates.ca();
  Client client(target);
  CHECK(client.run(kSet.call({"{foo}1"}, {"v"})).text() == "OK");  // the other node's
  std::vector<Call> calls{kGet.call({"{bar}1"}), kGet.call({"{foo}1"})};
  Client lister(target);
  const auto answers = lister.loop.run(lister.session->run_all(calls, lister.within()));
  CHECK(answers[0].reply.is_nil());
  CHECK(answers[1].reply.text() == "v");
}

}  // namespace
}  // namespace dcoord::testing
