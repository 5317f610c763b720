#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/environment.h"
#include "cli/options.h"

namespace dcoord::cli {

/// `key = value` of a configuration file.
struct Entry {
  std::vector<std::string> table;  ///< {} at the top, {"lock"}, {"profile", "ci", "lock"}
  std::string key;
  std::vector<std::string> values;  ///< one, or an array's
  bool array = false;
  int line = 0;
};

struct ConfigFile {
  std::string path;
  Origin::Source source = Origin::Source::user_file;
  std::vector<Entry> entries;
  bool readable_by_others = false;
};

/// "lock.ttl", for messages.
std::string dotted(const Entry& entry);
/// "FILE:LINE: lock.ttl"
std::string place(const ConfigFile& file, const Entry& entry);

/// Reads TOML as far as options need it: tables, dotted and quoted keys, strings on one line,
/// numbers, booleans and arrays of those. Throws Error (78) that names FILE:LINE for anything else.
std::vector<Entry> parse_toml(std::string_view text, std::string_view path);

/// Where configuration is looked for.
struct ConfigPaths {
  std::optional<std::string>
      only;          ///< --config: this file, which must exist, instead of the others
  std::string user;  ///< "" for a user without a home
  std::string system = "/etc/dcoord/config.toml";
};
/// $XDG_CONFIG_HOME, else ~/.config; the home is $HOME or the one in the password database.
std::string user_config_path(const Environment& environment);

/// The files that exist, the one that counts most first. Throws Error (78) for one that exists but
/// cannot be read or understood.
std::vector<ConfigFile> read_config_files(const ConfigPaths& paths);

}  // namespace dcoord::cli
