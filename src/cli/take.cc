#include "cli/take.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "cli/waiting.h"

namespace dcoord::cli {

using namespace primitives;

namespace {

/// For the line that is shown to whoever waits: what the server said `ago`.
std::string waiting_text(const std::optional<LockWaiting>& waiting, Duration ago, bool at_length) {
  if (!waiting) return ": no answer from Redis yet";
  if (!waiting->trouble.empty()) return ": " + waiting->trouble;
  const auto& holder = waiting->holder;
  std::string text;
  if (!holder.host.empty()) {
    text += fmt::format(": held by {}:{} for {}", holder.host, holder.pid,
                        format_age(waiting->held_for + ago));
    if (!holder.label.empty())
      text += fmt::format(" [{}]", holder.label);
    else if (!holder.command.empty())
      text += fmt::format(" ({})", holder.command.substr(0, 60));
  }
  if (waiting->place >= 0)
    text += fmt::format(", place {} of {}", waiting->place + 1, waiting->in_line);
  else
    text += fmt::format(", {} in line", waiting->in_line);
  if (!holder.link.empty() && at_length) text += fmt::format(", see {}", holder.link);
  return text;
}

}  // namespace

Task<std::string> leave(Context& context, LockService& lock, std::string token, bool timed_out,
                        Duration limit) {
  const redis::Patience patience{add(context.loop().now(), limit), kNever};
  std::string failure;
  try {
    co_await lock.release(std::move(token), Duration::zero(), timed_out, patience);
  } catch (const Error& error) {
    failure = error.what();
  }
  co_return failure;
}

Task<LockAnswer> take(Context& context, LockService& lock, LockRequest request, Waiting waiting) {
  if (waiting.patience == Duration::zero()) {
    Task<LockAnswer> asking = lock.ask_once(std::move(request), context.patience());
    co_return co_await asking;
  }
  Loop& loop = context.loop();
  const TimePoint until = add(loop.now(), waiting.patience);
  const Config& config = context.config();
  redis::Patience first = context.patience(config.connect_timeout + config.command_timeout);
  if (waiting.persistent) first = {add(until, config.command_timeout), until};
  first.connect_until = std::min(first.connect_until, until);
  std::optional<LockWaiting> latest;
  TimePoint latest_at;
  WaitingLine line(loop, config, waiting.what, [&](bool at_length) {
    return waiting_text(latest, loop.now() - latest_at, at_length);
  });
  std::function<void(const LockWaiting&)> on_wait = [&](const LockWaiting& place) {
    latest = place;
    latest_at = loop.now();
    if (waiting.on_wait) waiting.on_wait(place);
  };
  const std::string token = request.token;
  std::optional<LockAnswer> answer;
  std::optional<Error> error;
  try {
    Task<LockAnswer> acquiring = lock.acquire(std::move(request), until, first, std::move(on_wait));
    answer.emplace(co_await acquiring);
  } catch (const Error& e) {
    error.emplace(e);
  }
  if (error && error->code() == ExitCode::unknown) {
    // Now that nobody waits for it, it must not be granted any more: if that is confirmed, the
    // outcome is known.
    Task<std::string> leaving = leave(context, lock, token, false, config.command_timeout);
    const std::string failure = co_await leaving;
    if (failure.empty()) {
      throw Error(ExitCode::unavailable, "unavailable",
                  fmt::format("gave up on {}: {}", waiting.what, error->what()));
    }
  }
  if (error) throw *error;
  if (std::holds_alternative<LockGranted>(*answer)) co_return *answer;
  const bool timed_out = std::holds_alternative<LockWaiting>(*answer);
  if (!timed_out && !latest) co_return *answer;
  Task<std::string> leaving = leave(context, lock, token, timed_out, config.command_timeout);
  const std::string failure = co_await leaving;
  if (!failure.empty()) {
    throw Error(
        ExitCode::unknown, "unknown",
        fmt::format("gave up on {}, but could not leave its line: {}", waiting.what, failure),
        fmt::format("run it again with --request-id {}, or let it be: a place is lost after 25s",
                    token));
  }
  co_return *answer;
}

}  // namespace dcoord::cli
