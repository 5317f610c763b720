#pragma once

#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "base/loop.h"
#include "base/task.h"

namespace dcoord {

namespace detail {
template <class T>
struct RaceLane {
  std::optional<T> value;
  std::exception_ptr error;
};

template <class T>
Task<void> run_lane(Task<T> task, RaceLane<T>& lane, Event& finished) {
  try {
    lane.value.emplace(co_await task);
  } catch (...) {
    lane.error = std::current_exception();
  }
  finished.set();
}
}  // namespace detail

/// Runs both until the first is done, cancels the other, and returns the first one's result or
/// throws what it threw. When both are done at the same turn, `a` counts.
template <class A, class B>
Task<std::variant<A, B>> race(Loop& loop, Task<A> a, Task<B> b) {
  Event finished(loop);
  detail::RaceLane<A> lane_a;
  detail::RaceLane<B> lane_b;
  Task<void> run_a = detail::run_lane(std::move(a), lane_a, finished);
  Task<void> run_b = detail::run_lane(std::move(b), lane_b, finished);
  loop.start(run_a);
  if (!run_a.done()) {
    loop.start(run_b);
    if (!run_b.done()) co_await finished.wait();
  }
  using Result = std::variant<A, B>;
  if (lane_a.error) std::rethrow_exception(lane_a.error);
  if (lane_a.value) co_return Result(std::in_place_index<0>, std::move(*lane_a.value));
  if (lane_b.error) std::rethrow_exception(lane_b.error);
  co_return Result(std::in_place_index<1>, std::move(*lane_b.value));
}

}  // namespace dcoord
