#include "redis/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/log.h"
#include "redis/backoff.h"
#include "redis/channel.h"
#include "redis/session_errors.h"

namespace dcoord::redis {
namespace {

using std::chrono::milliseconds;

// An idle server ends a blocked command this much late; the rest of a wait is a timer of our own.
constexpr Duration kBlockEndsEarly = milliseconds(110);
constexpr Duration kLateReply = std::chrono::seconds(1);
constexpr Duration kLongestBlock = std::chrono::hours(1);
constexpr Duration kShortestPause = milliseconds(50);
// Less time than this is not begun with: a reply that is not waited for makes "not done" unknown.
constexpr Duration kNotWorthAnAttempt = milliseconds(100);

Request make_request(const Call& call) {
  Request request;
  request.script = call.script;
  request.name = call.script->name;
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

class Session final : public ScriptRunner {
 public:
  Session(Loop& loop, Server server, SessionOptions options)
      : loop_(loop),
        server_(std::move(server)),
        options_(std::move(options)),
        channel_(loop_, server_, options_),
        wait_backoff_(kShortestPause) {}

  Task<Answer> run(Call call, Patience patience) override {
    Batch batch;
    batch.requests.push_back(make_request(call));
    batch.writes = call.script->writes;
    co_await carry_out(batch, patience);
    co_return std::move(*batch.requests.front().answer);
  }

  Task<std::vector<Answer>> run_all(std::vector<Call> calls, Patience patience) override {
    Batch batch;
    batch.load = true;
    for (const Call& call : calls) {
      batch.requests.push_back(make_request(call));
      batch.writes |= call.script->writes;
    }
    co_await carry_out(batch, patience);
    co_return answers_of(batch);
  }

  Task<std::vector<Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                         Patience patience) override {
    Batch batch;
    for (const auto& command : commands) batch.requests.push_back(make_request(command));
    co_await carry_out(batch, patience);
    co_return answers_of(batch);
  }

  Task<std::optional<std::string>> wait_message(std::string mailbox, TimePoint until) override;

 private:
  /// Marks the session as in use, and whatever way the use ends leaves no reply behind to be taken
  /// for another's.
  class Use {
   public:
    explicit Use(Session& session) : session_(session) {
      if (std::exchange(session_.in_use_, true)) {
        throw internal_error("a session was asked for two things at once");
      }
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      session_.in_use_ = false;
      session_.channel_.abandon();
    }

   private:
    Session& session_;
  };

  Task<void> carry_out(Batch& batch, Patience patience);
  Task<Step> attempt(Batch& batch, TimePoint connect_until, TimePoint until);
  Error give_up(const Batch& batch, const Step& step) const;
  Task<Step> block(Batch& batch, std::string mailbox, TimePoint until);
  Duration ask_password();

  Loop& loop_;
  const Server server_;
  const SessionOptions options_;
  Channel channel_;
  Backoff wait_backoff_;  // grows over waits that fail one after the other
  bool in_use_ = false;
};

/// How long that took: the time of whoever types is not the servers'.
Duration Session::ask_password() {
  const TimePoint start = loop_.now();
  channel_.ask_password();
  return loop_.now() - start;
}

Task<Step> Session::attempt(Batch& batch, TimePoint connect_until, TimePoint until) {
  Step step = co_await channel_.prepare(batch.writes, connect_until);
  if (step.next == Step::Next::go_on)
    step = co_await channel_.exchange(batch, options_.command_timeout, until);
  channel_.abandon();
  co_return step;
}

Task<void> Session::carry_out(Batch& batch, Patience patience) {
  const Use use(*this);
  const Duration asked = ask_password();
  patience.until = add(patience.until, asked);
  patience.connect_until = add(patience.connect_until, asked);
  Backoff backoff;
  bool noted = false;
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
      log::note(1, fmt::format("Redis at {}: {}; trying again", endpoint(server_), step.why));
    }
    // The pauses shrink towards the end, so that the last attempt is not slept through.
    co_await loop_.sleep_until(add(now, std::min<Duration>(backoff.next(), (limit() - now) / 3)));
  }
}

Error Session::give_up(const Batch& batch, const Step& step) const {
  // What was answered was executed.
  const bool may_be_done = batch.may_be_done || (batch.writes && batch.first > 0);
  if (step.error && !may_be_done) return *step.error;
  if (step.failure && !may_be_done) return cannot_connect(server_, *step.failure);
  return no_success(server_, step.why, may_be_done);
}

/// Lets the server wait for a message; go_on when it answered, with nil when none came.
Task<Step> Session::block(Batch& batch, std::string mailbox, TimePoint until) {
  Step step = co_await channel_.prepare(true, until);
  if (step.next != Step::Next::go_on) co_return step;
  const TimePoint now = loop_.now();
  const Duration left =
      until == kNever ? kLongestBlock : std::min(kLongestBlock, until - now - kBlockEndsEarly);
  const long long ms = to_ms(left);
  if (ms < 1) {  // 0 would be for ever
    batch.requests.front().answer = Answer{Reply::nil(), now};
    co_return step;
  }
  batch.requests.front().wire.clear();
  const std::string seconds = fmt::format("{}.{:03}", ms / 1000, ms % 1000);
  append_command(batch.requests.front().wire, {"BLPOP", mailbox, seconds});
  const TimePoint at_most = add(add(now, left), kBlockEndsEarly + kLateReply);
  co_return co_await channel_.exchange(batch, kForever, at_most);
}

Task<std::optional<std::string>> Session::wait_message(std::string mailbox, TimePoint until) {
  const Use use(*this);
  const TimePoint start = loop_.now();
  if (until != kNever && until - start <= kBlockEndsEarly) {
    co_await loop_.sleep_until(until);
    co_return std::nullopt;
  }
  until = add(until, ask_password());
  Batch batch;
  batch.requests.emplace_back();
  batch.requests.front().name = "BLPOP";
  const Step step = co_await block(batch, std::move(mailbox), until);
  channel_.abandon();
  if (step.next == Step::Next::fail && lasts(*step.error)) throw *step.error;
  if (step.next == Step::Next::go_on) {
    wait_backoff_.reset();
    const Reply& reply = batch.requests.front().answer->reply;
    if (reply.is_array() && reply.size() == 2) co_return reply.at(1).text();
    if (until != kNever) co_await loop_.sleep_until(until);
    co_return std::nullopt;
  }
  // Whoever waits looks for itself now, but not in a busy loop.
  log::note(2, fmt::format("Redis at {}: waiting was cut short: {}", endpoint(server_), step.why));
  const TimePoint pause = add(loop_.now(), std::max(kShortestPause, wait_backoff_.next()));
  co_await loop_.sleep_until(std::min(until, pause));
  co_return std::nullopt;
}

}  // namespace

std::unique_ptr<ScriptRunner> make_session(Loop& loop, Server server, SessionOptions options) {
  return std::make_unique<Session>(loop, std::move(server), std::move(options));
}

}  // namespace dcoord::redis
