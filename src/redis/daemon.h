#pragma once

#include <string>
#include <vector>

namespace dcoord::redis {

/// The path of the first of these programs that can be executed: looked for in PATH and then where
/// a cron job's or an empty PATH does not reach. "" when there is none.
std::string find_program(const std::vector<std::string>& names);

/// Runs `argv` (argv[0] a path) as a daemon: a session of its own, umask 077, default signals, no
/// environment, input from /dev/null, output to `log`. It inherits `lock` and no other descriptor,
/// so that a flock taken on it is held until the program and whatever it forks have ended.
///
/// It becomes no child of this process, also when this one collects orphans as a subreaper (a
/// supervisor does, and would end it with the command's tree), and leaves nothing for a SIGCHLD
/// handler to collect. Returns before the program has been executed: whether that failed is in the
/// log, and the lock free again. Throws Error when the system forks no more.
void start_daemon(const std::vector<std::string>& argv, int lock, int log);

}  // namespace dcoord::redis
