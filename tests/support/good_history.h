#pragma once

#include "support/history.h"

namespace dcoord::testing {

/// A history such as a primitive that works would leave: of which kind, and what its clients met
/// (crashes, answers that were lost), the seed decides. Checkers must not flag it.
History good_history(unsigned seed);

}  // namespace dcoord::testing
