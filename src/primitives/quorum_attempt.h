#pragma once

#include <optional>
#include <string>
#include <vector>

#include "primitives/quorum.h"

namespace dcoord::primitives {

/// A time that a reply tells in ms.
inline Duration in_ms(const redis::Reply& reply) { return Millis(reply.number()); }

/// How long one round of questions may take, and how long a vote stands: through the round in which
/// it is given and the one in which it becomes a hold. Short: whoever crashed after it was given
/// votes keeps others out for so long.
Duration round_time(Duration ttl);
Duration vote_time(Duration ttl);

/// One time that all servers were asked for their votes, and what came of it.
struct QuorumLock::Attempt {
  explicit Attempt(size_t servers)
      : votes(servers), asked_again(servers), free(servers), troubles(servers) {}

  std::string id;
  std::vector<bool> votes;                     ///< by server: it voted for us, and counts
  std::vector<bool> asked_again;               ///< it voted for us
  std::vector<std::optional<TimePoint>> free;  ///< when it may vote for us; nothing: unknown
  std::vector<std::string> troubles;           ///< why it does not count; "" if it does
  std::vector<Error> errors;
  long long fence = 0, term = 0;  ///< the highest among the votes
  bool claimed = false;           ///< somebody holds it
  bool restarted = false;         ///< some do not count since they were started only now
  LockHeld held;
  std::optional<LockRefused> refused;
  std::optional<Error> broken;
  std::optional<LockGranted> granted;

  /// What a server said.
  void learn(size_t i, const std::string& server, const ServerAnswer& answer, TimePoint now);
  /// How many voted for us.
  size_t count() const;
  /// How many answered at all; those among them that count.
  size_t replied() const;
  size_t usable() const;
  /// Throws what makes asking again useless, if too many servers failed for such reasons.
  void throw_if_broken(size_t majority) const;
  LockWaiting waiting() const;
  /// When a majority may be free.
  TimePoint free_at(size_t majority) const;
};

}  // namespace dcoord::primitives
