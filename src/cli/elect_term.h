#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/elect_options.h"
#include "cli/held_lease.h"
#include "hold/supervisor.h"

namespace dcoord::cli {

class Context;

/// What a leader runs in one term.
class ElectTerm {
 public:
  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// `what` is for messages: "election 'x'".
  ElectTerm(Context& context, const ElectOptions& options, const LeaseTimes& times,
            hold::Supervisor& supervisor, std::string what);

  /// The commands of one term, one after the other as --restart says; a signal if one came while
  /// none ran. `outcome` is that of the last one.
  Task<std::optional<int>> run(HeldLease& lease, const Environment& env, hold::Outcome& outcome);

 private:
  Task<void> on_acquired(HeldLease& lease, const Environment& env);
  bool restarts(const hold::Outcome& outcome) const;

  Context& context_;
  const ElectOptions& o_;
  const LeaseTimes& times_;
  hold::Supervisor& supervisor_;
  std::string what_;
};

}  // namespace dcoord::cli
