#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "primitives/lock.h"

namespace dcoord::primitives {

/// "lock" or "elect", as in key names and messages.
const char* noun(LockKind kind);

/// Lock, line, waiters.
std::vector<std::string> hold_keys(const Keys& keys, LockKind kind, const std::string& name);

/// Names as they are stored, joined by commas.
std::vector<std::string> split_names(std::string_view names);

/// The log as lua/lib/lock_log.lua writes it: what was cut off at its end is left out.
std::vector<LockEvent> decode_lock_log(std::string_view bytes);

}  // namespace dcoord::primitives
