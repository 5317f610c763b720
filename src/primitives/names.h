#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// Names that the indexes of a kind ("lock", "queue", ...) have and that `wanted` accepts, sorted,
/// `most` at most. One pipeline of reads, nothing is checked: some may be gone.
Task<std::vector<std::string>> names_of(redis::ScriptRunner& runner, const Keys& keys,
                                        std::string kind,
                                        std::function<bool(std::string_view)> wanted, size_t most,
                                        redis::Patience patience);

}  // namespace dcoord::primitives
