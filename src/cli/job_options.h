#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command_options.h"
#include "cli/lease_options.h"
#include "cli/options.h"
#include "cli/storage_options.h"
#include "primitives/job.h"

namespace dcoord::cli {

/// The run that the verbs of `job` are about.
struct RunOption {
  std::optional<std::string> run;
  Origin origin;  ///< where it came from

  void declare(OptionSet& set);
  /// Whether anything names a run.
  bool given() const;
  /// --run (DCOORD_JOB_RUN, the configuration), or DCOORD_RUN. Throws Error (64) without either,
  /// and for what cannot be a name.
  std::string name() const;
};

/// What `job run` takes.
struct JobOptions {
  std::string name;
  RunOption run;
  std::string after, after_any, after_failure;
  std::string on_dependency_failure = "fail";
  std::optional<Duration> once_per, wait;
  Duration lost_after{}, keep = std::chrono::hours(24 * 7), retry_delay = std::chrono::seconds(1);
  long long retry = 0;
  bool join = false, again = false;
  long long conflict_code = to_int(ExitCode::refused);
  std::string label, request_id;
  LeaseOptions lease;
  CommandOptions command;
  StorageOptions storage;

  void declare(OptionSet& set);
  /// Checks what fits together; `shown` is the command as others see it. Throws Error: 64, or 65
  /// for a job that would wait for itself.
  primitives::JobRequest request(const LeaseTimes& times, const std::string& shown) const;
  std::string run_name() const;
};

/// "A,B,C", each a name. Throws Error (64) that names `flag`.
std::vector<std::string> split_names(const std::string& text, const char* flag);

}  // namespace dcoord::cli
