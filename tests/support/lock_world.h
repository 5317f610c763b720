#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/loop.h"
#include "base/token.h"
#include "primitives/lock.h"
#include "redis/session.h"
#include "support/server.h"

namespace dcoord::testing {

/// A server with one lock on it, and short forms of what tests ask of it.
class LockWorld {
 public:
  explicit LockWorld(const std::string& program, std::vector<std::string> config = {})
      : server(ServerSettings{.program = program, .config = std::move(config)}),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        lock(loop, *scripts, keys, "job") {}

  using Request = primitives::LockRequest;
  using Answer = primitives::LockAnswer;

  Request request(primitives::LockMode mode = primitives::LockMode::exclusive,
                  Duration ttl = std::chrono::seconds(30)) {
    Request r;
    r.token = random_token();
    r.mode = mode;
    r.ttl = ttl;
    r.who.owner = r.token;
    r.who.host = "host";
    r.who.command = "command";
    return r;
  }
  Request slot(int limit) {
    Request r = request(primitives::LockMode::slot);
    r.limit = limit;
    return r;
  }
  redis::Patience patience() { return {loop.now() + std::chrono::seconds(20), kNever}; }

  Answer ask(const Request& r, bool wait = true, const std::string& ticket = "") {
    return loop.run(lock.ask(r, wait, ticket, patience()));
  }
  /// The grant, or nothing.
  std::optional<primitives::LockGranted> granted(const Request& r, bool wait = true,
                                                 const std::string& ticket = "") {
    const Answer answer = ask(r, wait, ticket);
    const auto* grant = std::get_if<primitives::LockGranted>(&answer);
    return grant == nullptr ? std::nullopt : std::optional(*grant);
  }
  /// Its place in line, or nothing if it is not in line.
  std::optional<primitives::LockWaiting> waiting(const Request& r, const std::string& ticket = "") {
    const Answer answer = ask(r, true, ticket);
    const auto* place = std::get_if<primitives::LockWaiting>(&answer);
    return place == nullptr ? std::nullopt : std::optional(*place);
  }
  std::optional<primitives::LockRefused> refused(const Request& r, bool wait = true) {
    const Answer answer = ask(r, wait);
    const auto* refusal = std::get_if<primitives::LockRefused>(&answer);
    return refusal == nullptr ? std::nullopt : std::optional(*refusal);
  }
  primitives::LockReleased release(const Request& r, Duration least = Duration::zero(),
                                   bool timed_out = false) {
    return loop.run(lock.release(r.token, least, timed_out, patience()));
  }
  primitives::LockReleased::What released(const Request& r) { return release(r).what; }
  bool renewed(const Request& r) {
    return std::holds_alternative<primitives::LockRenewed>(
        loop.run(lock.renew(r.token, r.ttl, patience())));
  }
  primitives::LockView view() { return loop.run(lock.show(1000, patience())); }
  /// The next message in a request's mailbox, or nothing.
  std::optional<std::string> mail(const Request& r) {
    const redis::Reply reply = server.command({"LPOP", lock.mailbox(r.token)});
    return reply.is_nil() ? std::nullopt : std::optional(reply.text());
  }
  /// Whether one of its messages calls it to claim the lock; takes them all.
  bool called(const Request& r) {
    bool found = false;
    while (const auto message = mail(r)) found = found || message == "claim";
    return found;
  }
  /// All that is stored of the lock, to tell whether a call changed anything.
  std::string stored() {
    std::string all;
    for (const char* kind : {"lock", "lockw"}) {
      const redis::Reply reply = server.command({"HGETALL", key(kind)});
      std::map<std::string, std::string> fields;  // a hash has no order of its own
      for (size_t i = 0; i + 1 < reply.size(); i += 2)
        fields[reply.at(i).text()] = reply.at(i + 1).text();
      for (const auto& [field, value] : fields) all += field + "=" + value + ";";
    }
    const redis::Reply line = server.command({"ZRANGE", key("lockq"), "0", "-1", "WITHSCORES"});
    for (const auto& entry : line.elements()) all += entry.text() + ";";
    return all;
  }
  std::string key(const std::string& kind) {
    return kind == "lock"    ? keys.lock("job")
           : kind == "lockq" ? keys.lock_line("job")
                             : keys.lock_waiters("job");
  }
  /// Waits until nothing holds the lock by the server's clock.
  bool wait_free() {
    return wait_until([&] { return view().state != primitives::LockView::State::held; });
  }

  SystemClock clock;
  Loop loop{clock};
  primitives::Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  primitives::Lock lock;
};

}  // namespace dcoord::testing
