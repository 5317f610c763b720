#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/options.h"
#include "redis/target.h"

namespace dcoord::cli {

class Environment;
struct Globals;

/// A global option for `config show`.
struct Setting {
  std::string name;
  std::string value;   ///< a password as ***
  std::string origin;  ///< "--db", "DCOORD_URL", "FILE:LINE: url", "default"
};

/// Everything the global options say, resolved from the command line, the environment, the profile
/// and the files.
struct Config {
  redis::Target target;                ///< the server; of several the first
  std::vector<redis::Target> targets;  ///< all: several are independent, and keep locks together
  Duration connect_timeout = std::chrono::seconds(5);
  Duration command_timeout = std::chrono::seconds(5);
  std::string key_namespace = "dcoord";
  enum class Format { table, plain, json } format = Format::table;
  bool headers = true;
  bool color = false;  ///< on stdout
  enum class Progress { automatic, plain, none } progress = Progress::automatic;
  int verbosity = 0;          ///< -1 with -q, 1 to 3 with -v
  bool format_given = false;  ///< -o or --json was given (some verbs have a default of their own)
  std::function<std::vector<Setting>()> settings;  ///< where everything above came from
};

/// A server as all clients of a quorum have to call it: without user and TLS.
std::string server_name(const redis::Target& target);

/// Puts the resolved global options together. Throws Error for what does not fit together; warns of
/// what is unsafe. Globals and environment must outlive the configuration.
Config make_config(const Globals& globals, const Environment& environment);

}  // namespace dcoord::cli
