#pragma once

#include <string>

#include "cli/left_behind.h"
#include "output/record.h"
#include "primitives/thing.h"
#include "primitives/wait_graph.h"

namespace dcoord::cli {

/// The story of a thing for people: who has it and had it, who waits and for what, what is odd.
/// Lines, escaped. `graph` is of all that is held and waited for.
std::string story_text(const primitives::Thing& thing, const primitives::WaitGraph& graph,
                       LeftBehind& left_behind);

/// The same for programs.
output::Record story_record(const primitives::Thing& thing, const primitives::WaitGraph& graph,
                            LeftBehind& left_behind);

}  // namespace dcoord::cli
