#pragma once

#include <string>
#include <string_view>

namespace dcoord {

/// 128 random bits from the kernel as 32 hexadecimal digits: a request's or an owner's identity.
/// Throws Error when the kernel has none to give.
std::string random_token();

/// Whether `text` has the form of one.
bool is_token(std::string_view text);

}  // namespace dcoord
