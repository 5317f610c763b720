#pragma once

#include <signal.h>

#include "hold/descriptors.h"
#include "hold/start_state.h"

namespace dcoord::hold {

/// What the supervisor blocks, and takes from a signalfd: everything that would end it, except what
/// was ignored at the start, faults, and the limits on its own resources; CHLD and CONT; and while
/// a command runs that shares its terminal, TSTP.
sigset_t collected_signals(const StartState& start);

/// Whether it asks this process to end.
bool asks_to_end(const Collected& signal);

/// Whether the command has to be sent it. With a terminal in common, what was typed there has
/// reached it already; except a hang-up, of which the kernel tells the session's leader only.
bool to_be_forwarded(const Collected& signal, bool terminal);

}  // namespace dcoord::hold
