#pragma once

#include <string>

#include "base/clock.h"
#include "redis/url.h"

namespace dcoord::cli {

/// Everything the global options say, resolved from the command line, the environment, the profile and the files.
struct Config {
  redis::Server server;
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds command_timeout = std::chrono::seconds(5);
  std::string key_namespace = "dcoord";
  enum class Format { table, plain, json } format = Format::table;
  bool headers = true;
  bool color = false;  ///< on stdout
  enum class Progress { automatic, plain, none } progress = Progress::automatic;
  int verbosity = 0;  ///< -1 with -q, 1 to 3 with -v
  bool format_given = false;  ///< -o or --json was given (some verbs have a default of their own)
};

}  // namespace dcoord::cli
