#pragma once

#include <sys/types.h>

#include "hold/shared.h"
#include "hold/start_state.h"

namespace dcoord::hold {

/// The guard's whole life, in a fork that has every signal blocked. It starts the command when told
/// to over `socket`, and ends the tree when the deadline comes or the other end of the socket
/// closes. It never allocates, since the fork may have come while a thread held malloc's lock, and
/// runs no destructor of its parent's objects.
[[noreturn]] void run_guard(Shared& shared, const StartState& start, int socket, pid_t supervisor);

}  // namespace dcoord::hold
