#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "cli/command.h"
#include "primitives/breaker.h"

namespace dcoord::cli {

/// What the verbs that use a breaker (run, allow, record) have in common about it.
struct BreakerOptions {
  std::string name;
  std::optional<long long> failures, rate, min_calls, probes, reporters;
  std::optional<Duration> window, recovery, longest_recovery;
  bool reconfigure = false;
  std::string if_unavailable = "run";

  void declare(OptionSet& set);
  /// Throws Error (64) for a name that is none, and for settings that cannot be.
  primitives::BreakerWanted wanted() const;
  /// Warns when other settings are stored than were asked for.
  void compare(const primitives::BreakerSettings& stored) const;
  /// Whether to go on as if there was no breaker after this failure; then says so.
  bool goes_on_without(const Error& error) const;
};

/// Who reports failures: --reporter, by default the host.
struct ReporterOption {
  std::string reporter;

  void declare(OptionSet& set);
  std::string name() const;
};

/// How long a probe has its permit.
struct PermitOption {
  Duration ttl = std::chrono::minutes(1);

  void declare(OptionSet& set);
  void check() const;
};

/// The call that was not allowed, as an error with a message for people.
Error breaker_refusal(const primitives::BreakerView& view, int code);
/// Tells whoever looks that its result opened, or closed, the breaker.
void tell_change(const primitives::BreakerRecorded& recorded);

/// "5 of 7 calls within 5m failed", "a probe failed", "tripped by ci7:4242".
std::string describe_why(const primitives::BreakerView& view);

Verb breaker_run_verb();     ///< breaker_run.cc
Verb breaker_allow_verb();   ///< breaker_permit.cc
Verb breaker_record_verb();  ///< breaker_permit.cc

}  // namespace dcoord::cli
