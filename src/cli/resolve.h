#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config_file.h"
#include "cli/environment.h"
#include "cli/globals.h"
#include "cli/parser.h"

namespace dcoord::cli {

/// Everything that may give an option its value.
struct Sources {
  const std::vector<Given>& flags;
  const Environment& environment;
  const std::vector<ConfigFile>& files;  ///< the one that counts most first
  std::string profile;                   ///< chosen; "" for none
};

/// Sets each option from the source that counts most: flag, environment, profile, user's file,
/// system's file. A value that another one overrides is not even looked at. The weakest source
/// comes first and flags in argv's order, so that of two options that share a variable (-o and
/// --json) the stronger or later one wins. `noun` is "" for globals.
void resolve(OptionSet& options, std::string_view noun, const Sources& sources);

/// The profile that the files say to use, if any.
std::optional<std::string> profile_in(const std::vector<ConfigFile>& files);

struct FoundFiles {
  std::vector<ConfigFile> files;  ///< the one that counts most first
  std::string profile;            ///< "" for none
};
/// What --config and --profile, or their variables, say: they decide what else there is to read.
FoundFiles find_files(const std::vector<Given>& flags, const Globals& globals,
                      const Environment& environment);

}  // namespace dcoord::cli
