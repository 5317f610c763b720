#pragma once

#include <vector>

#include "cli/command.h"
#include "cli/resolve.h"

namespace dcoord::cli {

/// Throws Error (78) for a chosen profile that no file has, and for keys and tables that no option
/// has.
void check_files(const Sources& sources, const OptionSet& globals,
                 const std::vector<NounEntry>& nouns);

/// Warns of variables that begin with DCOORD_ and seem to be meant for an option that there is not;
/// notes (-v) others that are none.
void warn_of_variables(const Environment& environment, const OptionSet& globals,
                       const std::vector<NounEntry>& nouns);

}  // namespace dcoord::cli
