#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/environment.h"
#include "cli/globals.h"

namespace dcoord::cli {

/// Gets a password when it is needed; nothing or empty: there is none.
using PasswordSource = std::function<std::optional<std::string>()>;

struct Password {
  std::string origin;  ///< "--askpass", "DCOORD_PASSWORD", ...; "" when there is none
  PasswordSource
      get;  ///< asks or reads at the first call; a file is read again at each further one
};

/// The password by the order --askpass, -a, --pass-file, DCOORD_PASSWORD, VALKEYCLI_AUTH,
/// REDISCLI_AUTH, the URL's.
Password choose_password(const Globals& globals, const Environment& environment,
                         PasswordSource from_url, const std::string& url_origin);

/// That of the sentinels: --sentinel-pass-file, DCOORD_SENTINEL_PASSWORD.
Password choose_sentinel_password(const Globals& globals, const Environment& environment);

}  // namespace dcoord::cli
