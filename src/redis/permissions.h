#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "redis/target.h"

namespace dcoord::redis {

/// What a user of dcoord has to be allowed, as ACL rules ("+hset", "+script|load"), in order: for
/// the scripts in these folders of lua/ (none: for all), on servers of that kind.
std::vector<std::string> permissions(const std::vector<std::string>& folders,
                                     const std::vector<Target>& targets);

}  // namespace dcoord::redis
