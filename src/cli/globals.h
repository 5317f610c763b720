#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/options.h"

namespace dcoord::cli {

/// The global options as they were given.
struct Globals {
  std::vector<std::string> urls;
  std::optional<std::string> host;
  std::optional<long long> port;
  std::optional<std::string> socket;
  std::optional<long long> db;
  std::optional<std::string> user;
  std::optional<std::string> pass_file;
  bool askpass = false;
  std::optional<std::string> sentinel_user;
  std::optional<std::string> sentinel_pass_file;
  std::optional<std::string> pass;
  bool cluster = false;
  bool tls = false;
  std::string cacert;
  std::string cacertdir;
  std::string cert;
  std::string key;
  std::string sni;
  bool insecure = false;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration command_timeout = std::chrono::seconds(5);
  std::string key_namespace = "dcoord";
  std::optional<std::string> config;
  std::optional<std::string> profile;
  std::string format = "table";  ///< -o, or --json
  bool no_headers = false;
  std::string color = "auto";
  std::string progress = "auto";
  int verbosity = 0;  ///< -1 with -q, 1 to 3 with -v
  bool version = false;
  bool help = false;

  OptionSet options;  ///< bound to the variables around it

  std::string trace;  ///< kinds, joined by commas
  std::string trace_file;
  bool trace_stream = false;

  Globals();
  Globals(const Globals&) = delete;
  Globals& operator=(const Globals&) = delete;

  /// The option with a name that is known to exist.
  const Option& option(std::string_view long_name) const;
};

}  // namespace dcoord::cli
