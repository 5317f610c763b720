#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "redis/channel.h"
#include "redis/script_commands.h"
#include "redis/session_errors.h"

// What the replies to a channel's requests mean for the attempt.

namespace dcoord::redis {
namespace {

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
  if (greeting == Greeting::nudge) return Step();  // any answer will do
  if (!reply.is_error()) {
    if (greeting == Greeting::permissions) on_permissions(reply);
    return greeting == Greeting::role     ? on_role(reply)
           : greeting == Greeting::memory ? on_memory(reply)
                                          : Step();
  }
  const ErrorInfo info = classify(reply.text());
  if (info.word == "DENIED") return Step::failed(refused(server_, info, "connecting", false));
  // Of the name only what is no answer to it counts.
  if (greeting == Greeting::name) return turns_away(info) ? later(info) : Step();
  if (info.verdict == Verdict::back_off || info.verdict == Verdict::reconnect) {
    Step step = later(info);
    step.leave = greeting == Greeting::permissions;  // to be asked again
    return step;
  }
  // Who may not ask goes on unasked: what is not permitted, the script itself will tell.
  if (greeting == Greeting::permissions) return Step();
  if (greeting == Greeting::memory && info.verdict == Verdict::permission) return Step();
  if (greeting == Greeting::auth) return Step::failed(refused_login(server_, info));
  if (greeting == Greeting::select) return Step::failed(refused_database(server_, info));
  const char* const name = greeting == Greeting::role     ? "ROLE"
                           : greeting == Greeting::memory ? "INFO"
                                                          : "ASKING";
  return Step::failed(refused(server_, info, name, false));
}

void Channel::on_permissions(const Reply& reply) {
  if (!reply.is_array()) return;  // the script was loaded
  for (size_t i = 1; i < reply.size(); ++i) denied_.insert(reply.at(i).text());
}

/// A script that the user may not run to its end, with the first command that is in the way.
std::optional<Error> Channel::not_permitted(const Request& request) const {
  if (denied_.empty() || request.script == nullptr) return std::nullopt;
  for (const std::string_view command : commands_of(request.script->name)) {
    if (!denied_.contains(command)) continue;
    const std::string name = acl_name(command);
    ErrorInfo info;
    info.verdict = Verdict::permission;
    info.command = name;
    return refused(server_, info, request.name, false);
  }
  return std::nullopt;
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
  return Step::failed(evicts(server_, policy));
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
  Step step = Step::try_later(text);
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
    return Step::failed(
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
        return Step::failed(refused(server_, classify(*load_refusal_), "SCRIPT LOAD", false));
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
      Step step = Step::failed(refused(server_, info, request.name, batch.writes));
      step.next = Step::Next::redirect;
      step.node = parse_node(info.target);
      step.once = info.word == "ASK";
      return step;
    }
    case Verdict::permission:
      // Redis 7.0 does not say which command it was.
      if (info.command.empty() && request.script != nullptr && !request.script->writes) {
        if (std::optional<Error> refusal = not_permitted(request)) return Step::failed(*refusal);
        if (logs_in() && !permissions_asked_ && !request.key.empty()) {
          permissions_wanted_ = true;
          Step step;
          step.next = Step::Next::again;
          return step;
        }
      }
      break;
    default:
      break;
  }
  return Step::failed(refused(server_, info, request.name, batch.writes));
}

/// Not now: over a new connection if this one leads to the wrong server or was turned away.
Step Channel::later(const ErrorInfo& info) {
  if (info.verdict == Verdict::reconnect) connection_.close();
  Step step = Step::try_later(std::string(info.text));
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
      return Step::failed(cannot_connect(server_, failure));
    default:
      break;
  }
  Step step = Step::try_later(failure.text);
  step.in_doubt = true;
  if (failure.kind == Failure::Kind::connect) step.failure = failure;
  return step;
}

}  // namespace dcoord::redis
