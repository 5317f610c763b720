#pragma once

#include <string>
#include <string_view>

namespace dcoord::output {

bool is_utf8(std::string_view bytes);
std::string base64(std::string_view bytes);

/// `current` with `patch` merged into it as RFC 7396 says; an absent `current` is "". Throws Error
/// (65) for what is no JSON, naming which of both.
std::string merge_json(std::string_view current, std::string_view patch);

}  // namespace dcoord::output
