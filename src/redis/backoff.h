#pragma once

#include <algorithm>
#include <random>

#include "base/clock.h"

namespace dcoord::redis {

/// Growing pauses between attempts, each a random part of its step, so that clients that were cut
/// off together do not come back together.
class Backoff {
 public:
  explicit Backoff(Duration least = Millis(20), Duration most = Millis(1000))
      : least_(least), most_(most) {}

  /// Between half of the current step and all of it.
  Duration next() {
    step_ = step_ == Duration::zero() ? least_ : std::min(step_ * 2, most_);
    std::uniform_int_distribution<Duration::rep> part(step_.count() / 2, step_.count());
    return Duration(part(generator()));
  }
  void reset() { step_ = Duration::zero(); }

 private:
  static std::minstd_rand& generator() {
    static std::minstd_rand random{std::random_device{}()};
    return random;
  }

  Duration least_;
  Duration most_;
  Duration step_{};
};

}  // namespace dcoord::redis
