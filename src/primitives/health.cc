#include "primitives/health.h"

#include <functional>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/token.h"
#include "primitives/lock.h"
#include "primitives/protocol.h"
#include "redis/script_commands.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

using redis::Answer;
using redis::Patience;

LockRequest request() {
  LockRequest r;
  r.token = random_token();
  r.ttl = std::chrono::seconds(10);  // what a health check that was killed leaves taken
  r.who = this_process(random_token(), "dcoord health", "");
  return r;
}

Error misbehaved(const std::string& what) {
  return internal_error("the lock of the health check " + what);
}

}  // namespace

Task<LockProbe> probe_lock(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys,
                           std::string name, Patience patience) {
  Lock lock(loop, scripts, keys, name);
  Lock election(loop, scripts, keys, name, LockKind::elect);
  const LockRequest asked = request();
  LockProbe probe;
  TimePoint at = loop.now();
  const auto lap = [&] { return loop.now() - std::exchange(at, loop.now()); };
  const LockAnswer answer = co_await lock.ask(asked, false, "", patience);
  if (!std::holds_alternative<LockGranted>(answer)) throw misbehaved("was not granted");
  probe.acquire = lap();
  const auto renewed = co_await lock.renew(asked.token, asked.ttl, patience);
  if (!std::holds_alternative<LockRenewed>(renewed)) throw misbehaved("was not renewed");
  probe.renew = lap();
  const LockReleased released =
      co_await lock.release(asked.token, Duration::zero(), false, patience);
  if (released.what != LockReleased::What::released) throw misbehaved("was not released");
  probe.release = lap();
  co_await lock.forget(patience);
  co_await election.show(0, patience);
  co_return probe;
}

Task<Duration> probe_hand_over(Loop& loop, redis::ScriptRunner& holder, redis::ScriptRunner& waiter,
                               const Keys& keys, std::string name, Patience patience) {
  Lock held(loop, holder, keys, name);
  Lock wanted(loop, waiter, keys, name);
  const LockRequest first = request(), second = request();
  const LockAnswer answer = co_await held.ask(first, false, "", patience);
  if (!std::holds_alternative<LockGranted>(answer)) throw misbehaved("was not granted");
  Event progress(loop);
  bool in_line = false;
  std::optional<LockAnswer> next;
  std::optional<Error> failure;
  std::function<void(const LockWaiting&)> on_wait = [&](const LockWaiting&) {
    in_line = true;
    progress.set();
  };
  const auto wait_in_line = [&]() -> Task<void> {
    try {
      Task<LockAnswer> acquiring = wanted.acquire(second, patience.until, patience, on_wait);
      next.emplace(co_await acquiring);
    } catch (const Error& error) {
      failure.emplace(error);
    }
    progress.set();
  };
  Task<void> waiting = wait_in_line();
  loop.start(waiting);
  while (!in_line && !waiting.done()) co_await progress.wait();
  const TimePoint start = loop.now();
  co_await held.release(first.token, Duration::zero(), false, patience);
  while (!waiting.done()) co_await progress.wait();
  const Duration took = loop.now() - start;
  if (failure) throw *failure;
  if (!std::holds_alternative<LockGranted>(*next)) throw misbehaved("was not handed over");
  co_await wanted.release(second.token, Duration::zero(), false, patience);
  co_await wanted.forget(patience);
  co_return took;
}

std::vector<std::string> script_commands() {
  std::vector<std::string> commands;
  for (const std::string_view command : redis::commands_of_all()) {
    if (command != "BLPOP") commands.emplace_back(command);  // sent outside of scripts: see below
  }
  return commands;
}

Task<std::vector<RefusedCommand>> probe_commands(redis::ScriptRunner& scripts, const Keys& keys,
                                                 std::string name, Patience patience) {
  const std::string key = keys.mailbox(name, random_token());
  std::vector<std::string> script_keys{key};
  const Answer answer =
      co_await run_script(scripts, redis::scripts::health_probe, std::move(script_keys),
                          script_commands(), patience, "the health check");
  if (answer.reply.word() != "probed")
    throw unexpected_reply(redis::scripts::health_probe, answer.reply);
  std::vector<RefusedCommand> refused;
  for (size_t i = 1; i + 1 < answer.reply.size(); i += 2)
    refused.push_back({answer.reply.at(i).text(), answer.reply.at(i + 1).text()});
  // Of what is sent outside of scripts, waiting needs this one; it ends at once.
  std::vector<std::vector<std::string>> plain{{"BLPOP", key, "0.001"}};
  try {
    co_await scripts.run_commands(std::move(plain), patience);
  } catch (const Error& error) {
    if (error.code() != ExitCode::permission && error.code() != ExitCode::config) throw;
    refused.push_back({"BLPOP", error.what()});
  }
  co_return refused;
}

}  // namespace dcoord::primitives
