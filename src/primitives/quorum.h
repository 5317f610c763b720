#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "primitives/keys.h"
#include "primitives/lock.h"
#include "primitives/servers.h"

namespace dcoord::primitives {

struct QuorumOptions {
  /// A server does not count before it has been up for longer than the longest lease that it may
  /// have forgotten, unless it forgets nothing (appendfsync always).
  bool restart_guard = true;
};

/// A lock that independent servers keep together: held is what a majority of them says is held.
/// lua/README.md describes the protocol. Of the LockRequest it knows exclusive and shared, without
/// slots and nesting. There is no order among those that wait.
class QuorumLock final : public LockService {
 public:
  /// The runners must outlive it; `names` of the servers are what clients have to agree on.
  QuorumLock(Loop& loop, std::vector<redis::ScriptRunner*> runners, std::vector<std::string> names,
             const Keys& keys, std::string name, LockKind kind, QuorumOptions options);

  Task<LockAnswer> ask_once(LockRequest request, redis::Patience patience) override;
  Task<LockAnswer> acquire(LockRequest request, TimePoint until, redis::Patience first,
                           std::function<void(const LockWaiting&)> on_wait) override;
  void adopt(const LockRequest& request, const LockGranted& granted) override;
  /// A hold that this object knows is taken again on servers that lost it.
  Task<std::variant<LockRenewed, LockLost>> renew(std::string token, Duration ttl,
                                                  redis::Patience patience) override;
  Task<LockReleased> release(std::string token, Duration least, bool timed_out,
                             redis::Patience patience) override;
  Task<Revoked> revoke(std::string token, std::string successor, redis::Patience patience) override;
  Task<Forgotten> forget(redis::Patience patience) override;
  Task<LockView> show(int waiters, redis::Patience patience) override;

  const std::string& name() const override { return name_; }
  std::string mailbox(std::string_view token) const override { return keys_.mailbox(name_, token); }

 private:
  using Answers = Servers::Answers;
  struct Attempt;
  struct Hold {
    LockRequest request;
    long long fence = 0, term = 0;
  };
  using MakeCall = std::function<redis::Call(size_t server)>;

  std::string what() const;
  Task<Attempt> attempt(LockRequest request, bool wait);
  Task<void> count_votes(const LockRequest& request, Attempt& attempt, const Answers& answers);
  Task<bool> forgets_nothing(size_t server, const std::string& run);
  Task<void> claim(const LockRequest& request, Attempt& attempt);
  Task<void> take_back(const LockRequest& request, const Attempt& attempt, const Answers& answers);
  redis::Call ask_call(const LockRequest& request, bool wait, const std::string& attempt) const;
  redis::Call hold_call(const Hold& hold, const char* how) const;
  redis::Call release_call(const std::string& token, const std::string& attempt, Duration least,
                           bool timed_out) const;
  Task<Answers> on_all(MakeCall call, TimePoint until,
                       std::function<bool(const Answers&)> enough = nullptr);
  Task<void> take_again(Answers& answers, TimePoint until);
  /// The end of what a majority says is held; nothing without one.
  std::optional<TimePoint> valid_end(const Answers& answers,
                                     const std::vector<bool>* counted) const;
  Error no_quorum(const std::vector<std::string>& troubles) const;
  std::vector<std::string> troubles_of(const Answers& answers) const;
  void require_majority(const Answers& answers) const;

  Loop& loop_;
  const Keys& keys_;
  std::string name_;
  LockKind kind_;
  QuorumOptions options_;
  Servers servers_;
  std::string list_;  // which servers: what the scripts compare
  std::vector<std::string> hold_keys_;
  std::optional<Hold> held_;
  std::map<std::string, bool> forgets_nothing_;  // by the id of the server's run
};

}  // namespace dcoord::primitives
