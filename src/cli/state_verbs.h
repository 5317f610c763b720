#pragma once

#include <limits>
#include <optional>
#include <string>

#include "cli/command.h"
#include "output/record.h"
#include "primitives/state.h"

namespace dcoord::cli {

/// What a write may depend on, as flags say it.
struct StateGuardOptions {
  std::optional<std::string> fence;
  bool fenced = false;
  std::string while_locked;
  std::string request_id;

  void declare(OptionSet& options);
  /// Throws Error: 64 for a token that is none, 79 for a lock that nobody around this process
  /// holds.
  primitives::StateGuard guard() const;
};

inline constexpr long long kLargestStateVersion = std::numeric_limits<long long>::max();

/// The exit code of a write, which is printed: as JSON its version, and of a number what it is now.
/// Throws state_refusal.
int state_written(Context& context, const std::string& name, const primitives::StateAnswer& answer,
                  bool print_number = false);

/// A refusal as an error with a message for people: 1, 65, 75 or 79.
Error state_refusal(const std::string& name, const primitives::StateRefused& refused);

/// A value as fields: key, present, value (or value_base64), version, time, writer, ttl_ms.
output::Record describe_value(const primitives::StateValue& value, bool with_bytes);

/// "ci7:4242", "" for nobody.
std::string writer_text(const primitives::Holder& writer);

Verb state_set_verb();       ///< state_set.cc
Verb state_delete_verb();    ///< state_write.cc
Verb state_incr_verb();      ///< state_write.cc
Verb state_watch_verb();     ///< state_watch.cc
Verb state_progress_verb();  ///< state_progress.cc

}  // namespace dcoord::cli
