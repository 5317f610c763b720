#pragma once

#include <coroutine>

#include "base/clock.h"
#include "base/task.h"

namespace dcoord {

class Loop;

namespace detail {

/// Something a coroutine waits for; lives in its frame, so that destroying the frame takes it out
/// of the loop.
struct Waiter {
  Waiter* prev = nullptr;
  Waiter* next = nullptr;
  std::coroutine_handle<> handle;
  int fd = -1;                  // -1: a timer or an event
  const void* event = nullptr;  // whose set() ends the wait
  short events = 0;
  TimePoint until = kNever;
  bool ready = false;  // false after resuming: the deadline passed

  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { unlink(); }
  bool linked() const { return next != nullptr; }
  void unlink() {
    if (!linked()) return;
    prev->next = next;
    next->prev = prev;
    prev = next = nullptr;
  }
};

/// A ring of waiters with itself as the sentinel.
struct WaiterList {
  Waiter head;
  WaiterList() { head.prev = head.next = &head; }
  ~WaiterList() {
    while (!empty()) head.next->unlink();
    head.prev = head.next = nullptr;
  }
  bool empty() const { return head.next == &head; }
  void push_back(Waiter& w) {
    w.prev = head.prev;
    w.next = &head;
    head.prev->next = &w;
    head.prev = &w;
  }
};

}  // namespace detail

/// One thread's poll loop: resumes coroutines when their descriptor is ready, their time has come
/// or their event was set. Deadlines are looked at before descriptors, so that after a pause the
/// first thing noticed is the time.
class Loop {
 public:
  explicit Loop(Clock& clock) : clock_(clock) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Clock& clock() { return clock_; }
  TimePoint now() { return clock_.now(); }

  /// Awaits readiness of a descriptor: true when ready (or broken), false when `until` passed
  /// first.
  struct Ready : detail::Waiter {
    Ready(Loop& loop, int f, short e, TimePoint u) : loop_(loop) {
      fd = f;
      events = e;
      until = u;
    }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      handle = h;
      loop_.waiting_.push_back(*this);
    }
    bool await_resume() const noexcept { return ready; }

   private:
    Loop& loop_;
  };
  Ready readable(int fd, TimePoint until = kNever) { return Ready(*this, fd, POLLIN, until); }
  Ready writable(int fd, TimePoint until = kNever) { return Ready(*this, fd, POLLOUT, until); }
  /// Awaits a moment.
  Ready sleep_until(TimePoint until) { return Ready(*this, -1, 0, until); }
  Ready sleep(Duration d) { return Ready(*this, -1, 0, add(now(), d)); }

  /// Starts a coroutine; it runs until it first waits. The caller keeps the task alive for as long
  /// as it shall run.
  template <class T>
  void start(Task<T>& task) {
    task.handle().resume();
  }

  /// Runs the loop until the task is done and returns its result.
  template <class T>
  T run(Task<T> task) {
    start(task);
    while (!task.done()) turn();
    return task.take();
  }

  /// Waits once and resumes what is ready.
  void turn();

 private:
  friend class Event;
  void resume_ready();

  Clock& clock_;
  detail::WaiterList waiting_;
  detail::WaiterList ready_;
};

/// A flag that coroutines wait for. set() wakes all that wait at that moment, or else the next one
/// to wait; waking goes through the loop, so set() never runs other code.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set();

  struct Wait : detail::Waiter {
    Wait(Event& e, TimePoint u) : event_(e) {
      event = &e;
      until = u;
    }
    bool await_ready() noexcept {
      ready = std::exchange(event_.set_, false);
      return ready;
    }
    void await_suspend(std::coroutine_handle<> h) {
      handle = h;
      event_.loop_.waiting_.push_back(*this);
    }
    bool await_resume() const noexcept { return ready; }

   private:
    Event& event_;
  };
  /// True when set, false when `until` passed first.
  Wait wait(TimePoint until = kNever) { return Wait(*this, until); }

 private:
  Loop& loop_;
  bool set_ = false;
};

}  // namespace dcoord
