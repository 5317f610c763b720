#include "redis/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "redis/script_commands.h"
#include "redis/scripts.h"

namespace dcoord::redis {
namespace {

// Bounds on what is under way at once: enough to fill the line, little enough to keep.
constexpr size_t kMostRequests = 1000;
constexpr size_t kMostBytes = size_t{1} << 20;

}  // namespace

Step Step::failed(Error error) {
  Step step;
  step.next = Step::Next::fail;
  step.error = std::move(error);
  return step;
}

Step Step::try_later(std::string why) {
  Step step;
  step.next = Step::Next::back_off;
  step.why = std::move(why);
  return step;
}

void Channel::ask_password() {
  if (asked_) return;
  if (server_.password) password_ = server_.password();
  asked_ = true;
  if (password_ && password_->empty()) password_.reset();
  if (sentinels_ != nullptr) sentinels_->ask_password();
}

void Channel::abandon() {
  if (connection_.outstanding() > 0 || !expected_.empty()) connection_.close();
  expected_.clear();
}

Task<Step> Channel::prepare(bool alone, TimePoint until, std::string_view key) {
  just_loaded_ = false;
  if (connection_.is_open() && connection_.is_stale()) connection_.close();
  if (!connection_.is_open()) {
    Step step = co_await connect(std::min(until, add(loop_.now(), options_.connect_timeout)));
    if (step.next != Step::Next::go_on) co_return step;
  }
  if (!key.empty() && logs_in() && !permissions_asked_) ask_permissions(key);
  // Without AUTH and SELECT there is nothing whose refusal would let a request run where it should
  // not: a replica refuses to write by itself.
  const bool binding = std::any_of(expected_.begin(), expected_.end(), [](const Expected& e) {
    return e.greeting == Greeting::auth || e.greeting == Greeting::select ||
           e.greeting == Greeting::memory || e.greeting == Greeting::permissions;
  });
  if (alone && binding) co_return co_await take_greetings(until);
  co_return Step();
}

Task<Step> Channel::connect(TimePoint until) {
  expected_.clear();
  loaded_.clear();
  permissions_asked_ = permissions_wanted_ = false;
  denied_.clear();
  load_refusal_.reset();
  try {
    if (sentinels_ != nullptr) {
      Step step = co_await locate(until);
      if (step.next != Step::Next::go_on) co_return step;
    }
    const auto failure = co_await connection_.open(until);
    if (failure) {
      if (sentinels_ != nullptr) sentinels_->distrust();
      co_return on_failure(*failure);
    }
  } catch (const Error& error) {
    if (error.code() != ExitCode::unavailable || !was_connected_) co_return Step::failed(error);
    // The server of `local:` ran before: it may again.
    Step step = Step::try_later(error.what());
    step.error = error;
    co_return step;
  }
  was_connected_ = true;
  greet();
  co_return Step();
}

/// Has the sentinels name the master.
Task<Step> Channel::locate(TimePoint until) {
  const Sentinels::Found found = co_await sentinels_->find(until);
  if (found.master) {
    server_.set_address(*found.master);
    co_return Step();
  }
  // What holds something goes on asking: it was right before.
  if (found.lasting && !was_connected_) co_return Step::failed(*found.error);
  Step step = Step::try_later(found.error->what());
  step.error = found.error;
  co_return step;
}

void Channel::expect(Expected expected, const std::vector<std::string_view>& words) {
  std::string wire;
  append_command(wire, words);
  connection_.queue(wire);
  expected_.push_back(expected);
}

void Channel::greet() {
  if (logs_in()) {
    std::vector<std::string_view> words{"AUTH"};
    if (!server_.user.empty()) words.push_back(server_.user);
    words.push_back(password_ ? std::string_view(*password_) : std::string_view());
    expect({Greeting::auth}, words);
  }
  if (server_.db != 0) {
    const std::string db = std::to_string(server_.db);
    expect({Greeting::select}, {"SELECT", db});
  }
  if (sentinels_ != nullptr) expect({Greeting::role}, {"ROLE"});
  if (options_.refuse_eviction) expect({Greeting::memory}, {"INFO", "memory"});
  if (!options_.client_name.empty())
    expect({Greeting::name}, {"CLIENT", "SETNAME", options_.client_name});
}

/// Whoever logs in may have been given too little: a script that finds out on its way has written
/// what it wrote. Before a script that writes the answer to AUTH is waited for in any case, and the
/// question goes along.
void Channel::ask_permissions(std::string_view key) {
  permissions_asked_ = true;
  const Script& script = scripts::acl_denied;
  expect({Greeting::permissions}, {"SCRIPT", "LOAD", script.source});
  // In one word: of whoever is not let in the server reads no more than ten.
  const std::string commands = fmt::format("{}", fmt::join(commands_of_all(), " "));
  expect({Greeting::permissions}, {"EVALSHA", script.sha1, "0", commands, key});
}

Task<Step> Channel::take_greetings(TimePoint until) {
  while (!expected_.empty()) {
    const TimePoint at_most = std::min(until, add(loop_.now(), options_.command_timeout));
    const auto received = co_await connection_.receive(at_most);
    if (received.failure) co_return on_failure(*received.failure);
    const Expected expected = expected_.front();
    expected_.pop_front();
    Step step = on_greeting(expected.greeting, *received.reply);
    if (step.next != Step::Next::go_on) {
      connection_.close();
      co_return step;
    }
  }
  co_return Step();
}

void Channel::queue_loads(const Batch& batch) {
  if (!batch.load) return;
  std::set<std::string_view> queued;
  for (size_t i = batch.first; i < batch.requests.size(); ++i) {
    const Script* const script = batch.requests[i].script;
    if (script == nullptr || loaded_.contains(script->sha1) || !queued.insert(script->sha1).second)
      continue;
    expect({Greeting::none, script}, {"SCRIPT", "LOAD", script->source});
    just_loaded_ = true;
  }
}

void Channel::queue_requests(Batch& batch, size_t& next) {
  while (next < batch.requests.size() && next - batch.first < kMostRequests &&
         connection_.unsent() < kMostBytes) {
    Request& request = batch.requests[next++];
    if (request.ask) expect({Greeting::asking}, {"ASKING"});
    request.sent = loop_.now();
    request.end = connection_.queue(request.wire);
    expected_.push_back({});
  }
}

/// Notes what of the batch has left, as the connection stands or stood when it was closed.
void Channel::note_sent(Batch& batch, uint64_t start) const {
  if (connection_.sent() > start) batch.sent = true;
  // A command of which a byte is missing is not executed.
  const bool whole = std::any_of(
      batch.requests.begin() + static_cast<std::ptrdiff_t>(batch.first), batch.requests.end(),
      [&](const Request& request) { return request.end <= connection_.sent(); });
  if (whole && batch.writes) batch.may_be_done = true;
}

Task<Step> Channel::exchange(Batch& batch, Duration reply_within, TimePoint until,
                             TimePoint nudge) {
  for (size_t i = batch.first; i < batch.requests.size(); ++i) {
    Request& request = batch.requests[i];
    request.end = kNotQueued;
    if (request.script == nullptr || !request.script->writes) continue;
    if (std::optional<Error> refusal = not_permitted(request)) co_return Step::failed(*refusal);
  }
  if (std::exchange(permissions_wanted_, false)) ask_permissions(batch.requests[batch.first].key);
  queue_loads(batch);
  const uint64_t start = connection_.queue({}, 0);
  size_t next = batch.first;
  while (!batch.done()) {
    queue_requests(batch, next);
    if (nudge != kNever && !co_await connection_.hears(nudge)) {
      expect({Greeting::nudge}, {"TIME"});
      nudge = kNever;
    }
    auto received = co_await connection_.receive(std::min(until, add(loop_.now(), reply_within)));
    if (received.failure) {
      if (received.failure->kind != Failure::Kind::verification) note_sent(batch, start);
      co_return on_failure(*received.failure);
    }
    const Expected expected = expected_.front();
    expected_.pop_front();
    Step step = on_reply(batch, expected, std::move(*received.reply));
    if (step.next == Step::Next::go_on) continue;
    // What is under way behind the one that failed comes to its end, so that the connection can be
    // used on.
    bool drained = true;
    if (connection_.is_open() && step.next != Step::Next::fail)
      drained = co_await drain(batch, reply_within, until);
    if (step.leave) connection_.close();
    if (!step.turned_away || !drained) note_sent(batch, start);
    co_return step;
  }
  while (!expected_.empty() && expected_.front().greeting == Greeting::nudge) {
    const auto received = co_await connection_.receive(until);
    if (received.failure) break;  // what was asked for is there
    expected_.pop_front();
  }
  co_return Step();
}

/// Takes the answers to all that is under way and drops them: it will be sent again, in order.
/// False when not all of them came.
Task<bool> Channel::drain(Batch& batch, Duration reply_within, TimePoint until) {
  size_t i = batch.first;
  while (!expected_.empty()) {
    const auto received =
        co_await connection_.receive(std::min(until, add(loop_.now(), reply_within)));
    if (received.failure) co_return false;
    const Expected expected = expected_.front();
    expected_.pop_front();
    if (expected.greeting != Greeting::none || expected.load != nullptr) continue;
    while (batch.requests[i].end == kNotQueued) ++i;  // the one that failed
    batch.requests[i].end = kNotQueued;
    if (!received.reply->is_error() && batch.writes) batch.may_be_done = true;
  }
  co_return true;
}

}  // namespace dcoord::redis
