#pragma once

#include <vector>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/resolve.h"

namespace dcoord::cli {

/// The options of all nouns that variables and files can set, for `config show`: "lock.ttl", with
/// its value and where that comes from, "" for both if verbs differ in its default. Throws Error
/// for a value that is not acceptable.
std::vector<Setting> noun_settings(const Environment& environment,
                                   const std::vector<ConfigFile>& files, const std::string& profile,
                                   const std::vector<NounEntry>& nouns);

}  // namespace dcoord::cli
