#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "redis/target.h"

namespace dcoord::redis {

/// What a user of dcoord has to be allowed, as ACL rules ("+hset", "+script|load"), in order: for
/// these folders and scripts of lua/ ("lock", "queue/extend"; none: for all) and what their nouns
/// send besides, on servers of that kind.
std::vector<std::string> permissions(const std::vector<std::string>& parts,
                                     const std::vector<Target>& targets);

}  // namespace dcoord::redis
