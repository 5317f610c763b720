#include "base/clock.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#ifdef __linux__
#include <sys/timerfd.h>
#endif

namespace dcoord {

BootClock::time_point BootClock::now() {
  timespec ts{};
#ifdef CLOCK_BOOTTIME
  clock_gettime(CLOCK_BOOTTIME, &ts);
#else
  clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
  return time_point(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

SystemClock::~SystemClock() {
  if (timer_fd_ >= 0) close(timer_fd_);
}

void SystemClock::wait(std::span<pollfd> fds, TimePoint until) {
  // A wait shorter than this is not worth a timer: poll's own time-out is late by a suspend at most
  // once.
  constexpr auto kWorthATimer = std::chrono::milliseconds(500);
  const TimePoint start = now();
  const auto left = until == kNever ? kForever : until <= start ? Duration::zero() : until - start;
  std::vector<pollfd> all(fds.begin(), fds.end());
#ifdef __linux__
  if (until != kNever && left > kWorthATimer) {
    if (timer_fd_ < 0) timer_fd_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    const auto at = until.time_since_epoch();
    itimerspec spec{};
    spec.it_value.tv_sec =
        static_cast<time_t>(std::chrono::duration_cast<std::chrono::seconds>(at).count());
    spec.it_value.tv_nsec = static_cast<long>((at % std::chrono::seconds(1)).count());
    if (timer_fd_ >= 0 && timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr) == 0) {
      all.push_back({timer_fd_, POLLIN, 0});
    }
  }
#endif
  timespec ts{};
  timespec* timeout = nullptr;
  if (until != kNever) {
    ts.tv_sec = static_cast<time_t>(std::chrono::duration_cast<std::chrono::seconds>(left).count());
    ts.tv_nsec = static_cast<long>((left % std::chrono::seconds(1)).count());
    timeout = &ts;
  }
#ifdef __linux__
  const int ready = ppoll(all.data(), all.size(), timeout, nullptr);
#else
  const auto ms =
      std::chrono::ceil<std::chrono::milliseconds>(std::min<Duration>(left, std::chrono::hours(1)));
  const int ready = poll(all.data(), all.size(), static_cast<int>(ms.count()));
#endif
  for (size_t i = 0; i < fds.size(); ++i) fds[i].revents = ready > 0 ? all[i].revents : short{0};
}

}  // namespace dcoord
