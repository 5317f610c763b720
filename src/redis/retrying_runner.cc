#include "redis/retrying_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/log.h"
#include "redis/session_errors.h"
#include "redis/slots.h"

namespace dcoord::redis {
namespace {

using std::chrono::milliseconds;

// By how much the server's timer ends before ours, at which it is sent a word: so that what blocks
// is over by then even if the way to the server was longer for it than for that word.
constexpr Duration kBlockEndsEarly = milliseconds(10);
constexpr Duration kLateReply = std::chrono::seconds(1);
constexpr Duration kLongestBlock = std::chrono::hours(1);
constexpr Duration kShortestPause = milliseconds(50);
// Who has had no answer at all for so long is told why.
constexpr Duration kSilence = std::chrono::seconds(1);
// Less time than this is not begun with: a reply that is not waited for makes "not done" unknown.
constexpr Duration kNotWorthAnAttempt = milliseconds(100);

Request make_request(const std::vector<std::string>& command);

Request make_request(const Call& call) {
  if (call.script == nullptr) return make_request(call.args);
  Request request;
  request.script = call.script;
  request.name = call.script->name;
  if (!call.keys.empty()) {
    request.slot = slot_of(call.keys.front());
    request.key = call.keys.front();
  }
  const std::string key_count = std::to_string(call.keys.size());
  std::vector<std::string_view> words{"EVALSHA", call.script->sha1, key_count};
  words.insert(words.end(), call.keys.begin(), call.keys.end());
  words.insert(words.end(), call.args.begin(), call.args.end());
  append_command(request.wire, words);
  return request;
}

Request make_request(const std::vector<std::string>& command) {
  Request request;
  if (command.empty()) throw internal_error("an empty command");
  request.name = command.front();
  if (command.size() > 1) request.slot = slot_of(command[1]);
  append_command(request.wire, {command.begin(), command.end()});
  return request;
}

/// Whether waiting can never work: without a permission, say. A slot that moved, or a key that
/// holds something else, is for the script to find.
bool lasts(const Error& error) {
  return error.code() == ExitCode::permission ||
         (error.code() == ExitCode::config && error.kind() != "cluster");
}

std::vector<Answer> answers_of(Batch& batch) {
  std::vector<Answer> answers;
  answers.reserve(batch.requests.size());
  for (Request& request : batch.requests) answers.push_back(std::move(*request.answer));
  return answers;
}

}  // namespace

RetryingRunner::RetryingRunner(Loop& loop, SessionOptions options)
    : loop_(loop), options_(std::move(options)), wait_backoff_(kShortestPause) {}

RetryingRunner::Use::Use(RetryingRunner& runner) : runner_(runner) {
  if (std::exchange(runner_.in_use_, true)) {
    throw internal_error("a session was asked for two things at once");
  }
}

RetryingRunner::Use::~Use() {
  runner_.in_use_ = false;
  runner_.abandon();
}

Task<Answer> RetryingRunner::run(Call call, Patience patience) {
  Batch batch;
  batch.requests.push_back(make_request(call));
  batch.writes = call.script->writes;
  if (options_.replicas > 0) batch.confirm = call.confirm;
  co_await carry_out(batch, patience);
  co_return std::move(*batch.requests.front().answer);
}

Task<std::vector<Answer>> RetryingRunner::run_all(std::vector<Call> calls, Patience patience) {
  Batch batch;
  batch.load = true;
  for (const Call& call : calls) {
    batch.requests.push_back(make_request(call));
    batch.writes |= call.script != nullptr && call.script->writes;
  }
  co_await carry_out(batch, patience);
  co_return answers_of(batch);
}

Task<std::vector<Answer>> RetryingRunner::run_each(std::vector<Call> calls, Patience patience) {
  Batch batch;
  batch.load = batch.each = true;
  for (const Call& call : calls) {
    batch.requests.push_back(make_request(call));
    batch.writes |= call.script->writes;
  }
  std::optional<Error> failure;
  try {
    co_await carry_out(batch, patience);
  } catch (const Error& error) {
    failure.emplace(error);
  }
  for (Request& request : batch.requests) {
    if (request.answer) continue;
    request.answer = Answer{Reply::nil(), loop_.now()};
    request.answer->error = failure;
  }
  co_return answers_of(batch);
}

Task<std::vector<Answer>> RetryingRunner::run_commands(
    std::vector<std::vector<std::string>> commands, Patience patience) {
  Batch batch;
  for (const auto& command : commands) batch.requests.push_back(make_request(command));
  co_await carry_out(batch, patience);
  co_return answers_of(batch);
}

/// How long that took: the time of whoever types is not the servers'.
Duration RetryingRunner::time_to_ask_password() {
  const TimePoint start = loop_.now();
  ask_password();
  return loop_.now() - start;
}

Task<void> RetryingRunner::carry_out(Batch& batch, Patience patience) {
  const Use use(*this);
  const Duration asked = time_to_ask_password();
  patience.until = add(patience.until, asked);
  patience.connect_until = add(patience.connect_until, asked);
  Backoff backoff;
  bool noted = false;
  bool told = answered_;
  const TimePoint start = loop_.now();
  Step step;
  step.why = "there was no time left to ask it";
  while (!batch.done()) {
    const auto limit = [&] {
      return batch.sent ? patience.until : std::min(patience.until, patience.connect_until);
    };
    const bool before = batch.may_be_done;
    // What the last attempt came to is said even if the pause after it took the rest of the time.
    if (loop_.now() >= patience.until) throw give_up(batch, step);
    step = co_await attempt(batch, limit(), patience.until);
    if (step.next == Step::Next::fail) throw before ? after_unknown(*step.error) : *step.error;
    if (step.next != Step::Next::back_off) continue;

    const TimePoint now = loop_.now();
    if (limit() - now < kNotWorthAnAttempt) throw give_up(batch, step);
    if (!std::exchange(noted, true)) {
      log::note(1, fmt::format("Redis at {}: {}; trying again", endpoint(last_server()), step.why));
    }
    // One that has not been answered at all does not look like one that waits its turn.
    if (!told && now - start >= kSilence) {
      told = true;
      const std::string how_long =
          limit() == kNever ? "" : fmt::format(" for up to {}", format_age(limit() - now));
      log::note(0, fmt::format("{}; trying again{}", give_up(batch, step).what(), how_long));
    }
    // The pauses shrink towards the end, so that the last attempt is not slept through.
    co_await loop_.sleep_until(add(now, std::min<Duration>(backoff.next(), (limit() - now) / 3)));
  }
  // Whoever holds something must not lose it because another server is looked at now.
  options_.refuse_eviction = false;
  answered_ = true;
}

Task<Step> RetryingRunner::attempt_on(Channel& channel, Batch& batch, TimePoint connect_until,
                                      TimePoint until) {
  std::string wire;
  if (!batch.confirm.empty()) wire = batch.requests.front().wire;
  const auto writing = std::find_if(
      batch.requests.begin(), batch.requests.end(),
      [](const Request& request) { return request.script != nullptr && request.script->writes; });
  const std::string_view key = writing == batch.requests.end() ? std::string_view() : writing->key;
  Step step = co_await channel.prepare(batch.writes, connect_until, key);
  if (step.next == Step::Next::go_on)
    step = co_await channel.exchange(batch, options_.command_timeout, until);
  if (step.next == Step::Next::go_on && !batch.confirm.empty())
    step = co_await confirm(channel, batch, std::move(wire), until);
  channel.abandon();
  co_return step;
}

/// Asks how many replicas have what the request wrote: over the same connection, for of another
/// one's writes WAIT knows nothing, and says that all have them.
Task<Step> RetryingRunner::confirm(Channel& channel, Batch& batch, std::string wire,
                                   TimePoint until) {
  Request& request = batch.requests.front();
  if (request.answer->reply.word() != batch.confirm) co_return Step();
  Batch wait;
  Request& question = wait.requests.emplace_back();
  question.name = "WAIT";
  const std::string count = std::to_string(options_.replicas);
  const std::string ms = std::to_string(to_ms(options_.replica_timeout));
  append_command(question.wire, {"WAIT", count, ms});
  const Duration within = options_.command_timeout == kForever
                              ? kForever
                              : options_.command_timeout + options_.replica_timeout;
  Step step = co_await channel.exchange(wait, within, until);
  if (step.next == Step::Next::go_on) {
    request.answer->replicated = Replicated{question.answer->reply.number(), options_.replicas, {}};
  } else if (step.next == Step::Next::fail) {
    request.answer->replicated = Replicated{0, options_.replicas, step.error->what()};
    step = Step();
  } else {
    // The connection is gone: the script is run again.
    request.answer.reset();
    request.wire = std::move(wire);
    batch.first = 0;
    batch.sent = batch.may_be_done = true;
  }
  co_return step;
}

Error RetryingRunner::give_up(const Batch& batch, const Step& step) const {
  // What was answered was executed.
  const bool may_be_done = batch.may_be_done || (batch.writes && batch.first > 0);
  if (step.error && !may_be_done) return *step.error;
  if (step.failure && !may_be_done) return cannot_connect(last_server(), *step.failure);
  return no_success(last_server(), step.why, may_be_done);
}

Task<Step> RetryingRunner::block(Channel& channel, Batch& batch, Blocking command,
                                 TimePoint until) {
  Step step = co_await channel.prepare(true, until);
  if (step.next != Step::Next::go_on) co_return step;
  const TimePoint now = loop_.now();
  const Duration left =
      until == kNever ? kLongestBlock : std::min(kLongestBlock, until - now - kBlockEndsEarly);
  const long long ms = to_ms(left);
  if (ms < 1) {  // 0 would be for ever
    batch.requests.front().answer = Answer{Reply::nil(), now};
    co_return step;
  }
  Request& request = batch.requests.front();
  request.wire.clear();
  const std::vector<std::string> words = command(ms);
  request.name = words.front();
  append_command(request.wire, {words.begin(), words.end()});
  const TimePoint end = add(add(now, left), kBlockEndsEarly);
  co_return co_await channel.exchange(batch, kForever, add(end, kLateReply), end);
}

Task<std::optional<std::string>> RetryingRunner::wait_message(std::string mailbox,
                                                              TimePoint until) {
  Blocking command = [mailbox](long long ms) -> std::vector<std::string> {
    return {"BLPOP", mailbox, fmt::format("{}.{:03}", ms / 1000, ms % 1000)};
  };
  Task<std::optional<Reply>> waiting = wait(std::move(command), std::move(mailbox), until);
  const std::optional<Reply> reply = co_await waiting;
  if (reply && reply->size() == 2) co_return reply->at(1).text();
  co_return std::nullopt;
}

Task<std::vector<std::string>> RetryingRunner::wait_entries(std::vector<StreamPlace> places,
                                                            TimePoint until) {
  if (places.empty()) throw internal_error("there is no stream to wait for");
  std::string first = places.front().stream;
  Blocking command = [places = std::move(places)](long long ms) {
    std::vector<std::string> words{"XREAD", "COUNT", "1", "BLOCK", std::to_string(ms), "STREAMS"};
    for (const StreamPlace& place : places) words.push_back(place.stream);
    for (const StreamPlace& place : places) words.push_back(place.after);
    return words;
  };
  Task<std::optional<Reply>> waiting = wait(std::move(command), std::move(first), until);
  const std::optional<Reply> reply = co_await waiting;
  std::vector<std::string> found;
  if (reply) {
    for (const Reply& stream : reply->elements()) found.push_back(stream.at(0).text());
  }
  co_return found;
}

/// The answer to a command that blocks on `key`; nothing when there was none until then, or when
/// waiting was cut short.
Task<std::optional<Reply>> RetryingRunner::wait(Blocking command, std::string key,
                                                TimePoint until) {
  const Use use(*this);
  const TimePoint start = loop_.now();
  if (until != kNever && until - start <= kBlockEndsEarly) {
    co_await loop_.sleep_until(until);
    co_return std::nullopt;
  }
  until = add(until, time_to_ask_password());
  Batch batch;
  batch.requests.emplace_back();
  batch.requests.front().slot = slot_of(key);
  const Step step = co_await attempt_wait(batch, std::move(command), until);
  abandon();
  if (step.next == Step::Next::fail && lasts(*step.error)) throw *step.error;
  if (step.next == Step::Next::go_on) {
    wait_backoff_.reset();
    Reply& reply = batch.requests.front().answer->reply;
    if (reply.is_array()) co_return std::move(reply);
    if (until != kNever) co_await loop_.sleep_until(until);
    co_return std::nullopt;
  }
  // Whoever waits looks for itself now, but not in a busy loop.
  log::note(
      2, fmt::format("Redis at {}: waiting was cut short: {}", endpoint(last_server()), step.why));
  const TimePoint pause = add(loop_.now(), std::max(kShortestPause, wait_backoff_.next()));
  co_await loop_.sleep_until(std::min(until, pause));
  co_return std::nullopt;
}

}  // namespace dcoord::redis
