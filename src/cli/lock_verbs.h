#pragma once

#include "cli/command.h"
#include "cli/lock_options.h"

namespace dcoord::cli {

Verb lock_run_verb();      ///< lock_run.cc
Verb lock_acquire_verb();  ///< lock_acquire.cc

}  // namespace dcoord::cli
