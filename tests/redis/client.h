#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "base/unique_fd.h"
#include "redis/runner.h"
#include "support/script.h"
#include "support/server.h"

namespace dcoord::testing {

using namespace std::chrono_literals;
using redis::Answer;
using redis::Call;
using redis::Patience;

/// A session under test with a loop of its own.
class Client {
 public:
  explicit Client(const std::string& url, redis::SessionOptions options = {})
      : Client(redis::parse_target(url, "-u"), std::move(options)) {}
  explicit Client(redis::Server server, redis::SessionOptions options = {})
      : session(redis::make_session(loop, std::move(server), std::move(options))) {}
  explicit Client(redis::Target target, redis::SessionOptions options = {})
      : session(redis::make_runner(loop, std::move(target), std::move(options))) {}

  /// Long enough for a loaded machine; what must not take long is checked by itself.
  Patience within(Duration limit = 60s) { return Patience{add(loop.now(), limit), kNever}; }

  redis::Reply run(const Call& call) { return run(call, within()).reply; }
  Answer run(const Call& call, Patience patience) { return loop.run(session->run(call, patience)); }
  redis::Reply command(const std::vector<std::string>& words) {
    return loop.run(session->run_commands({words}, within())).front().reply;
  }
  std::optional<std::string> wait_message(const std::string& mailbox, Duration limit) {
    return loop.run(session->wait_message(mailbox, add(loop.now(), limit)));
  }

  /// Turns the loop until `condition` holds; false when it did not within 60 s.
  template <class F>
  bool turn_until(F condition) {
    const TimePoint until = loop.now() + 60s;
    while (!condition()) {
      if (loop.now() > until) return false;
      Task<void> tick = pause();
      loop.start(tick);
      loop.turn();
    }
    return true;
  }

  SystemClock clock;
  Loop loop{clock};
  std::unique_ptr<redis::ScriptRunner> session;

 private:
  Task<void> pause() { co_await loop.sleep(5ms); }
};

/// Somebody on a port of 127.0.0.1 who listens to what a client says and never answers.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    REQUIRE(listen(fd_.get(), 16) == 0);
    REQUIRE(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
  }
  int port() const { return port_; }

  /// What the next connection says first, while the client's loop turns.
  std::string first_bytes(Client& client) const {
    UniqueFd accepted;
    REQUIRE(client.turn_until([&] {
      accepted.reset(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      return static_cast<bool>(accepted);
    }));
    char buffer[4096];
    ssize_t n = 0;
    REQUIRE(
        client.turn_until([&] { return (n = read(accepted.get(), buffer, sizeof buffer)) > 0; }));
    return std::string(buffer, static_cast<size_t>(n));
  }
  bool has_connection() const {
    return static_cast<bool>(UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }

 private:
  UniqueFd fd_;
  int port_ = 0;
};

/// The error that `f` ends with; the test fails when there is none.
template <class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error");
  throw internal_error("not reached");
}

/// The error of a request that the server refuses to execute for now, when patience ends. On a
/// loaded machine the last refusal may come too late, which is unknown: then it is tried again.
inline Error last_error(Client& client, const Call& call) {
  for (int i = 0;; ++i) {
    const Error error = error_of([&] { client.run(call, client.within(500ms)); });
    if (error.code() != ExitCode::unknown || i == 20) return error;
  }
}

inline bool says(const Error& error, const std::string& text) {
  INFO(error.what());
  CHECK(std::string(error.what()).find(text) != std::string::npos);
  return true;
}

}  // namespace dcoord::testing
