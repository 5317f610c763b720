#include "base/loop.h"

#include <algorithm>
#include <vector>

namespace dcoord {

void Loop::turn() {
  TimePoint until = ready_.empty() ? kNever : TimePoint::min();
  std::vector<pollfd> fds;
  for (auto* w = waiting_.head.next; w != &waiting_.head; w = w->next) {
    until = std::min(until, w->until);
    if (w->fd >= 0) fds.push_back({w->fd, w->events, 0});
  }
  clock_.wait(fds, until);

  const TimePoint now = clock_.now();
  auto fd = fds.begin();
  for (auto* w = waiting_.head.next; w != &waiting_.head;) {
    auto* const next = w->next;
    const bool descriptor_ready = w->fd >= 0 && (fd++)->revents != 0;
    if (descriptor_ready || w->until <= now) {
      w->ready = descriptor_ready;
      w->unlink();
      ready_.push_back(*w);
    }
    w = next;
  }
  resume_ready();
}

void Loop::resume_ready() {
  // Those made ready by the ones resumed here wait for the next turn. A resumed one may destroy
  // others: they unlink themselves.
  detail::WaiterList batch;
  while (!ready_.empty()) {
    auto* const w = ready_.head.next;
    w->unlink();
    batch.push_back(*w);
  }
  while (!batch.empty()) {
    auto* const w = batch.head.next;
    w->unlink();
    w->handle.resume();
  }
}

void Event::set() {
  bool woke = false;
  auto& waiting = loop_.waiting_;
  for (auto* w = waiting.head.next; w != &waiting.head;) {
    auto* const next = w->next;
    if (w->event == this) {
      w->ready = true;
      w->unlink();
      loop_.ready_.push_back(*w);
      woke = true;
    }
    w = next;
  }
  if (!woke) set_ = true;
}

}  // namespace dcoord
