#pragma once

#include <signal.h>
#include <time.h>

#include <algorithm>

#include "base/clock.h"

namespace dcoord::hold {

/// Sends this process SIGCONT at a moment. The kernel does it, so that it wakes the process even
/// from SIGSTOP; and on the clock that runs through a suspend. Not inherited by a fork.
class KernelTimer {
 public:
  KernelTimer() {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGCONT;
    valid_ = timer_create(CLOCK_BOOTTIME, &event, &id_) == 0;
  }
  ~KernelTimer() {
    if (valid_) timer_delete(id_);
  }
  KernelTimer(const KernelTimer&) = delete;
  KernelTimer& operator=(const KernelTimer&) = delete;

  /// A moment that has passed is now; kNever is never. False when the kernel has no such timer.
  bool arm(TimePoint at) {
    if (!valid_) return false;
    // One that is set and has not fired is left alone.
    if (at == armed_ && (at == kNever || at > BootClock::now())) return true;
    armed_ = at;
    itimerspec spec{};
    if (at != kNever) {
      const auto since_boot = std::max(at.time_since_epoch(), Duration(1));
      spec.it_value.tv_sec = static_cast<time_t>(since_boot / std::chrono::seconds(1));
      spec.it_value.tv_nsec = static_cast<long>((since_boot % std::chrono::seconds(1)).count());
    }
    return timer_settime(id_, TIMER_ABSTIME, &spec, nullptr) == 0;
  }

 private:
  timer_t id_{};
  bool valid_ = false;
  TimePoint armed_ = kNever;
};

}  // namespace dcoord::hold
