// A session with a healthy server.
#include "redis/session.h"

#include <fcntl.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <filesystem>
#include <string>

#include "redis/client.h"

namespace dcoord::testing {
namespace {

const TestScript kEcho("return {KEYS[1], ARGV[1], ARGV[2]}", false);
const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);
const TestScript kPush("return redis.call('RPUSH', KEYS[1], ARGV[1])", true);
const TestScript kPushToo("local n = redis.call('RPUSH', KEYS[1], ARGV[1]) return n", true);

TEST_CASE("session: runs a script, byte for byte") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  const std::string binary("a\0\r\n\xff", 5);
  const TimePoint before = client.loop.now();
  const Answer answer = client.run(kEcho.call({"k"}, {binary, ""}), client.within());
  CHECK(answer.reply.at(0).text() == "k");
  CHECK(answer.reply.at(1).text() == binary);
  CHECK(answer.reply.at(2).text().empty());
  CHECK(answer.sent >= before);
  CHECK(answer.sent <= client.loop.now());
  CHECK(client.command({"CLIENT", "GETNAME"}).text() == "dcoord");
}

TEST_CASE("session: a script's own error is a reply") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  const TestScript own("return redis.error_reply('VERSION this lock has layout 2')", true);
  const redis::Reply reply = client.run(own.call());
  CHECK(reply.is_error());
  CHECK(reply.text() == "VERSION this lock has layout 2");
}

TEST_CASE("session: scripts that the server forgot are loaded again") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  for (int i = 0; i < 3; ++i) {
    server.command({"SCRIPT", "FLUSH"});
    CHECK(client.run(kSet.call({"k"}, {std::to_string(i)})).text() == "OK");
    CHECK(server.command({"GET", "k"}).text() == std::to_string(i));
  }
}

TEST_CASE("session: a pipeline answers in order") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  std::vector<Call> calls;
  for (int i = 0; i < 2500; ++i) {
    calls.push_back((i % 2 == 0 ? kPush : kPushToo).call({"list"}, {std::to_string(i)}));
  }
  const TimePoint before = client.loop.now();
  for (int round = 0; round < 2; ++round) {
    const auto answers = client.loop.run(client.session->run_all(calls, client.within()));
    REQUIRE(answers.size() == calls.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      REQUIRE(answers[i].reply.number() == static_cast<int64_t>(i + 1));
      REQUIRE(answers[i].sent >= (i == 0 ? before : answers[i - 1].sent));
    }
    // The second time the session knows the scripts to be there, wrongly.
    server.command({"FLUSHALL"});
    server.command({"SCRIPT", "FLUSH"});
  }
  CHECK(client.loop.run(client.session->run_all({}, client.within())).empty());
}

TEST_CASE(
    "session: a script missing in the middle of a pipeline is loaded and the rest is sent again, "
    "in order") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  std::vector<Call> calls;
  for (int i = 0; i < 6; ++i)
    calls.push_back((i == 2 || i == 4 ? kPushToo : kPush).call({"list"}, {std::to_string(i)}));
  client.loop.run(client.session->run_all(calls, client.within()));
  const int64_t connection = client.command({"CLIENT", "ID"}).number();
  server.command({"FLUSHALL"});
  server.command({"SCRIPT", "FLUSH"});
  server.command({"SCRIPT", "LOAD", std::string(kPush.script().source)});
  const auto answers = client.loop.run(client.session->run_all(calls, client.within()));
  std::string list;
  const redis::Reply reply = server.command({"LRANGE", "list", "0", "-1"});
  for (const auto& element : reply.elements()) list += element.text();
  // 3 and 5 ran although 2 and 4 had not, and once more after them.
  CHECK(list == "01352345");
  CHECK(answers[1].reply.number() == 2);
  CHECK(answers[2].reply.number() == 5);
  CHECK(answers[5].reply.number() == 8);
  CHECK(client.command({"CLIENT", "ID"}).number() == connection);
}

TEST_CASE("session: much data in both directions stands still nowhere") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  const std::string large(256 << 10, 'x');
  std::vector<Call> calls(60, kEcho.call({"k"}, {large, large}));
  const auto answers = client.loop.run(client.session->run_all(calls, client.within()));
  REQUIRE(answers.size() == calls.size());
  CHECK(answers.back().reply.at(2).text() == large);
}

TEST_CASE("session: plain commands") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  const std::vector<std::vector<std::string>> commands = {
      {"PING"}, {"RPUSH", "k", "a"}, {"LRANGE", "k", "0", "-1"}, {"INFO", "server"}};
  const auto answers = client.loop.run(client.session->run_commands(commands, client.within()));
  CHECK(answers[0].reply.text() == "PONG");
  CHECK(answers[1].reply.number() == 1);
  CHECK(answers[2].reply.at(0).text() == "a");
  CHECK(answers[3].reply.text().find("redis_version") != std::string::npos);
}

TEST_CASE("session: the database of the URL") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url() + "?db=3");
  client.run(kSet.call({"k"}, {"v"}));
  CHECK(server.command({"EXISTS", "k"}).number() == 0);
  client.command({"GET", "k"});
  Client other(server.url() + "?db=3");
  CHECK(other.command({"GET", "k"}).text() == "v");
}

TEST_CASE("session: errors that asking again would not change") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url());
  server.command({"SET", "k", "v"});

  const Error type = error_of([&] { client.run(kPush.call({"k"}, {"x"})); });
  CHECK(type.code() == ExitCode::data);
  says(type, "test/script");
  CHECK(error_of([&] { client.command({"LLEN", "k"}); }).code() == ExitCode::data);

  const Error command = error_of([&] { client.command({"NOSUCH", "x"}); });
  CHECK(command.code() == ExitCode::config);
  says(command, "NOSUCH");

  server.command({"CONFIG", "SET", "maxmemory", "1"});
  CHECK(error_of([&] { client.run(kSet.call({"x"}, {"x"})); }).code() == ExitCode::unavailable);
  server.command({"CONFIG", "SET", "maxmemory", "0"});

  const TestScript bad("local a = nil; return a.b", true);
  CHECK(error_of([&] { client.run(bad.call()); }).code() == ExitCode::unknown);
  const TestScript bad_read("local a = nil; return a.b", false);
  CHECK(error_of([&] { client.run(bad_read.call()); }).code() == ExitCode::internal);

  // The connection is as good as before.
  CHECK(client.run(kSet.call({"k"}, {"w"})).text() == "OK");
  CHECK(server.command({"GET", "k"}).text() == "w");
}

TEST_CASE("session: a script whose SHA1 is not its own is a bug, not an endless loop") {
  Server server(server_programs().front());
  Client client(server.url());
  const std::string sha(40, 'a');
  const redis::Script script{"test/wrong", sha, "return 1", true};
  const Call call{&script, {}, {}};
  CHECK(error_of([&] { client.run(call); }).code() == ExitCode::internal);
}

TEST_CASE("session: two things at once are refused") {
  Server server(server_programs().front());
  Client client(server.url());
  auto waiting = client.session->wait_message("mailbox", client.loop.now() + 60s);
  client.loop.start(waiting);
  CHECK(error_of([&] { client.run(kSet.call({"k"}, {"v"})); }).code() == ExitCode::internal);
}

TEST_CASE("session: descriptors are not passed on to what is executed") {
  Server server(ServerSettings{.program = server_programs().front(), .tcp = true});
  Client client(server.tcp_url());
  client.run(kSet.call({"k"}, {"v"}));
  int sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (!std::filesystem::read_symlink(entry, gone).string().starts_with("socket:")) continue;
    const int fd = std::stoi(entry.path().filename());
    ++sockets;
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  }
  CHECK(sockets >= 1);
}

}  // namespace
}  // namespace dcoord::testing
