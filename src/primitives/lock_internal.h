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

/// Of script lock/show.
redis::Call show_call(const Keys& keys, LockKind kind, const std::string& name, int waiters);
LockView decode_view(std::string name, const redis::Reply& reply);

/// What lock/revoke answered, without the messages that are to be delivered.
LockService::Revoked decode_revoked(const redis::Reply& reply);

/// What lock/forget answered.
LockService::Forgotten decode_forgotten(const redis::Reply& reply);

}  // namespace dcoord::primitives
