#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/task.h"

namespace dcoord::redis {

/// Where the private server of `local:` lives and which programs may be it, the first found first.
/// A parameter only for tests: all else takes user_local_place().
struct LocalPlace {
  std::string directory;
  std::vector<std::string> programs;

  std::string socket() const { return directory + "/socket"; }
  std::string log() const { return directory + "/log"; }
};

/// /var/tmp/dcoord-UID, of the effective user. See local.cc for why there.
LocalPlace user_local_place();

/// The path of the unix socket of this user's server, which is started if it does not run; without
/// blocking the loop. While it runs this costs an lstat and a connect. The server is no child of
/// this process, nor of a supervisor that calls this, and outlives both. So it may be called at
/// every reconnection.
///
/// Throws Error: unavailable, when neither server is installed or it does not answer by `until`;
/// permission, when the directory is not ours alone.
Task<std::string> ensure_local_server(Loop& loop, TimePoint until);
Task<std::string> ensure_local_server_at(Loop& loop, TimePoint until, LocalPlace place);

struct LocalStatus {
  bool running = false;
  std::string directory;  ///< set also when it does not run, as are the next two
  std::string socket;
  std::string log;
  int pid = 0;
  std::string server;  ///< "redis 7.0.15", "valkey 8.0.1"
  Duration up{};       ///< since it was started, in whole seconds
  int clients = 0;     ///< connections, without the one that asked
};

/// Asks the server, and starts none. Throws Error (unavailable) when there is one that does not
/// answer by `until`.
Task<LocalStatus> local_status(Loop& loop, TimePoint until);
Task<LocalStatus> local_status_at(Loop& loop, TimePoint until, LocalPlace place);

/// Shuts the server down, its data kept, and returns when it is gone: false when there was none.
/// Whoever uses `local:` next starts it again. Throws Error (unavailable) when it is not gone by
/// `until`.
Task<bool> stop_local_server(Loop& loop, TimePoint until);
Task<bool> stop_local_server_at(Loop& loop, TimePoint until, LocalPlace place);

}  // namespace dcoord::redis
