#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "primitives/job.h"

namespace dcoord::cli {

/// The run that the verbs of `job` are about.
struct RunOption {
  std::optional<std::string> run;

  void declare(OptionSet& set);
  /// --run, or DCOORD_RUN. Throws Error (64) without either, and for what cannot be a name.
  std::string name() const;
};

/// "A,B,C", each a name. Throws Error (64) that names `flag`.
std::vector<std::string> split_names(const std::string& text, const char* flag);
/// "failed with 3", "is lost", for messages.
std::string describe_end(const primitives::JobDependencyEnded& ended);
/// ": after a, b (nobody has announced b)".
std::string describe_waiting(const primitives::JobWaiting& waiting);

Verb job_run_verb();   ///< job_run.cc
Verb job_wait_verb();  ///< job_wait.cc

}  // namespace dcoord::cli
