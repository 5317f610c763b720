#pragma once

#include "cli/command.h"

namespace dcoord::cli {

Verb config_acl_verb();  ///< config_acl.cc

}  // namespace dcoord::cli
