// TLS against real servers.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <string>

#include "redis/client.h"
#include "redis/session.h"
#include "support/certificates.h"

namespace dcoord::testing {
namespace {

const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);
const TestScript kEcho("return ARGV[1]", false);

const Certificates& certificates() {
  static const Certificates made;
  static const bool issued = [] {
    made.issue("good", "DNS:localhost,IP:127.0.0.1");
    made.issue("other", "DNS:other.example,DNS:*.wild.example");
    made.issue("expired", "DNS:localhost,IP:127.0.0.1", true);
    made.self_signed("self", "DNS:localhost,IP:127.0.0.1");
    made.issue("client", "DNS:client");
    made.self_signed("stranger", "DNS:client");
    return true;
  }();
  (void)issued;
  return made;
}

ServerSettings settings(const std::string& program, const std::string& certificate,
                        bool clients = false) {
  ServerSettings result{.program = program};
  result.tls = true;
  result.config = certificates().server_lines(certificate, clients);
  return result;
}

redis::Server target(const Server& server, const std::string& host = "127.0.0.1") {
  redis::Server result =
      redis::parse_url("rediss://" + host + ":" + std::to_string(server.port()), "-u");
  result.tls.ca_file = certificates().ca();
  return result;
}

Error refusal(const redis::Server& server) {
  Client client(server);
  return error_of([&] { client.run(kSet.call({"k"}, {"v"}), client.within()); });
}

TEST_CASE("tls: a certificate of the authority, for the name or the number") {
  Server server(settings(GENERATE(from_range(server_programs())), "good"));
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    Client client(target(server, host));
    CHECK(client.run(kSet.call({"k"}, {host})).text() == "OK");
    CHECK(server.command({"GET", "k"}).text() == host);
    CHECK_FALSE(client.wait_message("mailbox", 200ms));
  }
}

TEST_CASE("tls: much data in both directions") {
  Server server(settings(GENERATE(from_range(server_programs())), "good"));
  Client client(target(server));
  const std::string large(256 << 10, 'x');
  std::vector<Call> calls(40, kEcho.call({}, {large}));
  const auto answers = client.loop.run(client.session->run_all(calls, client.within()));
  REQUIRE(answers.size() == calls.size());
  CHECK(answers.back().reply.text() == large);
  std::vector<Call> many(3000, kEcho.call({}, {"x"}));
  CHECK(client.loop.run(client.session->run_all(many, client.within())).size() == many.size());
}

TEST_CASE("tls: an idle connection is used again, a closed one noticed") {
  Server server(settings(server_programs().front(), "good"));
  Client client(target(server));
  const auto id = [&] { return client.command({"CLIENT", "ID"}).number(); };
  const int64_t first = id();
  CHECK(id() == first);
  server.command({"CLIENT", "KILL", "TYPE", "normal"});
  CHECK(id() != first);
}

TEST_CASE("tls: what does not verify is refused, and says why") {
  const std::string program = GENERATE(from_range(server_programs()));
  struct Row {
    std::string certificate;
    std::string says;
  };
  for (const Row& row :
       {Row{"other", "mismatch"}, Row{"expired", "expired"}, Row{"self", "self-signed"}}) {
    INFO(row.certificate);
    Server server(settings(program, row.certificate));
    const Error error = refusal(target(server));
    CHECK(error.code() == ExitCode::permission);
    CHECK(error.kind() == "tls");
    says(error, row.says);
    CHECK(server.command({"EXISTS", "k"}).number() == 0);

    redis::Server insecure = target(server);
    insecure.tls.insecure = true;
    Client client(insecure);
    CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
  }
  // Without its authority a good certificate is nobody's.
  Server server(settings(program, "good"));
  redis::Server unknown = target(server);
  unknown.tls.ca_file.clear();
  CHECK(refusal(unknown).code() == ExitCode::permission);
}

TEST_CASE("tls: the name that is verified can be another than the host") {
  Server server(settings(server_programs().front(), "other"));
  redis::Server named = target(server);
  for (const std::string name : {"other.example", "a.wild.example"}) {
    named.tls.sni = name;
    Client client(named);
    CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
  }
  for (const std::string name : {"example", "x.other.example", "a.b.wild.example", "10.0.0.1"}) {
    named.tls.sni = name;
    CHECK(refusal(named).code() == ExitCode::permission);
  }
}

/// What a client says first to whoever listens.
std::string hello(const std::string& name) {
  const Listener listener;
  redis::Server server =
      redis::parse_url("rediss://127.0.0.1:" + std::to_string(listener.port()), "-u");
  server.tls.ca_file = certificates().ca();
  server.tls.sni = name;
  Client client(server);
  auto running = client.session->run(kEcho.call({}, {"x"}), client.within());
  client.loop.start(running);
  return listener.first_bytes(client);
}

TEST_CASE("tls: the name is asked for, unless it is a number") {
  CHECK(hello("asked.example").find("asked.example") != std::string::npos);
  CHECK(hello("").find("127.0.0.1") == std::string::npos);
}

TEST_CASE("tls: a client certificate where one is asked for") {
  Server server(settings(GENERATE(from_range(server_programs())), "good", true));
  redis::Server with = target(server);
  with.tls.cert_file = certificates().file("client.crt");
  with.tls.key_file = certificates().file("client.key");
  Client client(with);
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");

  const Error without = refusal(target(server));
  CHECK(without.code() == ExitCode::permission);
  with.tls.cert_file = certificates().file("stranger.crt");
  with.tls.key_file = certificates().file("stranger.key");
  CHECK(refusal(with).code() == ExitCode::permission);
}

TEST_CASE("tls: files that cannot be used are named") {
  Server server(settings(server_programs().front(), "good"));
  const auto wrong = [&](auto change, const std::string& file) {
    redis::Server changed = target(server);
    change(changed.tls);
    const Error error = refusal(changed);
    CHECK(error.code() == ExitCode::config);
    says(error, file);
  };
  const std::string nosuch = certificates().file("nosuch");
  const std::string crt = certificates().file("client.crt");
  const std::string key = certificates().file("client.key");
  wrong([&](redis::TlsOptions& tls) { tls.ca_file = nosuch; }, nosuch);
  wrong([&](redis::TlsOptions& tls) { tls.ca_file = key; }, key);
  wrong([&](redis::TlsOptions& tls) { tls.ca_dir = nosuch; }, nosuch);
  wrong([&](redis::TlsOptions& tls) { tls.cert_file = crt; }, "its key");
  wrong([&](redis::TlsOptions& tls) { tls.cert_file = nosuch, tls.key_file = key; }, nosuch);
  wrong([&](redis::TlsOptions& tls) { tls.cert_file = crt, tls.key_file = nosuch; }, nosuch);
  wrong(
      [&](redis::TlsOptions& tls) {
        tls.cert_file = crt, tls.key_file = certificates().file("good.key");
      },
      "good.key");
}

TEST_CASE("tls: with whom does not speak it, and without it with whom does") {
  Server plain(ServerSettings{.program = server_programs().front(), .tcp = true});
  redis::SessionOptions options;
  options.connect_timeout = 300ms;
  options.command_timeout = 300ms;
  Client tls_client(target(plain), options);
  const Error error =
      error_of([&] { tls_client.run(kSet.call({"k"}, {"v"}), tls_client.within(500ms)); });
  CHECK((error.code() == ExitCode::config || error.code() == ExitCode::unavailable));
  says(error, "TLS");

  Server server(settings(server_programs().front(), "good"));
  Client plain_client("redis://127.0.0.1:" + std::to_string(server.port()), options);
  const Error other =
      error_of([&] { plain_client.run(kEcho.call({}, {"v"}), plain_client.within(500ms)); });
  CHECK(other.code() == ExitCode::unavailable);

  Client unix_client([&] {
    redis::Server result = redis::parse_url(plain.url(), "-u");
    result.tls.enabled = true;
    return result;
  }());
  CHECK(error_of([&] { unix_client.run(kEcho.call({}, {"v"})); }).code() == ExitCode::config);
}

TEST_CASE("tls: a server that stands still in the handshake is given up in time") {
  Server server(settings(server_programs().front(), "good"));
  redis::SessionOptions options;
  options.connect_timeout = 300ms;
  Client client(target(server), options);
  server.stop();
  const TimePoint start = client.loop.now();
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"}), client.within(500ms)); });
  CHECK(error.code() == ExitCode::unavailable);
  CHECK(client.loop.now() - start < 10s);
  server.cont();
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
}

}  // namespace
}  // namespace dcoord::testing
