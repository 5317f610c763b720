#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace dcoord::cli {

/// Exit codes with what they mean, a line each: `dcoord help exit-codes`.
std::string exit_codes_help();

/// `dcoord __commands`: the whole command tree for the manual and its tests, a line for each thing,
/// its fields with TABs between; man/expand.awk says which. Prints on stdout.
int run_commands(const std::vector<NounEntry>& nouns);

}  // namespace dcoord::cli
