#include "redis/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"

namespace dcoord::redis {
namespace {

using std::string_view;

constexpr string_view kForms = "redis://HOST:6379/0, rediss:// for TLS, unix:///PATH or local:";

std::string lower(string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// A URL under inspection: errors name where it came from and show it without its password.
struct Source {
  string_view url;
  string_view origin;

  Error wrong(const std::string& what, std::string hint = std::string(kForms)) const {
    return config_error(fmt::format("{}: '{}': {}", origin, redact_url(url), what),
                        std::move(hint));
  }
};

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// `part` names what is decoded; its text is not shown, for it may be secret.
std::string decode(const Source& source, string_view text, const char* part) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      throw source.wrong(
          fmt::format("a '%' in the {} is not followed by two hexadecimal digits", part),
          "write %25 for a '%'");
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<int> whole_number(string_view text, int most) {
  int n = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, n);
  if (text.empty() || text[0] == '-' || error != std::errc() || stop != end || n > most)
    return std::nullopt;
  return n;
}

int parse_db(const Source& source, string_view text) {
  const auto db = whole_number(text, std::numeric_limits<int>::max());
  if (!db) throw source.wrong(fmt::format("the database '{}' is not a whole number", text));
  return *db;
}

void parse_query(const Source& source, string_view query, Server& server) {
  while (!query.empty()) {
    const string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    const size_t equals = item.find('=');
    const string_view key = item.substr(0, equals);
    if (key != "db" || equals == string_view::npos) {
      throw source.wrong(fmt::format("unknown parameter '{}'", key), "only ?db=N is known");
    }
    server.db = parse_db(source, item.substr(equals + 1));
  }
}

void parse_user_info(const Source& source, string_view info, Server& server) {
  const size_t colon = info.find(':');
  // As redis-cli has it: what stands alone is the password.
  const string_view password = colon == string_view::npos ? info : info.substr(colon + 1);
  if (colon != string_view::npos) server.user = decode(source, info.substr(0, colon), "user");
  if (password.empty()) return;
  server.password = [decoded =
                         decode(source, password, "password")]() -> std::optional<std::string> {
    return decoded;
  };
}

void check_host(const Source& source, string_view host, bool bracketed) {
  const auto fits = [&](char c) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alphanumeric || c == '.' || c == '-' || c == '_' ||
           (bracketed && (c == ':' || c == '%'));
  };
  if (std::all_of(host.begin(), host.end(), fits)) return;
  if (host.find(',') != string_view::npos) {
    throw source.wrong("several servers in one URL are not supported", "give each its own -u");
  }
  throw source.wrong(fmt::format("'{}' is not a host name", host));
}

void parse_host_port(const Source& source, string_view text, Server& server) {
  string_view host = text;
  string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == string_view::npos) throw source.wrong("the ']' behind the IPv6 address is missing");
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (host.find(':') == string_view::npos)
      throw source.wrong(fmt::format("'{}' is not an IPv6 address", host));
    check_host(source, host, true);
  } else {
    const size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != string_view::npos) rest = text.substr(colon);
    check_host(source, host, false);
    if (rest.find(':', 1) != string_view::npos && rest.find(',') == string_view::npos) {
      throw source.wrong("an IPv6 address has to stand in brackets", "redis://[::1]:6379");
    }
  }
  if (!host.empty()) server.host = host;
  const size_t zone = server.host.find("%25");
  if (zone != std::string::npos) server.host.erase(zone + 1, 2);
  if (rest.empty()) return;
  if (rest.find(',') != string_view::npos) {
    throw source.wrong("several servers in one URL are not supported", "give each its own -u");
  }
  const auto port = rest[0] == ':' ? whole_number(rest.substr(1), 65535) : std::nullopt;
  if (!port || *port == 0)
    throw source.wrong(fmt::format("'{}' is not a port (1 to 65535)", rest.substr(1)));
  server.port = *port;
}

/// Cuts `text` at the first of `stops`; the rest begins with it.
string_view cut(string_view& text, const char* stops) {
  const size_t end = std::min(text.size(), text.find_first_of(stops));
  const string_view part = text.substr(0, end);
  text.remove_prefix(end);
  return part;
}

void parse_authority(const Source& source, string_view authority, string_view rest,
                     Server& server) {
  if (rest.find('@') != string_view::npos && server.kind == Server::Kind::tcp) {
    // Part of the password would be taken for something else, and shown.
    throw source.wrong("a '/', '?' or '#' in the password has to be written %2F, %3F or %23");
  }
  const size_t at = authority.rfind('@');
  if (at != string_view::npos) {
    parse_user_info(source, authority.substr(0, at), server);
    authority.remove_prefix(at + 1);
  }
  if (server.kind == Server::Kind::tcp) {
    parse_host_port(source, authority, server);
  } else if (!authority.empty()) {
    throw source.wrong("the path of the socket has to begin with '/'",
                       "unix:///run/redis/redis.sock");
  }
}

void parse_scheme(const Source& source, string_view scheme, Server& server) {
  if (scheme == "redis" || scheme == "valkey") return;
  if (scheme == "rediss" || scheme == "valkeys") {
    server.tls.enabled = true;
  } else if (scheme == "unix") {
    server.kind = Server::Kind::unix_socket;
  } else if (scheme.find("sentinel") != string_view::npos ||
             scheme.find("cluster") != string_view::npos) {
    throw source.wrong(fmt::format("{}:// is not supported yet", scheme),
                       "give the URL of the master");
  } else {
    throw source.wrong(fmt::format("unknown scheme '{}'", scheme));
  }
}

bool has_control(string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

}  // namespace

Server parse_url(string_view url, string_view origin) {
  const Source source{url, origin};
  Server server;
  server.origin = origin;
  if (url.empty()) throw source.wrong("the URL is empty");
  if (has_control(url)) throw source.wrong("spaces and control characters have to be written %XX");

  string_view rest = url;
  if (lower(url.substr(0, 6)) == "local:") {
    server.kind = Server::Kind::local;
    rest.remove_prefix(6);
    if (!rest.empty() && rest[0] != '?')
      throw source.wrong("nothing may follow 'local:' but ?db=N");
    if (!rest.empty()) parse_query(source, rest.substr(1), server);
    return server;
  }
  const size_t colon = url.find("://");
  if (colon == string_view::npos) throw source.wrong("it has no scheme");
  parse_scheme(source, lower(url.substr(0, colon)), server);
  rest.remove_prefix(colon + 3);
  const string_view authority = cut(rest, "/?#");
  parse_authority(source, authority, rest, server);
  const string_view path = cut(rest, "?#");
  const string_view query = cut(rest, "#");
  if (!rest.empty())
    throw source.wrong("a '#' has no meaning here; in a password it is written %23");
  if (server.kind == Server::Kind::unix_socket) {
    server.path = decode(source, path, "path");
    if (server.path.size() < 2)
      throw source.wrong("the path of the socket is missing", "unix:///run/redis/redis.sock");
    if (server.path.find('\0') != std::string::npos) throw source.wrong("a path has no zero byte");
  } else if (path.size() > 1) {
    server.db = parse_db(source, path.substr(1));
  }
  if (!query.empty()) parse_query(source, query.substr(1), server);
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
  const bool v6 = server.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}:{}/{}", server.tls.enabled ? "rediss" : "redis", user,
                     v6 ? "[" + server.host + "]" : server.host, server.port, server.db);
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
