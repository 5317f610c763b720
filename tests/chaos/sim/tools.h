#pragma once

#include <string>
#include <vector>

namespace dcoord::testing::sim {

/// Random operations on the model and on each installed server: 0 when all answers are the same.
int differential(long long operations, unsigned seed);

/// Scripts with random arguments over keys of random types: 0 when none fails in Lua, and none
/// writes before it refuses.
int fuzz_scripts(long long runs, unsigned seed);

/// Runs the checkers that are named (exclusion, fence, ...; none: all) over a file of lines that
/// workloads wrote: 0 when nothing was violated. Throws for a name that there is not.
int check_file(const std::string& path, const std::vector<std::string>& names);

}  // namespace dcoord::testing::sim
