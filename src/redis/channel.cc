#include "redis/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "redis/session_errors.h"

namespace dcoord::redis {
namespace {

// Bounds on what is under way at once: enough to fill the line, little enough to keep.
constexpr size_t kMostRequests = 1000;
constexpr size_t kMostBytes = size_t{1} << 20;

constexpr uint64_t kNotQueued = std::numeric_limits<uint64_t>::max();

Step fail(Error error) {
  Step step;
  step.next = Step::Next::fail;
  step.error = std::move(error);
  return step;
}

Step back_off(std::string why) {
  Step step;
  step.next = Step::Next::back_off;
  step.why = std::move(why);
  return step;
}

/// Where a redirection leads to: "HOST:PORT", where the host may be empty, or an IPv6 address
/// without brackets.
HostPort parse_node(std::string_view target) {
  const size_t colon = std::min(target.rfind(':'), target.size());
  HostPort node{std::string(target.substr(0, colon)), 0};
  const std::string_view port = target.substr(std::min(colon + 1, target.size()));
  std::from_chars(port.data(), port.data() + port.size(), node.port);
  return node;
}

/// Too many clients: said to whoever connects, without reading what they sent.
bool turns_away(const ErrorInfo& info) {
  return info.word == "ERR" && info.verdict == Verdict::reconnect;
}

}  // namespace

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

Task<Step> Channel::prepare(bool alone, TimePoint until) {
  just_loaded_ = false;
  if (connection_.is_open() && connection_.is_stale()) connection_.close();
  if (!connection_.is_open()) {
    Step step = co_await connect(std::min(until, add(loop_.now(), options_.connect_timeout)));
    if (step.next != Step::Next::go_on) co_return step;
  }
  // Without AUTH and SELECT there is nothing whose refusal would let a request run where it should
  // not: a replica refuses to write by itself.
  const bool binding = std::any_of(expected_.begin(), expected_.end(), [](const Expected& e) {
    return e.greeting == Greeting::auth || e.greeting == Greeting::select ||
           e.greeting == Greeting::memory;
  });
  if (alone && binding) co_return co_await take_greetings(until);
  co_return Step();
}

Task<Step> Channel::connect(TimePoint until) {
  expected_.clear();
  loaded_.clear();
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
    if (error.code() != ExitCode::unavailable || !was_connected_) co_return fail(error);
    // The server of `local:` ran before: it may again.
    Step step = back_off(error.what());
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
  if (found.lasting && !was_connected_) co_return fail(*found.error);
  Step step = back_off(found.error->what());
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
  if (password_ || !server_.user.empty()) {
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

Task<Step> Channel::exchange(Batch& batch, Duration reply_within, TimePoint until) {
  for (size_t i = batch.first; i < batch.requests.size(); ++i) batch.requests[i].end = kNotQueued;
  queue_loads(batch);
  const uint64_t start = connection_.queue({}, 0);
  size_t next = batch.first;
  while (!batch.done()) {
    queue_requests(batch, next);
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

Step Channel::on_reply(Batch& batch, const Expected& expected, Reply reply) {
  if (expected.greeting != Greeting::none) return on_greeting(expected.greeting, reply);
  if (expected.load != nullptr) return on_load(*expected.load, reply);
  Request& request = batch.requests[batch.first];
  if (reply.is_error()) {
    const ErrorInfo info = classify(reply.text());
    if (info.verdict != Verdict::own) {
      request.end = kNotQueued;
      Step step = on_error(batch, request, info);
      if (step.next != Step::Next::fail || !batch.each) return step;
      request.answer = Answer{Reply::nil(), request.sent};
      request.answer->error = std::move(step.error);
      ++batch.first;
      return Step();
    }
  }
  if (request.script != nullptr) loaded_.emplace(request.script->sha1);
  request.answer = Answer{std::move(reply), request.sent};
  request.wire = std::string();
  ++batch.first;
  return Step();
}

Step Channel::on_greeting(Greeting greeting, const Reply& reply) {
  if (!reply.is_error()) {
    return greeting == Greeting::role     ? on_role(reply)
           : greeting == Greeting::memory ? on_memory(reply)
                                          : Step();
  }
  const ErrorInfo info = classify(reply.text());
  if (info.word == "DENIED") return fail(refused(server_, info, "connecting", false));
  // Of the name only what is no answer to it counts.
  if (greeting == Greeting::name) return turns_away(info) ? later(info) : Step();
  if (info.verdict == Verdict::back_off || info.verdict == Verdict::reconnect) return later(info);
  // Who may not ask goes on unasked.
  if (greeting == Greeting::memory && info.verdict == Verdict::permission) return Step();
  if (greeting == Greeting::auth) return fail(refused_login(server_, info));
  if (greeting == Greeting::select) return fail(refused_database(server_, info));
  const char* const name = greeting == Greeting::role     ? "ROLE"
                           : greeting == Greeting::memory ? "INFO"
                                                          : "ASKING";
  return fail(refused(server_, info, name, false));
}

/// What is held must not be dropped.
Step Channel::on_memory(const Reply& reply) {
  const auto field = [&](std::string_view name) {
    const std::string_view text = reply.text();
    const size_t at = text.find(name);
    if (at == std::string_view::npos) return std::string_view();
    const std::string_view rest = text.substr(at + name.size());
    return rest.substr(0, rest.find_first_of("\r\n"));
  };
  const std::string_view most = field("\nmaxmemory:");
  const std::string_view policy = field("\nmaxmemory_policy:");
  if (most.empty() || most == "0" || policy.empty() || policy == "noeviction") return Step();
  return fail(evicts(server_, policy));
}

/// A sentinel may not know yet, or not any more.
Step Channel::on_role(const Reply& reply) {
  const std::string role = reply.is_array() && reply.size() > 0 ? reply.at(0).text() : "";
  if (role == "master") return Step();
  ErrorInfo info;
  const std::string text =
      fmt::format("it is not the master but a {}: the sentinel at {} that named it is out of date",
                  role == "slave" ? "replica" : role, sentinels_->informant());
  info.text = text;
  sentinels_->distrust();
  Step step = back_off(text);
  step.error = not_now(server_, info);
  step.turned_away = step.leave = true;
  return step;
}

Step Channel::on_load(const Script& script, const Reply& reply) {
  if (!reply.is_error()) {
    if (reply.type() == Reply::Type::string && reply.text() == script.sha1) {
      loaded_.emplace(script.sha1);
      return Step();
    }
    return fail(
        internal_error("the SHA1 of script " + std::string(script.name) + " is not the server's"));
  }
  const ErrorInfo info = classify(reply.text());
  if (info.verdict == Verdict::back_off || info.verdict == Verdict::reconnect) return later(info);
  // It may have the script all the same, loaded by somebody who may.
  load_refusal_ = reply.text();
  return Step();
}

Step Channel::on_error(Batch& batch, const Request& request, const ErrorInfo& info) {
  switch (info.verdict) {
    case Verdict::load_script: {
      if (request.script == nullptr) break;
      if (load_refusal_) {
        return fail(refused(server_, classify(*load_refusal_), "SCRIPT LOAD", false));
      }
      // Once more right now, then with pauses: somebody flushes the scripts all the time.
      Step step = just_loaded_ ? later(info) : Step();
      if (!just_loaded_) step.next = Step::Next::again;
      loaded_.clear();
      batch.load = true;
      return step;
    }
    case Verdict::back_off:
    case Verdict::reconnect:
      return later(info);
    case Verdict::redirect: {
      Step step = fail(refused(server_, info, request.name, batch.writes));
      step.next = Step::Next::redirect;
      step.node = parse_node(info.target);
      step.once = info.word == "ASK";
      return step;
    }
    default:
      break;
  }
  return fail(refused(server_, info, request.name, batch.writes));
}

/// Not now: over a new connection if this one leads to the wrong server or was turned away.
Step Channel::later(const ErrorInfo& info) {
  if (info.verdict == Verdict::reconnect) connection_.close();
  Step step = back_off(std::string(info.text));
  step.error = not_now(server_, info);
  step.turned_away = turns_away(info);
  step.in_doubt = info.verdict == Verdict::reconnect || info.word == "CLUSTERDOWN";
  return step;
}

Step Channel::on_failure(const Failure& failure) {
  expected_.clear();
  switch (failure.kind) {
    case Failure::Kind::verification:
    case Failure::Kind::no_tls:
      return fail(cannot_connect(server_, failure));
    default:
      break;
  }
  Step step = back_off(failure.text);
  step.in_doubt = true;
  if (failure.kind == Failure::Kind::connect) step.failure = failure;
  return step;
}

}  // namespace dcoord::redis
