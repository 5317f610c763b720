#include "redis/url.h"

#include <fmt/format.h>

#include "base/error.h"
#include "redis/url_parts.h"

namespace dcoord::redis {
namespace {

using std::string_view;

void parse_query(const UrlSource& source, string_view query, Server& server) {
  string_view key;
  std::optional<string_view> value;
  while (next_parameter(query, key, value)) {
    if (key != "db" || !value)
      throw source.wrong(fmt::format("unknown parameter '{}'", key), "only ?db=N is known");
    server.db = parse_db(source, *value);
  }
}

void parse_scheme(const UrlSource& source, string_view scheme, Server& server) {
  if (scheme == "redis" || scheme == "valkey") return;
  if (scheme == "rediss" || scheme == "valkeys") {
    server.tls.enabled = true;
  } else if (scheme == "unix") {
    server.kind = Server::Kind::unix_socket;
  } else {
    throw source.wrong(fmt::format("unknown scheme '{}'", scheme));
  }
}

void parse_address(const UrlSource& source, string_view authority, Server& server) {
  if (server.kind == Server::Kind::tcp) {
    if (authority.find(',') != string_view::npos) {
      throw source.wrong("it names several servers",
                         "redis+sentinel://HOST,HOST/MASTER and redis-cluster://HOST,HOST do");
    }
    HostPort address = server.address();
    parse_host_port(source, authority, address);
    server.set_address(address);
  } else if (!authority.empty()) {
    throw source.wrong("the path of the socket has to begin with '/'",
                       "unix:///run/redis/redis.sock");
  }
}

Server parse_local(const UrlSource& source) {
  Server server;
  server.kind = Server::Kind::local;
  const string_view rest = source.url.substr(6);
  if (!rest.empty() && rest[0] != '?') throw source.wrong("nothing may follow 'local:' but ?db=N");
  if (!rest.empty()) parse_query(source, rest.substr(1), server);
  return server;
}

}  // namespace

std::string to_string(const HostPort& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}:{}", v6 ? "[" + address.host + "]" : address.host, address.port);
}

Server parse_url(string_view url, string_view origin) {
  const UrlSource source{url, origin};
  Server server;
  if (lower(url.substr(0, 6)) == "local:") {
    server = parse_local(source);
    server.origin = origin;
    return server;
  }
  server.origin = origin;
  string_view rest;
  parse_scheme(source, take_scheme(source, rest), server);
  string_view authority = cut(rest, "/?#");
  take_user_info(source, authority, rest, server);
  parse_address(source, authority, server);
  const UrlTail tail = split_tail(source, rest);
  if (server.kind == Server::Kind::unix_socket) {
    server.path = decode(source, tail.path, "path");
    if (server.path.size() < 2)
      throw source.wrong("the path of the socket is missing", "unix:///run/redis/redis.sock");
    if (server.path.find('\0') != std::string::npos) throw source.wrong("a path has no zero byte");
  } else if (tail.path.size() > 1) {
    server.db = parse_db(source, tail.path.substr(1));
  }
  parse_query(source, tail.query, server);
  return server;
}

std::string describe(const Server& server) {
  const std::string user = server.user.empty() ? "" : server.user + "@";
  if (server.kind == Server::Kind::local)
    return server.db == 0 ? "local:" : fmt::format("local:?db={}", server.db);
  if (server.kind == Server::Kind::unix_socket) {
    return fmt::format("unix://{}{}{}", user, server.path,
                       server.db == 0 ? "" : fmt::format("?db={}", server.db));
  }
  return fmt::format("{}://{}{}/{}", server.tls.enabled ? "rediss" : "redis", user,
                     to_string(server.address()), server.db);
}

std::string redact_url(string_view url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == string_view::npos ? 0 : scheme + 3;
  const size_t at = url.rfind('@');
  // A socket's path may have an '@' in it; a URL that is wrong in other ways may have the password
  // anywhere before one.
  const bool plain_path =
      lower(url.substr(0, 5)) == "unix:" && begin < url.size() && url[begin] == '/';
  if (at == string_view::npos || at < begin || plain_path) return std::string(url);
  const string_view info = url.substr(begin, at - begin);
  const size_t colon = info.find(':');
  const string_view user = colon == string_view::npos ? string_view() : info.substr(0, colon + 1);
  return fmt::format("{}{}***{}", url.substr(0, begin), user, url.substr(at));
}

}  // namespace dcoord::redis
