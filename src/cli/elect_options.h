#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "cli/command_options.h"
#include "cli/lease_options.h"
#include "cli/quorum_options.h"
#include "cli/storage_options.h"

namespace dcoord::cli {

/// What `elect run` is told.
struct ElectOptions {
  std::string name;
  LeaseOptions lease;
  CommandOptions command;
  StorageOptions storage;
  QuorumOptions quorum;
  std::string candidate;
  std::string proposal;
  std::string restart = "never";
  std::string on_acquired;
  Duration min_tenure{};
  std::optional<Duration> wait;
  std::optional<Duration> heartbeat;
  bool once = false;

  void declare(OptionSet& set);
  void check() const;
};

}  // namespace dcoord::cli
