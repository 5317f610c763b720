#pragma once

#include <string_view>

namespace dcoord::cli {

/// Whether a name is one that a PATTERN means: `*` stands for anything, `?` for one character, a
/// backslash takes the meaning of what follows it away. "" means every name.
bool glob_matches(std::string_view pattern, std::string_view name);

}  // namespace dcoord::cli
