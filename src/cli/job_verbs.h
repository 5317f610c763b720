#pragma once

#include <string>

#include "cli/command.h"
#include "primitives/job.h"

namespace dcoord::cli {

/// "failed with 3", "is lost", for messages.
std::string describe_end(const primitives::JobDependencyEnded& ended);
/// ": after a, b (nobody has announced b)".
std::string describe_waiting(const primitives::JobWaiting& waiting);

Verb job_run_verb();    ///< job_run.cc
Verb job_wait_verb();   ///< job_wait.cc
Verb job_mark_verb();   ///< job_mark.cc
Verb job_reset_verb();  ///< job_mark.cc

}  // namespace dcoord::cli
