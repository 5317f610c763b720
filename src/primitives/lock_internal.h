#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "primitives/keys.h"
#include "primitives/lock.h"
#include "redis/script.h"

namespace dcoord::primitives {

/// "lock" or "elect", as in key names and messages.
const char* noun(LockKind kind);

/// Lock, line, waiters.
std::vector<std::string> hold_keys(const Keys& keys, LockKind kind, const std::string& name);

/// Names as they are stored, joined by commas.
std::vector<std::string> split_names(std::string_view names);

/// Script lock/show for one lock, with all that is stored of it; and what it answers.
redis::Call show_call(const Keys& keys, LockKind kind, const std::string& name, int waiters);
LockView decode_view(std::string name, const redis::Reply& reply);

/// The log as lua/lib/lock_log.lua writes it: what was cut off at its end is left out.
std::vector<LockEvent> decode_lock_log(std::string_view bytes);

/// What lock/revoke answered, without the messages that are to be delivered.
LockService::Revoked decode_revoked(const redis::Reply& reply);

/// What lock/forget answered.
LockService::Forgotten decode_forgotten(const redis::Reply& reply);

}  // namespace dcoord::primitives
