#pragma once

#include <string_view>
#include <vector>

#include "redis/script.h"

namespace dcoord::redis {

/// The Redis commands that a script calls, in capitals, in order, each once.
std::vector<std::string_view> commands_of(const Script& script);

}  // namespace dcoord::redis
