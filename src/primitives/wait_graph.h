#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "primitives/thing.h"

namespace dcoord::primitives {

/// Who waits for whom, over all things of a list. A request in line for a lock or an election waits
/// for those that hold it and for whoever stands before it; a job for the jobs that it comes after,
/// whether they run or wait themselves. A hold ends only when what its command waits for has come,
/// which Holder::within tells. Whoever is at a barrier waits for parties that have not come, so
/// that nobody knows who they are: it is shown, and never part of a cycle. What waits at a queue is
/// in no record.
class WaitGraph {
 public:
  /// A hold that stands in the way of a request.
  struct Blocker {
    const Thing* thing = nullptr;  ///< what is held: of a job one of those it comes after
    const LockParty* hold = nullptr;
    std::vector<size_t> inside;  ///< requests that its command waits for, as indexes of waits()
  };
  struct Wait {
    const Thing* thing = nullptr;  ///< what it waits for
    const LockParty* request = nullptr;
    std::vector<Blocker> blockers;
    std::vector<size_t> behind;  ///< requests that go first: the one before it in line, or jobs
    bool stuck = false;          ///< it never ends: it leads into a cycle and nowhere else
  };
  /// A step of a cycle: this request waits for the end of that hold, or (null) for the next request
  /// of the cycle to go first.
  struct Step {
    size_t wait = 0;
    const LockParty* hold = nullptr;
    const Thing* held = nullptr;  ///< what `hold` has
  };
  using Cycle = std::vector<Step>;

  /// `things` (with their waiters) must outlive the graph.
  explicit WaitGraph(const std::vector<Thing>& things);

  const std::vector<Wait>& waits() const { return waits_; }
  /// What the command of this hold waits for, as indexes of waits().
  const std::vector<size_t>& waits_of(const LockParty& hold) const;
  /// Each request that is part of a cycle is in one of these, which is the shortest through it.
  std::vector<Cycle> cycles() const;
  /// The same for the same requests and holds, whenever they are read.
  std::string identity(const Cycle& cycle) const;

 private:
  void add_waits(const Thing& thing);
  void find_blockers(Wait& wait);
  void add_blockers(Wait& wait, const Thing& held) const;
  void find_stuck();
  bool is_blocked(const Wait& wait) const;
  std::optional<Cycle> shortest_cycle(size_t from) const;

  std::vector<Wait> waits_;
  std::map<std::string_view, std::vector<size_t>> inside_;  // by the start of a hold's token
  std::map<std::string_view, const Thing*> jobs_;           // by name
  std::map<const Thing*, size_t> first_;                    // of a thing's waits
};

}  // namespace dcoord::primitives
