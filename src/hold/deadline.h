#pragma once

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "hold/supervisor.h"

namespace dcoord::hold {

/// Why the tree is being ended. The first reason stays.
enum class Reason : int {
  none,
  lost,      ///< the lease was lost, ran out, or its keeper is gone
  max_time,  ///< Options::max_time
  stopped,   ///< it was not wanted any more
};

/// The deadline that supervisor and guard both act on, in the memory they share.
///
/// The lease's end and "ending has begun" are one word, so that a renewal and an ending exclude
/// each other by one compare-and-swap: whoever comes second sees that it does. Nothing here locks
/// or allocates.
class Deadline {
 public:
  /// Before the command starts; nobody else looks yet.
  void start(TimePoint valid_end, Duration grace, Duration margin) {
    grace_ = grace;
    margin_ = margin;
    reason_.store(Reason::none);
    kill_at_.store(kNeverTicks);
    word_.store(ticks(valid_end) & ~kEnding);
  }

  /// Moves the end ahead, never back. False when ending has begun.
  bool extend(TimePoint valid_end) {
    int64_t old = word_.load();
    do {
      if (old & kEnding) return false;
      if (ticks(valid_end) <= old) return true;
    } while (!word_.compare_exchange_weak(old, ticks(valid_end) & ~kEnding));
    return true;
  }

  /// Ending begins now, KILL at `kill_at` or at the lease's own moment if that is earlier.
  void end(Reason reason, TimePoint kill_at) {
    Reason none = Reason::none;
    reason_.compare_exchange_strong(none, reason);
    lower_kill(kill_at);
    word_.fetch_or(kEnding);
  }

  /// Ending begins if the TERM moment has come; loses against an extend() that got in first.
  void end_if_due(TimePoint now) {
    int64_t old = word_.load();
    while (!(old & kEnding) && now >= term_at(old)) {
      if (word_.compare_exchange_weak(old, old | kEnding)) {
        Reason none = Reason::none;
        reason_.compare_exchange_strong(none, Reason::lost);
      }
    }
  }

  bool ending() const { return (word_.load() & kEnding) != 0; }
  Reason reason() const { return reason_.load(); }
  TimePoint valid_end() const { return end_of(word_.load()); }
  TimePoint term_at() const { return term_at(word_.load()); }
  /// The moment of KILL: before ending has begun, the one that the lease alone would bring.
  TimePoint kill_at() const {
    return std::min(before(valid_end(), margin_), TimePoint(Duration(kill_at_.load())));
  }
  Duration grace() const { return grace_; }
  Duration margin() const { return margin_; }

 private:
  static constexpr int64_t kEnding = 1;
  static constexpr int64_t kNeverTicks = INT64_MAX;
  static int64_t ticks(TimePoint at) { return at.time_since_epoch().count(); }
  static TimePoint before(TimePoint at, Duration by) { return at == kNever ? kNever : at - by; }
  static TimePoint end_of(int64_t word) {
    return (word | kEnding) == kNeverTicks ? kNever : TimePoint(Duration(word & ~kEnding));
  }
  TimePoint term_at(int64_t word) const { return before(end_of(word), grace_ + margin_); }
  void lower_kill(TimePoint at) {
    int64_t old = kill_at_.load();
    while (ticks(at) < old && !kill_at_.compare_exchange_weak(old, ticks(at))) {
    }
  }

  std::atomic<int64_t> word_{kNeverTicks & ~kEnding};
  std::atomic<int64_t> kill_at_{kNeverTicks};
  std::atomic<Reason> reason_{Reason::none};
  Duration grace_{};
  Duration margin_{};
  static_assert(std::atomic<int64_t>::is_always_lock_free &&
                std::atomic<Reason>::is_always_lock_free);
};

}  // namespace dcoord::hold
