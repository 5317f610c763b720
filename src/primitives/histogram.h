#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace dcoord::primitives {

/// Durations as lua/lib/lock_histogram.lua counts them: count i is of those under 2^i ms that are
/// in no count before, the last one of all others.
struct Histogram {
  double sum_ms = 0;
  double most_ms = 0;
  std::array<uint32_t, 24> counts{};

  long long total() const;
  Duration average() const;  ///< zero without any
  Duration most() const;
  /// The duration that `share` (0 to 1) of all were no longer than, interpolated within its count:
  /// at most a factor of two off. Zero without any.
  Duration percentile(double share) const;
};

/// Reads what the scripts stored; "" is one without any.
Histogram decode_histogram(std::string_view bytes);

}  // namespace dcoord::primitives
