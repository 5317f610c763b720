#pragma once

#include <string>
#include <string_view>

namespace dcoord::redis {

/// What an error reply asks for.
enum class Verdict {
  own,             ///< not one of Redis' words: the script's own refusal, which its caller knows
  load_script,     ///< the server does not have the script
  back_off,        ///< not now: ask again later
  reconnect,       ///< not here: ask again later, over a new connection
  redirect,        ///< another node of the cluster has the key
  authentication,  ///< user or password
  permission,      ///< the user may not do this
  out_of_memory,
  wrong_type,   ///< a key that is used holds something else
  unsupported,  ///< the server or its settings lack what is needed
  bug,          ///< dcoord asked for something that cannot be
  unknown,      ///< anything else
};

/// An error reply, understood.
struct ErrorInfo {
  Verdict verdict = Verdict::unknown;
  /// False: the server did nothing. True: a script came to this error while it ran, maybe after
  /// some of its writes, which are not undone.
  bool half_done = false;
  std::string_view word;     ///< the first word
  std::string_view text;     ///< all of it, without what the server adds about the script
  std::string_view command;  ///< permission, unsupported: the command that is missing; "" when the
                             ///< text does not tell
  std::string_view target;   ///< redirect: HOST:PORT, where the host may be empty (the same one)
};

/// Understands the text of an error reply, as Redis 6.2 to 8 and Valkey write them. The views are
/// into `reply`.
///
/// Only the first word counts, but for those that say ERR. A text that is not understood is
/// `unknown`, never a plain failure: it may have been done.
ErrorInfo classify(std::string_view reply);

}  // namespace dcoord::redis
