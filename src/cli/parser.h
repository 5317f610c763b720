#pragma once

#include <string>
#include <vector>

#include "cli/argv.h"
#include "cli/options.h"

namespace dcoord::cli {

/// An option that argv names, with all its values ("true" for a flag), in argv's order.
struct Given {
  Option* option = nullptr;
  std::vector<std::string> values;
};

struct Parsed {
  std::vector<Given> given;  ///< by their last occurrence
  bool complete =
      false;  ///< false: something could not be understood, which explain() in usage.h finds
};

/// Sorts argv's words, noun and verb left out, into options and positional arguments. Sets nothing,
/// checks no values and no required arguments.
Parsed parse(const Words& words, OptionSet& globals, OptionSet& verb);

}  // namespace dcoord::cli
