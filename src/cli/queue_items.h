#pragma once

#include <string>
#include <vector>

#include "primitives/queue.h"

namespace dcoord::cli {

class Context;

/// Prints items that nobody took, or dead ones with what they died of.
void print_items(Context& context, const std::vector<primitives::PeekedItem>& items, bool dead);

/// Asks on the terminal whether items are to be thrown away, unless `yes`. Throws Error when they
/// are not.
void confirm_loss(bool yes, const std::string& question);

/// "purged 3 items".
void print_count(Context& context, const char* what, long long n);

}  // namespace dcoord::cli
