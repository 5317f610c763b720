#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "cli/command.h"
#include "primitives/barrier.h"

namespace dcoord::cli {

/// What `barrier wait` and `barrier arrive` have in common.
struct BarrierOptions {
  std::string name;
  long long parties = 0;
  std::optional<std::string> id;
  std::string request_id;

  void declare(OptionSet& options);
  /// Throws Error (64) for a name or an id that is none.
  primitives::BarrierRequest request() const;
};

/// A refusal as an error with a message for people: 65, 75 or 124.
Error barrier_refusal(const BarrierOptions& options, const primitives::BarrierRefused& refused);

Verb barrier_wait_verb();  ///< barrier_wait.cc

}  // namespace dcoord::cli
