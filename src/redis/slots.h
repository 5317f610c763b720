#pragma once

#include <string_view>

namespace dcoord::redis {

inline constexpr int kSlots = 16384;

/// The slot of a cluster that a key is in: CRC16 of what stands between its first '{' and the '}'
/// behind it, or of all of it when there is nothing between them.
int slot_of(std::string_view key);

}  // namespace dcoord::redis
