#pragma once

#include "primitives/queue.h"

namespace dcoord::primitives {

/// The answer of queue/show.
QueueView decode_queue_view(std::string name, const redis::Reply& reply);

/// One opaque string, as the dead carry it.
std::string encode(const DeathCause& cause);
DeathCause decode_death_cause(std::string_view text);

}  // namespace dcoord::primitives
