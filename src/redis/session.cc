#include "redis/session.h"

#include <optional>
#include <utility>

#include "redis/channel.h"
#include "redis/retrying_runner.h"
#include "redis/sentinel.h"
#include "redis/target.h"

namespace dcoord::redis {
namespace {

/// Everything is on one server, and in use is one connection to it: that server is given, or the
/// one that sentinels name whenever the connection is made.
class Session final : public RetryingRunner {
 public:
  Session(Loop& loop, Target target, SessionOptions options)
      : RetryingRunner(loop, std::move(options)),
        target_(std::move(target)),
        server_(target_.server),
        channel_(loop_, server_, options_, find_sentinels()) {}

 private:
  Sentinels* find_sentinels() {
    if (target_.topology != Target::Topology::sentinel) return nullptr;
    return &sentinels_.emplace(loop_, target_);
  }

  Task<Step> attempt(Batch& batch, TimePoint connect_until, TimePoint until) override {
    Step step = co_await attempt_on(channel_, batch, connect_until, until);
    if (step.next == Step::Next::redirect) step.next = Step::Next::fail;
    co_return step;
  }
  Task<Step> attempt_wait(Batch& batch, Blocking command, TimePoint until) override {
    Step step = co_await block(channel_, batch, std::move(command), until);
    if (step.next == Step::Next::redirect) step.next = Step::Next::fail;
    co_return step;
  }
  void ask_password() override { channel_.ask_password(); }
  void abandon() override { channel_.abandon(); }
  const Server& last_server() const override { return server_; }

  const Target target_;
  Server server_;
  std::optional<Sentinels> sentinels_;
  Channel channel_;
};

}  // namespace

std::unique_ptr<ScriptRunner> make_session(Loop& loop, Server server, SessionOptions options) {
  Target target;
  target.server = std::move(server);
  return make_session(loop, std::move(target), std::move(options));
}

std::unique_ptr<ScriptRunner> make_session(Loop& loop, Target target, SessionOptions options) {
  return std::make_unique<Session>(loop, std::move(target), std::move(options));
}

}  // namespace dcoord::redis
