// Passwords, users, databases: what is refused, and that nothing ran because of it.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "redis/client.h"
#include "redis/script_commands.h"
#include "redis/scripts.h"
#include "redis/session.h"
#include "support/peer.h"

namespace dcoord::testing {
namespace {

const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);
const TestScript kGet("return redis.call('GET', KEYS[1])", false);

std::string with_login(const std::string& url, const std::string& login) {
  return "unix://" + login + "@" + url.substr(7);
}

TEST_CASE("login: a password, right, wrong and missing") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())),
                               .config = {"requirepass se/cret"}});
  server.login = {"se/cret"};
  Client right(with_login(server.url(), "se%2Fcret"));
  CHECK(right.run(kSet.call({"k"}, {"v"})).text() == "OK");
  CHECK(right.run(kGet.call({"k"})).text() == "v");
  Client reading(with_login(server.url(), "se%2Fcret"));
  CHECK(reading.run(kGet.call({"k"})).text() == "v");
  CHECK(reading.command({"CLIENT", "GETNAME"}).text() == "dcoord");

  Client wrong(with_login(server.url(), "not-it"));
  for (const Call& call : {kSet.call({"k"}, {"w"}), kGet.call({"k"})}) {
    const Error error = error_of([&] { wrong.run(call); });
    CHECK(error.code() == ExitCode::permission);
    CHECK(error.kind() == "authentication");
    CHECK(std::string(error.what()).find("not-it") == std::string::npos);
  }
  CHECK(error_of([&] { wrong.wait_message("m", 10s); }).code() == ExitCode::permission);

  Client none(server.url());
  CHECK(error_of([&] { none.run(kSet.call({"k"}, {"w"})); }).code() == ExitCode::permission);
  // A server bounds what it reads from whoever is not logged in, and says that in other words.
  const std::vector<std::string> many(20, "x");
  CHECK(error_of([&] { none.run(kSet.call({"k"}, many)); }).code() == ExitCode::permission);
  CHECK(server.command({"GET", "k"}).text() == "v");
}

TEST_CASE("login: a password for a server that has none") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(with_login(server.url(), "secret"));
  CHECK(error_of([&] { client.run(kSet.call({"k"}, {"v"})); }).code() == ExitCode::permission);
  CHECK(server.command({"EXISTS", "k"}).number() == 0);
}

TEST_CASE(
    "login: after a refused AUTH a writing script does not run, though the default user could") {
  Server server(GENERATE(from_range(server_programs())));
  server.command({"ACL", "SETUSER", "al", "on", ">right", "~*", "&*", "+@all"});
  Client client(with_login(server.url(), "al:wrong"));
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"})); });
  CHECK(error.code() == ExitCode::permission);
  says(error, "al");
  CHECK(error_of([&] {
          client.loop.run(client.session->run_all({kSet.call({"k"}, {"v"})}, client.within()));
        }).code() == ExitCode::permission);
  CHECK(server.command({"EXISTS", "k"}).number() == 0);
  Client right(with_login(server.url(), "al:right"));
  CHECK(right.command({"ACL", "WHOAMI"}).text() == "al");
}

TEST_CASE("login: after a refused SELECT a writing script does not run in database 0") {
  Server server(GENERATE(from_range(server_programs())));
  Client client(server.url() + "?db=99");
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"})); });
  CHECK(error.code() == ExitCode::config);
  says(error, "99");
  CHECK(server.command({"EXISTS", "k"}).number() == 0);
  // Of a reading one that was sent along the reply is dropped.
  server.command({"SET", "k", "of database 0"});
  CHECK(error_of([&] { client.run(kGet.call({"k"})); }).code() == ExitCode::config);
}

TEST_CASE("login: a user without a permission is told which") {
  const std::string program = GENERATE(from_range(server_programs()));
  Server server(program);
  const std::vector<std::string> user = {"ACL", "SETUSER",   "al",   "on",
                                         ">x",  "resetkeys", "~d:*", "-@all"};
  const auto allow = [&](const std::vector<std::string>& commands) {
    std::vector<std::string> words = user;
    words.insert(words.end(), commands.begin(), commands.end());
    REQUIRE_FALSE(server.command(words).is_error());
  };
  const std::string url = with_login(server.url(), "al:x");
  const auto error_with = [&](const std::vector<std::string>& commands, const Call& call) {
    allow(commands);
    Client client(url);
    const Error error = error_of([&] { client.run(call); });
    CHECK(error.code() == ExitCode::permission);
    return error;
  };
  says(error_with({}, kSet.call({"d:k"}, {"v"})), "'evalsha'");
  says(error_with({"+evalsha"}, kSet.call({"d:k"}, {"v"})), "'script|load'");
  const Error inside = error_with({"+evalsha", "+script|load"}, kSet.call({"d:k"}, {"v"}));
  if (program.find("valkey") != std::string::npos) says(inside, "'set'");
  error_with({"+evalsha", "+script|load", "+set"}, kSet.call({"other"}, {"v"}));

  allow({"+evalsha", "+script|load", "+set"});
  Client client(url);
  CHECK(client.run(kSet.call({"d:k"}, {"v"})).text() == "OK");
  const Error waiting = error_of([&] { client.wait_message("d:m", 10s); });
  CHECK(waiting.code() == ExitCode::permission);
  says(waiting, "'blpop'");
  // Who may not load scripts can use those that others loaded.
  allow({"+evalsha", "-script|load", "+set"});
  Client loaded(url);
  const auto answers =
      loaded.loop.run(loaded.session->run_all({kSet.call({"d:k"}, {"w"})}, loaded.within()));
  CHECK(answers.front().reply.text() == "OK");
}

TEST_CASE("login: a script is not begun by whoever lacks any one of the commands that it calls") {
  Server server(GENERATE(from_range(server_programs())));
  if (server.command({"EVAL", "return redis.acl_check_cmd and 1 or 0", "0"}).number() == 0)
    SKIP("this server cannot tell what a user may do");
  int refused = 0;
  for (unsigned long i = 0; i < redis::scripts::kCount; ++i) {
    const redis::Script& script = *redis::scripts::kAll[i];
    if (!script.writes) continue;
    for (const std::string_view command : redis::commands_of(script.name)) {
      INFO(script.name << " without " << command);
      const std::string name = redis::acl_name(command);
      server.command({"ACL", "SETUSER", "al", "reset", "on", ">x", "~*", "+@all", "-" + name});
      Client client(with_login(server.url(), "al:x"));
      const Error error = error_of([&] { client.run(Call{&script, {"k"}, {"a"}}); });
      CHECK(error.code() == ExitCode::permission);
      says(error, "user 'al' may not run '" + name + "'");
      CHECK(error.hint().find("ACL SETUSER al +" + name + "; `dcoord config acl`") == 0);
      ++refused;
    }
  }
  CHECK(refused > 200);
  // None of them came as far as to be asked for.
  CHECK(server.command({"INFO", "errorstats"}).text().find("errorstat_NOSCRIPT") ==
        std::string::npos);
  server.command({"ACL", "SETUSER", "al", "reset", "on", ">x", "~*", "+@all", "-hset"});
  Client client(with_login(server.url(), "al:x"));
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
}

TEST_CASE("login: the password is asked for once, and at each connection sent again") {
  Server server(
      ServerSettings{.program = server_programs().front(), .config = {"requirepass secret"}});
  server.login = {"secret"};
  int asked = 0;
  redis::Server target = redis::parse_url(server.url(), "-u");
  target.password = [&]() -> std::optional<std::string> {
    ++asked;
    return "secret";
  };
  Client client(target);
  CHECK(asked == 0);
  for (int i = 0; i < 3; ++i) {
    client.run(kSet.call({"k"}, {"v"}));
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
  }
  CHECK(asked == 1);
}

TEST_CASE("login: a password that cannot be had is asked for again") {
  Server server(
      ServerSettings{.program = server_programs().front(), .config = {"requirepass secret"}});
  redis::Server target = redis::parse_url(server.url(), "-u");
  bool there = false;
  target.password = [&]() -> std::optional<std::string> {
    if (!std::exchange(there, true)) throw config_error("no such file");
    return "secret";
  };
  Client client(target);
  CHECK(error_of([&] { client.run(kSet.call({"k"}, {"v"})); }).code() == ExitCode::config);
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
}

TEST_CASE("login: the time that a person takes to type is not the server's") {
  Server server(
      ServerSettings{.program = server_programs().front(), .config = {"requirepass secret"}});
  redis::Server target = redis::parse_url(server.url(), "-u");
  SystemClock clock;
  target.password = [&]() -> std::optional<std::string> {
    const TimePoint until = clock.now() + 300ms;
    while (clock.now() < until) clock.wait({}, until);
    return "secret";
  };
  Client client(target);
  const Patience patience{client.loop.now() + 100ms, client.loop.now() + 100ms};
  const Patience generous{patience.until + 60s, patience.connect_until};
  CHECK(client.run(kSet.call({"k"}, {"v"}), generous).reply.text() == "OK");
}

TEST_CASE("login: without credentials a first script takes one round trip") {
  Server server(server_programs().front());
  server.command({"SCRIPT", "LOAD", std::string(kSet.script().source)});
  // The first reply is dropped on the way: had the script waited for it, it would not have run.
  Peer peer(server.socket());
  peer.plan(0, {.kind = Fault::Kind::hold_reply});
  Client client(peer.url());
  auto running = client.session->run(kSet.call({"k"}, {"v"}), client.within());
  client.loop.start(running);
  CHECK(client.turn_until([&] { return server.command({"EXISTS", "k"}).number() == 1; }));
  peer.release();
  CHECK(client.turn_until([&] { return running.done(); }));
}

TEST_CASE("login: a full server is asked again until it lets us in") {
  Server server(ServerSettings{.program = GENERATE(from_range(server_programs())), .tcp = true});
  auto holder = std::make_unique<Client>(server.tcp_url());
  holder->command({"PING"});
  server.command({"CONFIG", "SET", "maxclients", "1"});
  Client client(server.tcp_url());
  const Error error = last_error(client, kSet.call({"k"}, {"v"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "max number of clients");
  auto running = client.session->run(kSet.call({"k"}, {"v"}), client.within());
  client.loop.start(running);
  holder.reset();
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "OK");
}

}  // namespace
}  // namespace dcoord::testing
