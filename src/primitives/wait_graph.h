#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "primitives/thing.h"

namespace dcoord::primitives {

/// Who waits for whom, over all locks and elections of a list. A request in line waits for those
/// that hold and for whoever stands before it; a hold ends only when what its command waits for has
/// come, which Holder::within tells.
class WaitGraph {
 public:
  /// A hold that stands in the way of a request.
  struct Blocker {
    const LockParty* hold = nullptr;
    std::vector<size_t> inside;  ///< requests that its command waits for, as indexes of waits()
  };
  struct Wait {
    const Thing* thing = nullptr;  ///< what it waits for
    const LockParty* request = nullptr;
    std::vector<Blocker> blockers;
    std::optional<size_t> behind;  ///< who stands before it in line
    bool stuck = false;            ///< it never ends: it leads into a cycle and nowhere else
  };
  /// A step of a cycle: this request waits for the thing that `hold` has, or (null) for the place
  /// of the next request of the cycle, which is before it in line.
  struct Step {
    size_t wait = 0;
    const LockParty* hold = nullptr;
  };
  using Cycle = std::vector<Step>;

  /// `things` (with their waiters) must outlive the graph.
  explicit WaitGraph(const std::vector<Thing>& things);

  const std::vector<Wait>& waits() const { return waits_; }
  /// Each request that is part of a cycle is in one of these, which is the shortest through it.
  std::vector<Cycle> cycles() const;
  /// The same for the same requests and holds, whenever they are read.
  std::string identity(const Cycle& cycle) const;

 private:
  void find_stuck();
  bool is_blocked(const Wait& wait) const;
  std::optional<Cycle> shortest_cycle(size_t from) const;

  std::vector<Wait> waits_;
};

}  // namespace dcoord::primitives
