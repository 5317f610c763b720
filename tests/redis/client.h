#pragma once

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "redis/session.h"
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
      : Client(redis::parse_url(url, "-u"), std::move(options)) {}
  explicit Client(redis::Server server, redis::SessionOptions options = {})
      : session(redis::make_session(loop, std::move(server), std::move(options))) {}

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
