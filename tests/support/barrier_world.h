#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/loop.h"
#include "base/token.h"
#include "primitives/barrier.h"
#include "redis/session.h"
#include "support/server.h"

namespace dcoord::testing {

/// A server with one barrier on it, and short forms of what tests ask of it.
class BarrierWorld {
 public:
  using Request = primitives::BarrierRequest;
  using Passed = primitives::BarrierPassed;

  explicit BarrierWorld(const std::string& program)
      : server(program),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        barrier(loop, *scripts, keys, "phase") {}

  Request request(int parties, const std::string& id = "") {
    Request r;
    r.token = random_token();
    r.id = id.empty() ? r.token : id;
    r.parties = parties;
    r.who.host = "host";
    r.who.pid = 7;
    return r;
  }
  Request watcher(int parties) {
    Request r = request(parties);
    r.arrives = false;
    return r;
  }
  redis::Patience patience() { return {loop.now() + std::chrono::seconds(20), kNever}; }

  primitives::BarrierAnswer ask(const Request& r, long long known = 0) {
    return loop.run(barrier.ask(r, known, patience()));
  }
  std::optional<Passed> passed(const Request& r, long long known = 0) {
    return get<Passed>(ask(r, known));
  }
  std::optional<primitives::BarrierWaiting> waits(const Request& r, long long known = 0) {
    return get<primitives::BarrierWaiting>(ask(r, known));
  }
  std::optional<primitives::BarrierBroken> broken(const Request& r, long long known = 0) {
    return get<primitives::BarrierBroken>(ask(r, known));
  }
  std::optional<primitives::BarrierRefused> refused(const Request& r) {
    return get<primitives::BarrierRefused>(ask(r));
  }
  std::optional<primitives::BarrierArrived> arrived(const Request& r) {
    return get<primitives::BarrierArrived>(loop.run(barrier.arrive(r, patience())));
  }
  std::optional<primitives::BarrierRefused> arrive_refused(const Request& r) {
    return get<primitives::BarrierRefused>(loop.run(barrier.arrive(r, patience())));
  }
  primitives::BarrierFarewell leave(const Request& r, long long known = 0,
                                    const std::string& broken = "") {
    return loop.run(barrier.leave(r, known, broken, patience()));
  }
  bool left(const Request& r) { return std::holds_alternative<primitives::BarrierLeft>(leave(r)); }
  primitives::BarrierReset reset(const std::string& token = random_token()) {
    return loop.run(barrier.reset(token, {}, patience()));
  }
  primitives::BarrierView view() { return loop.run(barrier.show(100, patience())); }
  /// Whether there is a message for it; takes them all.
  bool called(const Request& r) {
    bool found = false;
    while (!server.command({"LPOP", barrier.mailbox(r.token)}).is_nil()) found = true;
    return found;
  }
  /// Makes one that waits as dead as if it had not looked for longer than waiters live.
  void kill(const Request& r) {
    server.command({"ZADD", keys.barrier_parties("phase"), "XX", r.arrives ? "1" : "-1",
                    r.arrives ? "p" + r.id : "w" + r.token});
  }

  SystemClock clock;
  Loop loop{clock};
  primitives::Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  primitives::Barrier barrier;

 private:
  template <class T, class V>
  static std::optional<T> get(const V& answer) {
    const T* found = std::get_if<T>(&answer);
    return found == nullptr ? std::nullopt : std::optional<T>(*found);
  }
};

}  // namespace dcoord::testing
