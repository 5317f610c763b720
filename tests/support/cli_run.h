#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace dcoord::testing {

/// What a run of the program within this process answered.
struct CliResult {
  int code = 0;
  std::string out;
  std::string err;
  std::vector<std::string> argv;  ///< as it stood in memory afterwards
};

/// Runs `dcoord WORDS` with just these variables ("NAME=VALUE") and, unless one of them says
/// otherwise, without a home, so that no file of the user is read.
CliResult run_cli(const std::vector<std::string>& words, const std::vector<cli::NounEntry>& nouns,
                  const std::vector<std::string>& variables = {});

}  // namespace dcoord::testing
