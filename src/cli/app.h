#pragma once

#include <vector>

#include "cli/command.h"

namespace dcoord::cli {

/// The whole program: understands argv, runs the verb, prints what went wrong, returns the exit
/// code. Overwrites passwords in argv, which other users can see.
int run(int argc, char** argv, const std::vector<NounEntry>& nouns);

}  // namespace dcoord::cli
