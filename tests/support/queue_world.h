#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/loop.h"
#include "base/token.h"
#include "primitives/queue.h"
#include "redis/session.h"
#include "support/server.h"
#include "support/server_clock.h"

namespace dcoord::testing {

/// A server with one queue on it, and short forms of what tests ask of it.
class QueueWorld {
 public:
  explicit QueueWorld(const std::string& program, std::vector<std::string> config = {})
      : QueueWorld(ServerSettings{.program = program, .config = std::move(config)}) {}
  QueueWorld(const std::string& program, const ServerClock& time)
      : QueueWorld(ServerSettings{.program = program, .variables = time.variables()}) {}
  explicit QueueWorld(ServerSettings settings)
      : server(std::move(settings)),
        scripts(redis::make_session(loop, redis::parse_url(server.url(), "test"), {})),
        queue(loop, *scripts, keys, "job") {}

  redis::Patience patience() { return {loop.now() + std::chrono::seconds(20), kNever}; }

  /// Pushes by a producer of its own.
  primitives::Pushed push(std::vector<std::string> items, primitives::PushOptions options = {}) {
    return push_as(random_token(), 0, std::move(items), std::move(options));
  }
  primitives::Pushed push_as(const std::string& producer, long long position,
                             std::vector<std::string> items, primitives::PushOptions options = {},
                             bool follows = true) {
    std::vector<primitives::PushBatch> batches(1);
    batches[0].position = position;
    batches[0].follows = follows;
    batches[0].items = std::move(items);
    return loop.run(queue.push(producer, std::move(options), std::move(batches), patience()))[0];
  }

  primitives::TakeRequest request(int count = 1, Duration lease = std::chrono::seconds(30)) {
    primitives::TakeRequest r;
    r.token = random_token();
    r.count = count;
    r.lease = lease;
    return r;
  }
  primitives::TakeAnswer ask(const primitives::TakeRequest& r, bool wait = false,
                             const std::string& ticket = "") {
    return loop.run(queue.ask(r, wait, ticket, patience()));
  }
  /// The items, none if there are none.
  std::vector<primitives::QueueItem> taken(const primitives::TakeRequest& r, bool wait = false) {
    const auto answer = ask(r, wait);
    const auto* taken = std::get_if<primitives::Taken>(&answer);
    return taken == nullptr ? std::vector<primitives::QueueItem>() : taken->items;
  }
  /// One item, taken with a request of its own.
  std::optional<primitives::QueueItem> take(Duration lease = std::chrono::seconds(30)) {
    const auto items = taken(request(1, lease));
    return items.empty() ? std::nullopt : std::optional(items[0]);
  }
  /// The payloads of all that can be taken.
  std::vector<std::string> drain() {
    std::vector<std::string> payloads;
    while (true) {
      const auto items = taken(request(100));
      if (items.empty()) return payloads;
      for (const auto& item : items) {
        payloads.push_back(item.payload);
        ack(item.receipt);
      }
    }
  }
  std::optional<primitives::QueueWaiting> waiting(const primitives::TakeRequest& r,
                                                  const std::string& ticket = "") {
    const auto answer = ask(r, true, ticket);
    const auto* place = std::get_if<primitives::QueueWaiting>(&answer);
    return place == nullptr ? std::nullopt : std::optional(*place);
  }
  bool ack(const std::string& receipt) {
    return loop.run(queue.ack(random_token(), {receipt}, patience())).count == 1;
  }
  bool nack(const std::string& receipt, Duration delay = Duration::zero(),
            primitives::Fate fate = primitives::Fate::retry, primitives::DeathCause cause = {}) {
    return loop.run(queue.nack(random_token(), {receipt}, fate, delay, std::move(cause),
                               patience())) == 1;
  }
  primitives::QueueView view() { return loop.run(queue.show(patience())); }
  /// The next message in a request's mailbox, or nothing.
  std::optional<std::string> mail(const primitives::TakeRequest& r) {
    const redis::Reply reply = server.command({"LPOP", queue.mailbox(r.token)});
    return reply.is_nil() ? std::nullopt : std::optional(reply.text());
  }
  /// Whether one of its messages calls it to claim; takes them all.
  bool called(const primitives::TakeRequest& r) {
    bool found = false;
    while (const auto message = mail(r)) found = found || message == "claim";
    return found;
  }
  /// Waits until so many delayed or in flight are over by the server's clock.
  bool wait_overdue(long long n) {
    return wait_until([&] { return view().overdue >= n; });
  }

  SystemClock clock;
  Loop loop{clock};
  primitives::Keys keys{"test"};
  Server server;
  std::unique_ptr<redis::ScriptRunner> scripts;
  primitives::Queue queue;
};

}  // namespace dcoord::testing
