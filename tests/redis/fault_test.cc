// Lost replies, broken connections and servers that are not ready: the same request is asked again,
// and what may have been executed is never reported as if it had not been.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <filesystem>
#include <string>

#include "redis/client.h"
#include "redis/protocol.h"
#include "redis/session.h"
#include "support/peer.h"

namespace dcoord::testing {
namespace {

/// Leaves a mark for each execution, and answers with what it was asked.
const TestScript kMark("redis.call('RPUSH', KEYS[1], ARGV[1]) return ARGV[1]", true);
const TestScript kRead("return ARGV[1]", false);

int64_t marks(const Server& server) { return server.command({"LLEN", "marks"}).number(); }

redis::SessionOptions impatient() {
  redis::SessionOptions options;
  options.connect_timeout = 300ms;
  options.command_timeout = 300ms;
  return options;
}

struct LostReply {
  Fault fault;
  int executions;  // of the request whose first attempt meets the fault
};

TEST_CASE("fault: a request whose reply is lost is asked again, and answered") {
  Server server(GENERATE(from_range(server_programs())));
  const std::vector<LostReply> faults = {
      {{Fault::Kind::reset_request}, 1},
      {{Fault::Kind::reset_reply, 0}, 2},
      {{Fault::Kind::reset_reply, 3}, 2},
      {{Fault::Kind::close_reply, 0}, 2},
      {{Fault::Kind::close_reply, 7}, 2},
      {{Fault::Kind::garbage, 0, "HTTP/1.1 400 Bad Request\r\n\r\n"}, 2},
      {{Fault::Kind::garbage, 0, "*1000000000\r\n"}, 2},
      {{Fault::Kind::garbage, 0, "$-5\r\n"}, 2},
      {{Fault::Kind::garbage, 0, std::string("\0\0\0\0", 4)}, 2},
      {{Fault::Kind::silence}, 1},
      {{Fault::Kind::hold_reply}, 2},
  };
  server.command({"SCRIPT", "LOAD", std::string(kMark.script().source)});
  for (size_t i = 0; i < faults.size(); ++i) {
    INFO("fault " << i);
    Peer peer(server.socket());
    peer.plan(0, faults[i].fault);
    server.command({"DEL", "marks"});
    Client client(peer.url(), impatient());
    const TimePoint before = client.loop.now();
    const Answer answer = client.run(kMark.call({"marks"}, {"mine"}), client.within());
    CHECK(answer.reply.text() == "mine");
    CHECK(answer.sent > before);
    CHECK(peer.faults() >= 1);
    CHECK(peer.connections() == 2);
    CHECK(marks(server) == faults[i].executions);
  }
}

TEST_CASE("fault: cut at any byte, of the request or of the reply") {
  Server server(GENERATE(from_range(server_programs())));
  server.command({"SCRIPT", "LOAD", std::string(kMark.script().source)});
  // "+OK" to the name and "$4 mine", with line ends; of the request the last byte is what matters.
  std::string request;
  redis::append_command(request, {"CLIENT", "SETNAME", "dcoord"});
  redis::append_command(request, {"EVALSHA", kMark.script().sha1, "1", "marks", "mine"});
  const auto check = [&](Fault fault, int executions) {
    INFO("after " << fault.bytes);
    Peer peer(server.socket());
    peer.plan(0, fault);
    server.command({"DEL", "marks"});
    Client client(peer.url());
    REQUIRE(client.run(kMark.call({"marks"}, {"mine"})).text() == "mine");
    REQUIRE(peer.faults() == 1);
    REQUIRE(marks(server) == executions);
  };
  for (size_t bytes = 0; bytes < 15; ++bytes) check({Fault::Kind::close_reply, bytes, ""}, 2);
  for (size_t bytes = 1; bytes < request.size(); ++bytes) {
    check({Fault::Kind::cut_request, bytes, ""}, 1);
  }
}

TEST_CASE("fault: a time is counted from the attempt that was answered") {
  Server server(server_programs().front());
  Peer peer(server.socket());
  peer.plan(0, {Fault::Kind::silence});
  Client client(peer.url(), impatient());
  const TimePoint before = client.loop.now();
  const Answer answer = client.run(kMark.call({"marks"}, {"x"}), client.within());
  CHECK(answer.sent - before >= 300ms);
  CHECK(answer.sent <= client.loop.now());
}

TEST_CASE("fault: a time is counted from when the request was sent, not from the reply") {
  Server server(server_programs().front());
  server.command({"SCRIPT", "LOAD", std::string(kMark.script().source)});
  Peer peer(server.socket());
  peer.plan(0, {Fault::Kind::hold_reply});
  Client client(peer.url());
  auto running = client.session->run(kMark.call({"marks"}, {"x"}), client.within());
  client.loop.start(running);
  REQUIRE(client.turn_until([&] { return peer.faults() > 0; }));
  const TimePoint sent = client.loop.now();
  peer.release();
  REQUIRE(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().sent <= sent);
}

TEST_CASE("fault: a pipeline cut anywhere is finished, each request in order") {
  Server server(GENERATE(from_range(server_programs())));
  for (const size_t bytes : {size_t{0}, size_t{45}, size_t{100}, size_t{500}, size_t{1000}}) {
    INFO("cut after " << bytes);
    server.command({"DEL", "marks"});
    Peer peer(server.socket());
    peer.plan(0, {Fault::Kind::reset_reply, bytes});
    Client client(peer.url());
    std::vector<Call> calls;
    for (int i = 0; i < 300; ++i) calls.push_back(kMark.call({"marks"}, {std::to_string(i)}));
    const auto answers = client.loop.run(client.session->run_all(calls, client.within()));
    REQUIRE(answers.size() == calls.size());
    for (size_t i = 0; i < answers.size(); ++i)
      REQUIRE(answers[i].reply.text() == std::to_string(i));
    CHECK(peer.faults() == 1);
    CHECK(marks(server) >= 300);
  }
}

TEST_CASE("fault: when patience ends, what may be done is unknown and what cannot be is not") {
  Server server(GENERATE(from_range(server_programs())));
  struct Row {
    Fault::Kind kind;
    bool writes;
    ExitCode code;
  };
  const std::vector<Row> rows = {
      {Fault::Kind::reset_reply, true, ExitCode::unknown},
      {Fault::Kind::silence, true, ExitCode::unknown},
      {Fault::Kind::reset_reply, false, ExitCode::unavailable},
      {Fault::Kind::silence, false, ExitCode::unavailable},
  };
  for (const Row& row : rows) {
    Peer peer(server.socket());
    for (int i = 0; i < 100; ++i) peer.plan(i, {row.kind});
    Client client(peer.url(), impatient());
    const TimePoint start = client.loop.now();
    const TestScript& script = row.writes ? kMark : kRead;
    const Error error =
        error_of([&] { client.run(script.call({"marks"}, {"x"}), client.within(700ms)); });
    const Duration took = client.loop.now() - start;
    CHECK(error.code() == row.code);
    CHECK(took >= 600ms);
    CHECK(took < 10s);
  }
}

TEST_CASE("fault: an error after an attempt that may have been executed is still unknown") {
  Server server(GENERATE(from_range(server_programs())));
  server.command({"ACL", "SETUSER", "al", "on", ">x", "~*", "+@all"});
  Peer peer(server.socket());
  peer.plan(0, {Fault::Kind::hold_reply});
  redis::Server target =
      redis::parse_url("redis://al:x@127.0.0.1:" + std::to_string(peer.port()), "-u");
  // The login of the first connection must pass: take the second, of which only the script meets
  // the fault.
  Client client(target, impatient());
  peer.release();
  CHECK(client.run(kMark.call({"marks"}, {"x"})).text() == "x");
  server.stop();
  auto running = client.session->run(kMark.call({"marks"}, {"x"}), client.within());
  client.loop.start(running);
  CHECK(client.turn_until([&] { return peer.connections() >= 2; }));
  server.cont();
  server.command({"ACL", "DELUSER", "al"});
  CHECK(client.turn_until([&] { return running.done(); }));
  // Either an attempt came through before the user was gone, or what is known is only that one may
  // have.
  std::string outcome;
  try {
    outcome = running.take().reply.text();
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::unknown);
    outcome = "x";
  }
  CHECK(outcome == "x");
}

TEST_CASE(
    "fault: connections that were closed or spoken to while idle are noticed before they are "
    "used") {
  Server server(GENERATE(from_range(server_programs())));
  Peer peer(server.socket());
  Client client(peer.url());
  CHECK(client.run(kMark.call({"marks"}, {"a"})).text() == "a");
  CHECK(marks(server) == 1);
  peer.reset_all();
  const Patience once = client.within();
  CHECK(client.run(kMark.call({"marks"}, {"b"}), once).reply.text() == "b");
  CHECK(marks(server) == 2);
  server.command({"CLIENT", "KILL", "TYPE", "normal"});
  CHECK(client.run(kMark.call({"marks"}, {"c"})).text() == "c");
  CHECK(marks(server) == 3);
  const int before = peer.connections();
  peer.say("+late\r\n");
  CHECK(client.run(kMark.call({"marks"}, {"d"})).text() == "d");
  CHECK(marks(server) == 4);
  CHECK(peer.connections() == before + 1);
}

TEST_CASE(
    "fault: a server that stands still past the time-out and goes on answers the next request with "
    "its own reply") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())), .tcp = true});
  Client client(server.tcp_url(), impatient());
  CHECK(client.run(kMark.call({"marks"}, {"first"})).text() == "first");
  server.stop();
  auto running = client.session->run(kMark.call({"marks"}, {"second"}), client.within());
  client.loop.start(running);
  // Three attempts' time, all of which the server will find when it goes on.
  const TimePoint later = client.loop.now() + 900ms;
  CHECK(client.turn_until([&] { return client.loop.now() > later; }));
  CHECK_FALSE(running.done());
  server.cont();
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "second");
  CHECK(client.run(kMark.call({"marks"}, {"third"})).text() == "third");
}

TEST_CASE("fault: a server that stands still is unknown when patience ends, for what writes") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())), .tcp = true});
  Client client(server.tcp_url(), impatient());
  client.run(kMark.call({"marks"}, {"x"}));
  server.stop();
  CHECK(error_of([&] { client.run(kMark.call({"marks"}, {"x"}), client.within(500ms)); }).code() ==
        ExitCode::unknown);
  CHECK(error_of([&] { client.run(kRead.call({}, {"x"}), client.within(500ms)); }).code() ==
        ExitCode::unavailable);
  server.cont();
  CHECK(client.run(kMark.call({"marks"}, {"y"})).text() == "y");
}

TEST_CASE("fault: killed and started again, the server is found again") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())), .tcp = true});
  Client client(server.tcp_url());
  client.run(kMark.call({"marks"}, {"x"}));
  server.kill();
  auto running = client.session->run(kMark.call({"marks"}, {"y"}), client.within());
  client.loop.start(running);
  const TimePoint later = client.loop.now() + 100ms;
  CHECK(client.turn_until([&] { return client.loop.now() > later; }));
  server.start();
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "y");
  CHECK(marks(server) == 1);
}

TEST_CASE("fault: the limit on connecting is none for what was sent") {
  Server server(GENERATE(from_range(server_programs())));
  Peer peer(server.socket());
  Client client(peer.url());
  client.run(kMark.call({"marks"}, {"x"}));
  server.stop();
  const Patience patience{client.loop.now() + 60s, client.loop.now() - 1s};
  auto running = client.session->run(kMark.call({"marks"}, {"y"}), patience);
  client.loop.start(running);
  peer.reset_all();
  CHECK(client.turn_until([&] { return peer.connections() >= 2; }));
  server.cont();
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "y");
}

TEST_CASE("fault: a server that is loading its data is waited for") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())),
                               .config = {"enable-debug-command yes"}});
  server.command({"DEBUG", "POPULATE", "1500"});
  server.command({"SAVE"});
  server.kill();
  // 1,500 keys, one each millisecond, with a look at the connections after each.
  server.start({"key-load-delay 1000", "loading-process-events-interval-bytes 1024"}, false);
  Client client(server.url());
  Patience patience = client.within();
  CHECK(client.run(kMark.call({"marks"}, {"x"}), patience).reply.text() == "x");
  CHECK(server.command({"DBSIZE"}).number() == 1501);
}

TEST_CASE("fault: loading is unavailable, not unknown, when patience ends") {
  Server server(
      ServerSettings{.program = server_programs().front(), .config = {"enable-debug-command yes"}});
  server.command({"DEBUG", "POPULATE", "60000"});
  server.command({"SAVE"});
  server.kill();
  server.start({"key-load-delay 1000", "loading-process-events-interval-bytes 1024"}, false);
  REQUIRE(wait_until([&] {
    try {
      return server.command({"PING"}).text().starts_with("LOADING");
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
  Client client(server.url());
  const Error error = last_error(client, kMark.call({"marks"}, {"x"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "LOADING");
}

TEST_CASE("fault: a replica is asked again, over new connections, until it is a master") {
  Server server(GENERATE(from_range(server_programs())));
  Peer peer(server.socket());
  Client client(peer.url());
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  const Error error = last_error(client, kMark.call({"marks"}, {"x"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "READONLY");
  const int before = peer.connections();
  CHECK(before >= 2);
  auto running = client.session->run(kMark.call({"marks"}, {"x"}), client.within());
  client.loop.start(running);
  CHECK(client.turn_until([&] { return peer.connections() >= before + 2; }));
  server.command({"REPLICAOF", "NO", "ONE"});
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "x");
}

TEST_CASE("fault: a replica without its master is not asked for old data") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  client.run(kMark.call({"marks"}, {"x"}));
  server.command({"CONFIG", "SET", "replica-serve-stale-data", "no"});
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  const Error error = last_error(client, kMark.call({"marks"}, {"x"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "MASTERDOWN");
}

TEST_CASE("fault: a server that cannot save its data is waited for") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())),
                               .config = {"save 3600 1"}});
  // Saving ends with a rename onto a directory.
  const std::string in_the_way = server.directory() + "/dump.rdb";
  REQUIRE(std::filesystem::create_directory(in_the_way));
  server.command({"BGSAVE"});
  REQUIRE(wait_until([&] {
    return server.command({"INFO", "persistence"}).text().find("rdb_last_bgsave_status:err") !=
           std::string::npos;
  }));
  Client client(server.url());
  const Error error = last_error(client, kMark.call({"marks"}, {"x"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "MISCONF");
}

TEST_CASE("fault: too few replicas are waited for") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  server.command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  const Error error = last_error(client, kMark.call({"marks"}, {"x"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "NOREPLICAS");
  server.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  CHECK(client.run(kMark.call({"marks"}, {"x"})).text() == "x");
}

TEST_CASE("fault: a server busy with somebody's script is waited for") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())),
                               .config = {"lua-time-limit 50"}});
  Client other(server.url());
  const TestScript endless("while true do end", false);
  auto looping = other.session->run(endless.call(), other.within());
  other.loop.start(looping);
  CHECK(other.turn_until([&] { return server.command({"PING"}).is_error(); }));
  Client client(server.url());
  const Error error = last_error(client, kMark.call({"marks"}, {"x"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "BUSY");
  looping.cancel();
  auto running = client.session->run(kMark.call({"marks"}, {"x"}), client.within());
  client.loop.start(running);
  server.command({"SCRIPT", "KILL"});
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "x");
}

TEST_CASE("fault: what was cancelled is not answered to somebody else") {
  Server server(GENERATE(from_range(server_programs())));
  Peer peer(server.socket());
  peer.plan(0, {Fault::Kind::hold_reply});
  peer.plan(1, {Fault::Kind::silence});
  Client client(peer.url());
  for (int i = 0; i < 2; ++i) {
    auto running = client.session->run(kMark.call({"marks"}, {"cancelled"}), client.within());
    client.loop.start(running);
    CHECK(client.turn_until([&] { return peer.faults() > i; }));
    running.cancel();
  }
  peer.release();
  CHECK(client.run(kMark.call({"marks"}, {"mine"})).text() == "mine");
  CHECK(peer.connections() == 3);
  CHECK(client.run(kRead.call({}, {"next"})).text() == "next");
  CHECK(peer.connections() == 3);
}

TEST_CASE("fault: no time left is no time to begin") {
  Server server(server_programs().front());
  Client client(server.url());
  const Error error =
      error_of([&] { client.run(kMark.call({"marks"}, {"x"}), client.within(0ms)); });
  CHECK(error.code() == ExitCode::unavailable);
  CHECK(marks(server) == 0);
}

}  // namespace
}  // namespace dcoord::testing
