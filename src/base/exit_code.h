#pragma once

namespace dcoord {

/// What the process answers the shell with. A wrapped command's own status passes unchanged and is
/// not in this list; nor is 128+N, for a command that died of signal N.
enum class ExitCode : int {
  ok = 0,                ///< done, true
  no = 1,                ///< a query's negative answer: not held, no such key, empty
  half_open = 2,         ///< `breaker status`: half-open; `health`: critical
  usage = 64,            ///< the command line is wrong
  data = 65,             ///< bad input data, or a differing --slots, --pool, --parties or layout
  unavailable = 69,      ///< Redis cannot be reached, has no quorum or is read-only
  internal = 70,         ///< a bug, or an unexpected reply
  unknown = 74,          ///< it may have been done: run again with the same --request-id
  refused = 75,          ///< could not have it now: held by another, open, full
  dependency = 76,       ///< a job's dependency failed or was lost
  permission = 77,       ///< authentication, permission or TLS verification failed
  config = 78,           ///< configuration, URL, node list, or a provider without what is needed
  lost = 79,             ///< the lease was lost while the command ran
  timed_out = 124,       ///< a wait or --max-time ran out
  not_executable = 126,  ///< the command cannot be executed
  not_found = 127,       ///< the command cannot be found
};

constexpr int to_int(ExitCode code) { return static_cast<int>(code); }

}  // namespace dcoord
