#pragma once

#include "cli/argv.h"
#include "cli/invocation.h"
#include "cli/parser.h"

namespace dcoord::cli {

/// Checks what argv gives a verb, values aside: everything was understood, the arguments are there,
/// and the command after `--` is there if the verb takes one. Throws Error (64) that says what to
/// type instead.
void check_usage(const Argv& argv, const Invocation& invocation, const OptionSet& globals,
                 const OptionSet& options, const Parsed& parsed);

/// Throws Error (64) for an option that must be given somewhere and is not.
void check_required(const Invocation& invocation, const OptionSet& options);

}  // namespace dcoord::cli
