// Waiting for messages in a mailbox.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <optional>
#include <string>

#include "redis/client.h"
#include "redis/session.h"
#include "support/peer.h"

namespace dcoord::testing {
namespace {

const TestScript kEcho("return ARGV[1]", false);

int blocked(const Server& server) {
  const std::string info = server.command({"INFO", "clients"}).text();
  return std::stoi(info.substr(info.find("blocked_clients:") + 16));
}

/// A wait that is under way.
struct Waiting {
  Waiting(Client& c, const Server& server, Duration limit, int others = 0)
      : client(c), start(c.loop.now()), task(c.session->wait_message("mailbox", start + limit)) {
    client.loop.start(task);
    REQUIRE(client.turn_until([&] { return task.done() || blocked(server) > others; }));
  }
  std::optional<std::string> finish() {
    REQUIRE(client.turn_until([&] { return task.done(); }));
    return task.take();
  }
  Client& client;
  TimePoint start;
  Task<std::optional<std::string>> task;
};

TEST_CASE("wait: a message, there before or coming while we wait") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  const std::string binary("a\0\r\n", 4);
  server.command({"RPUSH", "mailbox", binary, "second"});
  CHECK(client.wait_message("mailbox", 60s) == binary);
  CHECK(client.wait_message("mailbox", 60s) == "second");
  Waiting waiting(client, server, 60s);
  server.command({"RPUSH", "mailbox", "third"});
  CHECK(waiting.finish() == "third");
  CHECK(client.run(kEcho.call({}, {"x"})).text() == "x");
}

TEST_CASE("wait: without a message it ends at its moment, not before and not much after") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  for (const auto limit : {0ms, 1ms, 10ms, 11ms, 20ms, 60ms, 150ms, 400ms, 1100ms}) {
    INFO(limit.count());
    const TimePoint until = client.loop.now() + limit;
    CHECK_FALSE(client.loop.run(client.session->wait_message("mailbox", until)));
    const Duration late = client.loop.now() - until;
    CHECK(late >= 0ms);
    CHECK(late < 2s);  // a loaded machine; alone it is under a millisecond
  }
  // The connection owes nothing afterwards.
  CHECK(client.run(kEcho.call({}, {"x"})).text() == "x");
  const TimePoint past = client.loop.now() - 1s;
  CHECK_FALSE(client.loop.run(client.session->wait_message("mailbox", past)));
}

TEST_CASE("wait: the server is blocked but for the last moment, and sent a word at the end") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  client.run(kEcho.call({}, {"x"}));
  const auto calls = [&](const std::string& command) {
    const std::string stats = server.command({"INFO", "commandstats"}).text();
    const size_t at = stats.find("cmdstat_" + command + ":calls=");
    return at == std::string::npos ? 0 : std::stoi(stats.substr(stats.find('=', at) + 1));
  };
  // On a busy machine the time may be over before anything can be asked.
  REQUIRE(wait_until([&] {
    client.wait_message("mailbox", 100ms);
    return calls("blpop") > 0;
  }));
  REQUIRE(wait_until([&] {
    client.wait_message("mailbox", 300ms);
    return calls("time") > 0;
  }));
  CHECK(client.run(kEcho.call({}, {"y"})).text() == "y");
}

TEST_CASE("wait: the server is asked to end early, for it ends late") {
  const Listener listener;
  Client client("redis://127.0.0.1:" + std::to_string(listener.port()));
  const auto asked_for = [&](Duration limit) {
    auto waiting = client.session->wait_message("mailbox", add(client.loop.now(), limit));
    client.loop.start(waiting);
    const std::string sent = listener.first_bytes(client);
    INFO(sent);
    REQUIRE(sent.find("BLPOP") != std::string::npos);
    const size_t end = sent.rfind("\r\n");
    return std::stod(sent.substr(sent.rfind('\n', end - 1) + 1));
  };
  const double seconds = asked_for(60s);
  CHECK(seconds <= 59.990);
  CHECK(seconds >= 30);  // unless connecting took that long
  // Never 0, which is for ever.
  CHECK(asked_for(100h) <= 3600);
  auto soon = client.session->wait_message("mailbox", client.loop.now() + 9ms);
  client.loop.start(soon);
  REQUIRE(client.turn_until([&] { return soon.done(); }));
  CHECK_FALSE(listener.has_connection());
}

TEST_CASE("wait: cut short by a lost connection, but not in a busy loop") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  SECTION("the connection is closed") {
    Waiting waiting(client, server, 60s);
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
    CHECK_FALSE(waiting.finish());
    CHECK(client.run(kEcho.call({}, {"x"})).text() == "x");
  }
  SECTION("the server is killed and stays away") {
    Waiting waiting(client, server, 60s);
    server.kill();
    CHECK_FALSE(waiting.finish());
    CHECK(client.loop.now() - waiting.start < 30s);
    const TimePoint start = client.loop.now();
    for (int i = 0; i < 5; ++i) CHECK_FALSE(client.wait_message("mailbox", 60s));
    CHECK(client.loop.now() - start >= 250ms);
    server.start();
    server.command({"RPUSH", "mailbox", "again"});
    CHECK(client.wait_message("mailbox", 60s) == "again");
  }
  SECTION("the server is demoted") {
    Waiting waiting(client, server, 60s);
    server.command({"REPLICAOF", "127.0.0.1", "1"});
    CHECK_FALSE(waiting.finish());
    // A replica refuses to block.
    const TimePoint start = client.loop.now();
    for (int i = 0; i < 3; ++i) CHECK_FALSE(client.wait_message("mailbox", 60s));
    CHECK(client.loop.now() - start >= 150ms);
    server.command({"REPLICAOF", "NO", "ONE"});
    server.command({"RPUSH", "mailbox", "again"});
    CHECK(client.wait_message("mailbox", 60s) == "again");
  }
  SECTION("the mailbox is something else") {
    server.command({"SET", "mailbox", "x"});
    const TimePoint start = client.loop.now();
    CHECK_FALSE(client.wait_message("mailbox", 60s));
    CHECK(client.loop.now() - start >= 50ms);
  }
  SECTION("unblocked by hand") {
    Waiting waiting(client, server, 60s);
    const std::string list = server.command({"CLIENT", "LIST", "TYPE", "normal"}).text();
    const size_t at = list.rfind("id=", list.find("name=dcoord"));
    const std::string id = list.substr(at + 3, list.find(' ', at) - at - 3);
    CHECK(server.command({"CLIENT", "UNBLOCK", id, "ERROR"}).number() == 1);
    CHECK_FALSE(waiting.finish());
  }
}

TEST_CASE("wait: never past its moment, whatever the server does") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())), .tcp = true});
  Client client(server.tcp_url());
  Waiting waiting(client, server, 700ms);
  server.stop();
  CHECK_FALSE(waiting.finish());
  const Duration took = client.loop.now() - waiting.start;
  CHECK(took >= 700ms);
  CHECK(took < 10s);
  // With a server that does not even take us in.
  CHECK_FALSE(client.wait_message("mailbox", 500ms));
  server.cont();
  CHECK(client.run(kEcho.call({}, {"x"})).text() == "x");
}

TEST_CASE("wait: given up, it takes no message from whoever waits next") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  {
    Waiting waiting(client, server, 60s);
    waiting.task.cancel();
  }
  REQUIRE(wait_until([&] { return blocked(server) == 0; }));
  server.command({"RPUSH", "mailbox", "mine"});
  CHECK(client.run(kEcho.call({}, {"x"})).text() == "x");
  CHECK(client.wait_message("mailbox", 60s) == "mine");
}

TEST_CASE("wait: a reply that comes late is nobody's") {
  Server server(server_programs().front());
  Peer peer(server.socket());
  peer.plan(0, {Fault::Kind::hold_reply});
  Client client(peer.url());
  CHECK_FALSE(client.wait_message("mailbox", 200ms));
  peer.release();
  CHECK(client.run(kEcho.call({}, {"x"})).text() == "x");
}

TEST_CASE("wait: for ever, as long as nothing comes") {
  Server server(server_programs().front());
  Client client(server.url());
  auto task = client.session->wait_message("mailbox", kNever);
  client.loop.start(task);
  REQUIRE(client.turn_until([&] { return blocked(server) == 1; }));
  server.command({"RPUSH", "mailbox", "at last"});
  REQUIRE(client.turn_until([&] { return task.done(); }));
  CHECK(task.take() == "at last");
}

}  // namespace
}  // namespace dcoord::testing
