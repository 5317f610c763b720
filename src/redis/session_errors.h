#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "redis/classify.h"
#include "redis/connection.h"
#include "redis/url.h"

namespace dcoord::redis {

// What the errors of a session say: one place, so that one cause always reads the same.

/// "HOST:PORT" (an IPv6 address in brackets) or the path of the socket, and what part of something
/// larger it is: "HOST:PORT (master 'main')"; just that while the address is not known.
std::string endpoint(const Server& server);

/// Nothing could be sent (69; 77 and 78 for TLS).
Error cannot_connect(const Server& server, const Failure& failure);

/// Patience ended: 74 when the request `may_be_done`, else 69. `why` is what went wrong last.
Error no_success(const Server& server, const std::string& why, bool may_be_done);

/// An error reply that asking again may change, when there is no time left to do so (69).
Error not_now(const Server& server, const ErrorInfo& info);

/// An error reply that asking again would not change. `script` is the name of the script or the
/// command.
Error refused(const Server& server, const ErrorInfo& info, std::string_view script, bool writes);

/// The server drops keys when its memory is full (78).
Error evicts(const Server& server, std::string_view policy);

/// AUTH or SELECT did not answer OK.
Error refused_login(const Server& server, const ErrorInfo& info);
Error refused_database(const Server& server, const ErrorInfo& info);

/// `error`, which came after an attempt that may have been executed: that is what counts (74).
Error after_unknown(const Error& error);

}  // namespace dcoord::redis
