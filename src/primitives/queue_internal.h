#pragma once

#include "primitives/queue.h"

namespace dcoord::primitives {

Error unexpected_queue_reply(const redis::Script& script, const redis::Reply& reply);

/// The answer of queue/show.
QueueView decode_queue_view(std::string name, const redis::Reply& reply);

/// One opaque string, as the dead carry it.
std::string encode(const DeathCause& cause);
DeathCause decode_death_cause(std::string_view text);

}  // namespace dcoord::primitives
