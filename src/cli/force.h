#pragma once

#include <string>

#include "base/task.h"
#include "primitives/lock.h"

namespace dcoord::cli {

class Context;

/// Takes the hold with that id (the start of its token, or its owner) from its holder: by asking
/// it to stop, so that the next one gets in when it has, or `at_once`, whatever it still does.
/// `what` is "lock 'deploy'", `show` the command that lists ids. Throws Error: 64 for an id that is
/// too short or means several and for `at_once` where several servers keep it, 1 when nobody has
/// it.
Task<int> take_away(Context& context, primitives::LockService& lock, std::string what,
                    std::string show, std::string holder, bool at_once);

}  // namespace dcoord::cli
