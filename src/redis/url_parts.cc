#include "redis/url_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace dcoord::redis {
namespace {

using std::string_view;

constexpr const char* kForms =
    "redis://HOST:6379/0, rediss:// for TLS, unix:///PATH, redis+sentinel://HOST,HOST/MASTER, "
    "redis-cluster://HOST,HOST or local:";

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<int> whole_number(string_view text, int most) {
  int n = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, n);
  if (text.empty() || text[0] == '-' || error != std::errc() || stop != end || n > most)
    return std::nullopt;
  return n;
}

void check_host(const UrlSource& source, string_view host, bool bracketed) {
  const auto fits = [&](char c) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alphanumeric || c == '.' || c == '-' || c == '_' ||
           (bracketed && (c == ':' || c == '%'));
  };
  if (std::all_of(host.begin(), host.end(), fits)) return;
  throw source.wrong(fmt::format("'{}' is not a host name", host));
}

bool has_control(string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

}  // namespace

Error UrlSource::wrong(const std::string& what) const { return wrong(what, kForms); }

Error UrlSource::wrong(const std::string& what, std::string hint) const {
  return config_error(fmt::format("{}: '{}': {}", origin, redact_url(url), what), std::move(hint));
}

std::string lower(string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string decode(const UrlSource& source, string_view text, const char* part) {
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

int parse_db(const UrlSource& source, string_view text) {
  const auto db = whole_number(text, std::numeric_limits<int>::max());
  if (!db) throw source.wrong(fmt::format("the database '{}' is not a whole number", text));
  return *db;
}

void take_user_info(const UrlSource& source, string_view& authority, string_view rest,
                    Server& server) {
  if (rest.find('@') != string_view::npos && server.kind == Server::Kind::tcp) {
    // Part of the password would be taken for something else, and shown.
    throw source.wrong("a '/', '?' or '#' in the password has to be written %2F, %3F or %23");
  }
  const size_t at = authority.rfind('@');
  if (at == string_view::npos) return;
  const string_view info = authority.substr(0, at);
  authority.remove_prefix(at + 1);
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

void parse_host_port(const UrlSource& source, string_view text, HostPort& address) {
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
    if (rest.find(':', 1) != string_view::npos) {
      throw source.wrong("an IPv6 address has to stand in brackets", "redis://[::1]:6379");
    }
  }
  if (!host.empty()) address.host = host;
  const size_t zone = address.host.find("%25");
  if (zone != std::string::npos) address.host.erase(zone + 1, 2);
  if (rest.empty()) return;
  const auto port = rest[0] == ':' ? whole_number(rest.substr(1), 65535) : std::nullopt;
  if (!port || *port == 0)
    throw source.wrong(fmt::format("'{}' is not a port (1 to 65535)", rest.substr(1)));
  address.port = *port;
}

string_view cut(string_view& text, const char* stops) {
  const size_t end = std::min(text.size(), text.find_first_of(stops));
  const string_view part = text.substr(0, end);
  text.remove_prefix(end);
  return part;
}

std::string take_scheme(const UrlSource& source, string_view& rest) {
  if (source.url.empty()) throw source.wrong("the URL is empty");
  if (has_control(source.url))
    throw source.wrong("spaces and control characters have to be written %XX");
  const size_t colon = source.url.find("://");
  if (colon == string_view::npos) throw source.wrong("it has no scheme");
  rest = source.url.substr(colon + 3);
  return lower(source.url.substr(0, colon));
}

UrlTail split_tail(const UrlSource& source, string_view rest) {
  UrlTail tail;
  tail.path = cut(rest, "?#");
  tail.query = cut(rest, "#");
  if (!rest.empty())
    throw source.wrong("a '#' has no meaning here; in a password it is written %23");
  if (!tail.query.empty()) tail.query.remove_prefix(1);
  return tail;
}

bool next_parameter(string_view& query, string_view& key, std::optional<string_view>& value) {
  if (query.empty()) return false;
  const string_view item = query.substr(0, query.find('&'));
  query.remove_prefix(std::min(query.size(), item.size() + 1));
  const size_t equals = item.find('=');
  key = item.substr(0, equals);
  value.reset();
  if (equals != string_view::npos) value = item.substr(equals + 1);
  return true;
}

}  // namespace dcoord::redis
