#pragma once

#include <string>

namespace dcoord::testing::sim {

/// Random operations on the model and on each installed server: 0 when all answers are the same.
int differential(long long operations, unsigned seed);

/// Scripts with random arguments over keys of random types: 0 when none fails in Lua, and none
/// writes before it refuses.
int fuzz_scripts(long long runs, unsigned seed);

/// Runs all checkers over a file of lines that workloads wrote: 0 when nothing was violated.
int check_file(const std::string& path);

}  // namespace dcoord::testing::sim
