#pragma once

#include <string>
#include <vector>

#include "cli/complete.h"
#include "cli/globals.h"

namespace dcoord::cli {

/// What the line says so far, its values resolved.
struct CompletionLine {
  const Globals& globals;
  const OptionSet& options;            ///< of the verb
  std::vector<std::string> arguments;  ///< positional ones that stand already
  const Environment& environment;
};

/// What there is on the server of a kind that Option::kind names: "lock", "queue", "job",
/// "holder" (of the lock that the line names), ... and begins with `prefix` in any case. Throws
/// Error when it cannot be had by 300 ms from now, asks for no password, starts no server.
std::vector<Completion::Word> live_names(const std::string& kind, const std::string& prefix,
                                         const CompletionLine& line);

}  // namespace dcoord::cli
