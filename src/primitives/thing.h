#pragma once

#include <string>
#include <vector>

#include "primitives/lock.h"

namespace dcoord::primitives {

/// What an operator can see and look after, in the order of lists.
enum class ThingKind { lock, elect, job, barrier, queue, breaker };

/// A thing of any kind in the form of a lock: who has it, since when and until when, who waits.
struct Thing {
  ThingKind kind = ThingKind::lock;
  LockView view;
  std::string detail;              ///< what that form has no place for: "3 of 8 arrived"
  bool gone = false;               ///< its holder is provably gone, whatever is left of the lease
  std::string why;                 ///< of a stale one, beside its lease: "host rebooted"
  std::vector<std::string> after;  ///< of a job: names of the things that have to end before it

  LockView::State state() const { return gone ? LockView::State::stale : view.state; }
};

/// "lock", "elect", "job", "barrier", "queue", "breaker".
const char* kind_word(ThingKind kind);

}  // namespace dcoord::primitives
