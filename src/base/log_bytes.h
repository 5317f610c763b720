#pragma once

#include <string_view>

namespace dcoord::log {

/// What a command of ours wrote to its standard error, byte for byte, on ours. A progress line that
/// stands is cleared first.
void pass_on(std::string_view bytes);

}  // namespace dcoord::log
