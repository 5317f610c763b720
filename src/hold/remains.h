#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace dcoord::hold {

/// Whether the process that began at `start` (clock ticks after boot) with that id still lives.
/// True when in doubt: it cannot be looked at, or measures its time otherwise than we do.
bool lives(pid_t pid, unsigned long long start);

/// The variables whose names begin with `prefix` of all processes whose environment may be read,
/// each ended by a line feed. What a process was started with, not what it has set since.
std::string environments(std::string_view prefix);

}  // namespace dcoord::hold
