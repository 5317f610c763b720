#pragma once

#include <string>
#include <string_view>

#include "cli/options.h"

namespace dcoord::cli {

/// Declares an option that is a number of bytes: "1MiB", "512KiB", "1000".
Option& size_option(OptionSet& set, std::string_view names, long long& target, long long most,
                    std::string help);

}  // namespace dcoord::cli
