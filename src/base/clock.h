#pragma once

#include <poll.h>

#include <chrono>
#include <span>

namespace dcoord {

/// The clock that leases are measured on: it is not set, and it runs on while the machine is
/// suspended (CLOCK_BOOTTIME on Linux; elsewhere the nearest thing).
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
  static time_point now();
};

using Duration = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;
using TimePoint = BootClock::time_point;

inline constexpr TimePoint kNever = TimePoint::max();
inline constexpr Duration kForever = Duration::max();

/// `at + by`, kNever if that overflows.
constexpr TimePoint add(TimePoint at, Duration by) {
  return by.count() > 0 && at.time_since_epoch().count() > Duration::max().count() - by.count()
             ? kNever
             : at + by;
}

/// Time and waiting, as one seam: a test's clock jumps to the deadline instead of waiting for it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() = 0;
  /// Waits until a descriptor is ready, as poll(2), or `until` has passed; an interrupting signal
  /// may end it early. The deadline holds through a suspend of the machine.
  virtual void wait(std::span<pollfd> fds, TimePoint until) = 0;
};

/// The real one.
class SystemClock : public Clock {
 public:
  SystemClock() = default;
  ~SystemClock() override;
  SystemClock(const SystemClock&) = delete;
  SystemClock& operator=(const SystemClock&) = delete;
  TimePoint now() override { return BootClock::now(); }
  void wait(std::span<pollfd> fds, TimePoint until) override;

 private:
  int timer_fd_ = -1;  // wakes the wait after a suspend, which poll's own time-out sleeps through
};

}  // namespace dcoord
