// Making a connection: who is not there, who does not answer, and names.
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "redis/client.h"
#include "redis/resolve.h"
#include "redis/session.h"
#include "redis/socket.h"
#include "support/peer.h"

namespace dcoord::testing {
namespace {

const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);

redis::Address loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  redis::Address result;
  std::memcpy(&result.storage, &address, sizeof address);
  result.length = sizeof address;
  return result;
}

/// Listens and never accepts, with a backlog that is full: whoever connects gets no answer at all.
class FullBacklog {
 public:
  explicit FullBacklog(redis::Address at) : address_(at) {
    listener_.reset(socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at.storage), at.length) == 0);
    REQUIRE(listen(listener_.get(), 0) == 0);
    for (int i = 0; i < 8; ++i) {
      UniqueFd& fd =
          fillers_.emplace_back(socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)connect(fd.get(), reinterpret_cast<const sockaddr*>(&at.storage), at.length);
    }
  }

 private:
  redis::Address address_;
  UniqueFd listener_;
  std::vector<UniqueFd> fillers_;
};

TEST_CASE("connect: nobody listens") {
  const int port = free_port();
  Client client("redis://127.0.0.1:" + std::to_string(port));
  const TimePoint start = client.loop.now();
  const Patience patience{start + 60s, start + 1s};
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"}), patience); });
  const Duration took = client.loop.now() - start;
  CHECK(error.code() == ExitCode::unavailable);
  CHECK(error.kind() == "unreachable");
  CHECK(error.what() ==
        "cannot connect to Redis at 127.0.0.1:" + std::to_string(port) + ": Connection refused");
  CHECK(error.hint() == "set DCOORD_URL or -u redis://HOST:6379/0 (now: -u)");
  // It was tried until connecting was given up, and no longer.
  CHECK(took >= 600ms);
  CHECK(took < 10s);
}

TEST_CASE("connect: the limit on connecting is none on a connection that stands") {
  Server server(ServerSettings{.program = server_programs().front(), .tcp = true});
  Client client(server.tcp_url());
  client.run(kSet.call({"k"}, {"v"}));
  const Patience patience{client.loop.now() + 60s, client.loop.now() - 1s};
  CHECK(client.run(kSet.call({"k"}, {"w"}), patience).reply.text() == "OK");
  server.kill();
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"x"}), patience); });
  CHECK(error.code() == ExitCode::unavailable);
}

TEST_CASE("connect: no socket, and one that is none") {
  TemporaryDirectory directory;
  Client client("unix://" + directory.path() + "/s");
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"}), client.within(100ms)); });
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "No such file");
  Client longer("unix:///" + std::string(200, 'x'));
  says(error_of([&] { longer.run(kSet.call({"k"}, {"v"}), longer.within(100ms)); }), "too long");
}

TEST_CASE("connect: a server that does not take us in is given up in time") {
  TemporaryDirectory directory;
  const int port = free_port();
  const FullBacklog tcp(loopback(port));
  const FullBacklog unix_socket(redis::unix_address(directory.path() + "/s").addresses.front());
  for (const std::string& url :
       {"redis://127.0.0.1:" + std::to_string(port), "unix://" + directory.path() + "/s"}) {
    redis::SessionOptions options;
    options.connect_timeout = 200ms;
    Client client(url, options);
    const TimePoint start = client.loop.now();
    const Patience patience{start + 60s, start + 600ms};
    const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"}), patience); });
    CHECK(error.code() == ExitCode::unavailable);
    says(error, "no answer within");
    CHECK(client.loop.now() - start >= 500ms);
    CHECK(client.loop.now() - start < 10s);
  }
}

TEST_CASE("connect: when the server comes up while we try, all is well") {
  Server server(ServerSettings{.program = server_programs().front(), .tcp = true});
  server.kill();
  Client client(server.tcp_url());
  auto running = client.session->run(kSet.call({"k"}, {"v"}), client.within());
  client.loop.start(running);
  const TimePoint later = client.loop.now() + 100ms;
  CHECK(client.turn_until([&] { return client.loop.now() > later; }));
  server.start();
  CHECK(client.turn_until([&] { return running.done(); }));
  CHECK(running.take().reply.text() == "OK");
}

TEST_CASE("connect: by name, whichever of its addresses listens") {
  Server server(ServerSettings{.program = server_programs().front(), .tcp = true});
  Client client("redis://localhost:" + std::to_string(server.port()));
  CHECK(client.run(kSet.call({"k"}, {"v"})).text() == "OK");
}

TEST_CASE("connect: a name that does not exist") {
  Client client("redis://nosuch.invalid:6379");
  const Error error = error_of([&] { client.run(kSet.call({"k"}, {"v"}), client.within(500ms)); });
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "cannot connect to Redis at nosuch.invalid:6379: ");
}

TEST_CASE("connect: a name look-up that was given up does no harm") {
  SystemClock clock;
  Loop loop(clock);
  for (int i = 0; i < 20; ++i) {
    auto task = redis::resolve(loop, "localhost", 1, kNever);
    loop.start(task);
    CHECK_FALSE(task.done());
    task.cancel();
  }
  const auto found = loop.run(redis::resolve(loop, "localhost", 1, loop.now() + 60s));
  CHECK_FALSE(found.addresses.empty());
}

TEST_CASE("connect: addresses that do not answer hold nobody up") {
  TemporaryDirectory directory;
  const int full = free_port();
  const FullBacklog backlog(loopback(full));
  Server server(ServerSettings{.program = server_programs().front(), .tcp = true});
  SystemClock clock;
  Loop loop(clock);
  const std::vector<redis::Address> silent_first = {loopback(full), loopback(full),
                                                    loopback(server.port())};
  const TimePoint start = loop.now();
  const auto connected = loop.run(redis::connect_any(loop, silent_first, start + 60s));
  CHECK(connected.fd);
  CHECK(loop.now() - start >= 500ms);
  CHECK(loop.now() - start < 20s);

  const std::vector<redis::Address> none = {loopback(full), loopback(free_port())};
  const auto failed = loop.run(redis::connect_any(loop, none, loop.now() + 400ms));
  CHECK_FALSE(failed.fd);
  CHECK(failed.error == "Connection refused");

  const std::vector<redis::Address> refused_first = {loopback(free_port()),
                                                     loopback(server.port())};
  const TimePoint again = loop.now();
  CHECK(loop.run(redis::connect_any(loop, refused_first, again + 60s)).fd);
}

TEST_CASE("connect: a peer that went away raises no signal") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd ours(ends[0]);
  close(ends[1]);
  CHECK(redis::send_some(ours.get(), "x").state == redis::Io::State::closed);
  char buffer[1];
  CHECK(redis::receive_some(ours.get(), buffer, 1).state == redis::Io::State::closed);
}

}  // namespace
}  // namespace dcoord::testing
