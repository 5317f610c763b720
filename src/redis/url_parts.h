#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "redis/url.h"

namespace dcoord::redis {

// What url.cc and target.cc read URLs with.

/// A URL under inspection: errors name where it came from and show it without its password.
struct UrlSource {
  std::string_view url;
  std::string_view origin;

  Error wrong(const std::string& what) const;  ///< with the accepted forms as its hint
  Error wrong(const std::string& what, std::string hint) const;
};

std::string lower(std::string_view text);

/// Percent-decoded. `part` names it in errors; its text is not shown, for it may be secret.
std::string decode(const UrlSource& source, std::string_view text, const char* part);

int parse_db(const UrlSource& source, std::string_view text);

/// USER:PASSWORD@ or PASSWORD@ before the hosts, taken off `authority`. `rest` is what stands
/// behind: an '@' there means that the password was not encoded.
void take_user_info(const UrlSource& source, std::string_view& authority, std::string_view rest,
                    Server& server);

/// HOST, HOST:PORT, [IPv6]:PORT; what is missing stays as it is in `address`.
void parse_host_port(const UrlSource& source, std::string_view text, HostPort& address);

/// Cuts `text` at the first of `stops`; the rest begins with it.
std::string_view cut(std::string_view& text, const char* stops);

/// The scheme, in lower case, and what follows "://". Throws when there is none, or what could not
/// stand in a URL.
std::string take_scheme(const UrlSource& source, std::string_view& rest);

/// What stands behind the hosts.
struct UrlTail {
  std::string_view path;   ///< with its '/'
  std::string_view query;  ///< without its '?'
};
UrlTail split_tail(const UrlSource& source, std::string_view rest);

/// Takes "KEY=VALUE" off a query; false at its end. The value is absent without a '='.
bool next_parameter(std::string_view& query, std::string_view& key,
                    std::optional<std::string_view>& value);

}  // namespace dcoord::redis
