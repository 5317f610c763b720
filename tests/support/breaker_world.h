#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/loop.h"
#include "base/token.h"
#include "primitives/breaker.h"
#include "redis/session.h"
#include "support/server.h"
#include "support/server_clock.h"

namespace dcoord::testing {

/// A server whose time the test sets, with one breaker on it, and short forms of what tests ask of
/// it.
class BreakerWorld {
 public:
  using Answer = primitives::BreakerAnswer;
  using Outcome = primitives::BreakerOutcome;

  explicit BreakerWorld(const std::string& program)
      : server(ServerSettings{.program = program, .variables = time.variables()}),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        breaker(*scripts, keys, "api") {
    wanted.settings.failures = 3;
    wanted.settings.window = std::chrono::seconds(20);  // buckets of a second
    wanted.settings.recovery = std::chrono::seconds(10);
    wanted.settings.longest_recovery = std::chrono::seconds(80);
  }

  redis::Patience patience() { return {loop.now() + std::chrono::seconds(20), kNever}; }

  /// A call that was asked for.
  struct Call {
    std::string token;
    Answer answer;
    bool allowed() const { return answer.what == Answer::What::allowed; }
    bool probes() const { return answer.what == Answer::What::probe; }
    bool refused() const { return answer.what == Answer::What::refused; }
  };
  Call ask(const std::string& token = random_token(), Duration lease = std::chrono::seconds(5)) {
    return {token, loop.run(breaker.allow(token, wanted, lease, patience()))};
  }
  primitives::BreakerRecorded tell(const Call& call, Outcome outcome,
                                   const std::string& reporter = "host") {
    return tell(call.token, call.answer.epoch, outcome, reporter);
  }
  primitives::BreakerRecorded tell(const std::string& token, const std::string& epoch,
                                   Outcome outcome, const std::string& reporter = "host") {
    primitives::Holder who;
    who.host = reporter;
    return loop.run(breaker.record(token, epoch, outcome, reporter, who, wanted, patience()));
  }
  /// Asks, and tells how it ended; whether that was counted.
  bool call(Outcome outcome, const std::string& reporter = "host") {
    return tell(ask(), outcome, reporter).counted;
  }
  bool fail(int times = 1) {
    bool counted = true;
    for (int i = 0; i < times; ++i) counted = call(Outcome::failure) && counted;
    return counted;
  }
  bool succeed() { return call(Outcome::success); }

  primitives::BreakerView view() { return loop.run(breaker.status(100, patience())); }
  primitives::BreakerState state() { return view().state; }
  /// All that is stored of it, to tell whether a call changed anything.
  std::string stored() {
    std::map<std::string, std::string> fields;  // a hash has no order of its own
    const redis::Reply all = server.command({"HGETALL", keys.breaker("api")});
    for (size_t i = 0; i + 1 < all.size(); i += 2) fields[all.at(i).text()] = all.at(i + 1).text();
    std::string text;
    for (const auto& [field, value] : fields) text += field + "=" + value + ";";
    const redis::Reply reporters =
        server.command({"ZRANGE", keys.breaker_reporters("api"), "0", "-1", "WITHSCORES"});
    for (const auto& entry : reporters.elements()) text += entry.text() + ";";
    return text;
  }

  ServerClock time;
  SystemClock clock;
  Loop loop{clock};
  primitives::Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  primitives::Breaker breaker;
  primitives::BreakerWanted wanted;
};

}  // namespace dcoord::testing
