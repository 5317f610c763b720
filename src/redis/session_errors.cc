#include "redis/session_errors.h"

#include <fmt/format.h>

namespace dcoord::redis {
namespace {

constexpr const char* kAskAgain = "run it again with the same --request-id to find out";

std::string half(const ErrorInfo& info) {
  return info.half_done ? "; the script stopped on the way, what it wrote before that stays" : "";
}

Error not_permitted(const Server& server, const ErrorInfo& info, std::string_view script) {
  const std::string user =
      server.user.empty() ? "the default user" : fmt::format("user '{}'", server.user);
  if (!info.command.empty()) {
    return Error(ExitCode::permission, "no_permission",
                 fmt::format("{} may not run '{}' on Redis at {} ({}){}", user, info.command,
                             endpoint(server), script, half(info)),
                 fmt::format("ACL SETUSER {} +{}; `dcoord config acl` prints all that is needed",
                             server.user.empty() ? "default" : server.user, info.command));
  }
  return Error(ExitCode::permission, "no_permission",
               fmt::format("{} lacks a permission on Redis at {} ({}): {}{}", user,
                           endpoint(server), script, info.text, half(info)),
               "ACL LOG on the server names the command or the key; `dcoord config acl` prints all "
               "that is needed");
}

}  // namespace

std::string endpoint(const Server& server) {
  switch (server.kind) {
    case Server::Kind::unix_socket:
      return server.path;
    case Server::Kind::local:
      return "local:";
    case Server::Kind::tcp:
      break;
  }
  if (server.host.empty()) return server.part;
  const std::string address = to_string(server.address());
  return server.part.empty() ? address : fmt::format("{} ({})", address, server.part);
}

Error cannot_connect(const Server& server, const Failure& failure) {
  const std::string message =
      fmt::format("cannot connect to Redis at {}: {}", endpoint(server), failure.text);
  switch (failure.kind) {
    case Failure::Kind::verification:
      return Error(ExitCode::permission, "tls", message,
                   "--cacert, --sni and --cert say whom to trust and who asks");
    case Failure::Kind::no_tls:
      return Error(ExitCode::config, "tls", message, "redis:// is without TLS, rediss:// with it");
    default:
      break;
  }
  if (!server.part.empty()) {
    return Error(ExitCode::unavailable, "unreachable", message,
                 fmt::format("it is one of those that the URL ({}) leads to", server.origin));
  }
  return Error(ExitCode::unavailable, "unreachable", message,
               fmt::format("set DCOORD_URL or -u redis://HOST:6379/0 (now: {})",
                           server.origin.empty() ? describe(server) : server.origin));
}

Error no_success(const Server& server, const std::string& why, bool may_be_done) {
  if (may_be_done) {
    return Error(
        ExitCode::unknown, "unknown_outcome",
        fmt::format("no reply from Redis at {}: {}; it may have been done", endpoint(server), why),
        kAskAgain);
  }
  return Error(ExitCode::unavailable, "unavailable",
               fmt::format("no answer from Redis at {}: {}", endpoint(server), why));
}

Error not_now(const Server& server, const ErrorInfo& info) {
  return Error(ExitCode::unavailable, "unavailable",
               fmt::format("Redis at {} cannot do it now: {}", endpoint(server), info.text));
}

Error refused(const Server& server, const ErrorInfo& info, std::string_view script, bool writes) {
  const std::string at = endpoint(server);
  switch (info.verdict) {
    case Verdict::authentication:
      return refused_login(server, info);
    case Verdict::permission:
      return not_permitted(server, info, script);
    case Verdict::out_of_memory:
      return Error(ExitCode::unavailable, "out_of_memory",
                   fmt::format("Redis at {} is out of memory: {}", at, info.text),
                   "raise its maxmemory");
    case Verdict::wrong_type:
      return Error(ExitCode::data, "wrong_type",
                   fmt::format("a key that {} uses holds something else: {}{}", script, info.text,
                               half(info)),
                   "another program uses this namespace: choose one with --namespace");
    case Verdict::unsupported:
      return Error(
          ExitCode::config, "unsupported",
          fmt::format("Redis at {} lacks what {} needs: {}{}", at, script, info.text, half(info)));
    case Verdict::redirect:
      return Error(ExitCode::config, "cluster",
                   fmt::format("Redis at {} is a node of a cluster, and the key is on another: {}",
                               at, info.text),
                   "add --cluster, or give a URL like redis-cluster://HOST:6379,HOST");
    case Verdict::bug:
      return internal_error(
          fmt::format("{} on Redis at {}: {}{}", script, at, info.text, half(info)));
    default:
      break;
  }
  const std::string message =
      fmt::format("unexpected reply to {} from Redis at {}: {}", script, at, info.text);
  return writes ? Error(ExitCode::unknown, "unknown_outcome", message + "; it may have been done",
                        kAskAgain)
                : Error(ExitCode::internal, "internal", message);
}

Error evicts(const Server& server, std::string_view policy) {
  return Error(ExitCode::config, "eviction",
               fmt::format("Redis at {} may drop what is held when its memory is full: "
                           "maxmemory-policy is {}",
                           endpoint(server), policy),
               "set maxmemory-policy noeviction there, or give --allow-eviction");
}

Error refused_login(const Server& server, const ErrorInfo& info) {
  const std::string who = server.user.empty() ? "" : fmt::format(" as user '{}'", server.user);
  return Error(
      ExitCode::permission, "authentication",
      fmt::format("Redis at {} does not let us in{}: {}", endpoint(server), who, info.text),
      "the password comes from --pass-file, DCOORD_PASSWORD or the URL, the user from --user or "
      "the URL");
}

Error refused_database(const Server& server, const ErrorInfo& info) {
  if (info.verdict == Verdict::authentication || info.verdict == Verdict::permission) {
    return refused(server, info, "select", false);
  }
  return Error(
      ExitCode::config, "database",
      fmt::format("Redis at {} has no database {}: {}", endpoint(server), server.db, info.text));
}

Error after_unknown(const Error& error) {
  return Error(ExitCode::unknown, "unknown_outcome",
               fmt::format("{}; an earlier attempt may have been done", error.what()), kAskAgain);
}

}  // namespace dcoord::redis
