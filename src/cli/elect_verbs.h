#pragma once

#include "cli/command.h"

namespace dcoord::cli {

Verb elect_run_verb(const char* name);  ///< elect_run.cc; "" for `dcoord elect NAME -- COMMAND`
Verb elect_watch_verb();                ///< elect_watch.cc

}  // namespace dcoord::cli
