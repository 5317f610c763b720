#pragma once

#include <string>
#include <string_view>

namespace dcoord {

/// The SHA1 of bytes as 40 lower case hexadecimal digits: the name that a server gives a script.
std::string sha1_hex(std::string_view bytes);

}  // namespace dcoord
