#pragma once

#include <optional>
#include <string>

#include "base/error.h"

namespace dcoord::output {

/// What became of one command of a batch, as a line of JSON: line, code, and result (what the
/// command printed: lines of JSON, more than one as an array) or error.
std::string batch_line(long long line, int code, const std::string& printed,
                       const std::optional<Error>& error);

}  // namespace dcoord::output
