#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "output/record.h"
#include "primitives/queue.h"

namespace dcoord::cli {

/// What a worker has done so far.
struct WorkTally {
  long long done = 0;
  long long failed = 0;      ///< to be tried again
  long long dead = 0;        ///< given up
  long long lost = 0;        ///< deliveries that were lost while their command ran
  long long given_back = 0;  ///< stopped before they were done
  TimePoint started;

  /// "done 120, failed 2, 35/s, left 300, ETA 9s"; `view` if it is known.
  std::string line(const std::optional<primitives::QueueView>& view, TimePoint now) const;
  /// "done 120, failed 2, in 3s"
  std::string summary(TimePoint now) const;
  output::Record record(const std::string& queue, TimePoint now) const;
};

}  // namespace dcoord::cli
