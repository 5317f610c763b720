#pragma once

#include <string>
#include <vector>

#include "primitives/lock.h"

namespace dcoord::primitives {

/// Something that happened to an election.
struct ElectionChange {
  enum class What {
    elected,   ///< a candidate became the leader of a new term
    revoked,   ///< an operator asked the leader to step down
    resigned,  ///< the leader gave its leadership up
    lost       ///< its lease ended; recorded when somebody looks
  };
  std::string id;  ///< of the entry: pass it on to read what came after
  What what = What::elected;
  long long term = 0;
  long long fence = 0;
  Millis at{};  ///< server time, ms since the epoch
  Holder who;
};

/// The record of an election's latest 1,000 changes. An election itself is a Lock of
/// LockKind::elect.
class ElectionChanges {
 public:
  ElectionChanges(redis::ScriptRunner& scripts, const Keys& keys, const std::string& name);

  /// Those after `id` ("" for all that are recorded), oldest first.
  Task<std::vector<ElectionChange>> after(std::string id, redis::Patience patience);
  /// Waits for one after `id` ("" for any), at most until a moment. A hint, as
  /// ScriptRunner::wait_entries.
  Task<void> wait(std::string id, TimePoint until);

 private:
  redis::ScriptRunner& scripts_;
  std::string key_;
};

}  // namespace dcoord::primitives
