#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/task.h"
#include "primitives/holder.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

enum class LockMode { exclusive, shared, slot };

/// An election is an exclusive lock of its own kind, whose grants are terms and whose changes are
/// recorded for observers.
enum class LockKind { lock, elect };

/// The limit of a lock that several servers keep; lua/lib/quorum_state.lua has the same.
inline constexpr int kKeptByServers = -1;

/// What is asked for. The token identifies the request: the same token asks again for the same
/// thing and never counts twice.
struct LockRequest {
  std::string token;
  LockMode mode = LockMode::exclusive;
  int limit = 0;                  ///< LockMode::slot: how many may hold at once
  std::vector<std::string> pool;  ///< LockMode::slot: names of the slots; empty for numbers alone
  bool resize = false;            ///< take a new limit or pool though others hold or wait
  Duration ttl = std::chrono::seconds(30);
  std::string parent;  ///< token of a live hold of this same lock that this one is nested in, or ""
  bool reentrant = false;  ///< nesting is wanted
  Holder who;
};

/// Held now.
struct LockGranted {
  long long fence = 0;
  int slot = 0;
  TimePoint valid_end;  ///< the lease's end, counted from when the answered request was sent
  Duration waited{};
  bool nested = false;
  long long term = 0;  ///< LockKind::elect: the number of the term, by ones
};

/// In line.
struct LockWaiting {
  TimePoint look_at;    ///< when to ask again at the latest
  long long place = 0;  ///< 0 is the head of the line; -1: there is no order among those that wait
  long long in_line = 0;
  std::string ticket;  ///< keeps the place if it was purged: pass it on
  Holder holder;
  Duration held_for{};
  Duration lease_left{};
  std::string trouble;  ///< why nobody can have it now; of several servers
};

/// Not free, and no wait was wanted.
struct LockHeld {
  Holder holder;
  Duration held_for{};
  Duration lease_left{};
  long long in_line = 0;
};

/// Refused for a reason that waiting would not cure.
struct LockRefused {
  enum class Why {
    nested,     ///< would wait for the hold it is nested in
    upgrading,  ///< another reader waits to become the writer already: `holder`
    revoked,    ///< the hold of this token, or the one it is nested in, was taken away
    gone,       ///< this token was released or left before
    limit,      ///< others hold or wait under another limit or pool: `limit`, `pool`
    servers,    ///< others hold or wait, on other servers together with this one: `server`, `kept`
  };
  Why why;
  Holder holder = {};
  int limit = 0;  ///< kKeptByServers: they have it on several servers
  std::vector<std::string> pool = {};
  std::string server = {};
  std::string kept = {};  ///< by which servers; "" by that one alone
};

using LockAnswer = std::variant<LockGranted, LockWaiting, LockHeld, LockRefused>;

struct LockRenewed {
  TimePoint valid_end;
  /// The server's clock, to compare rates with; of several servers none.
  std::optional<Millis> server_time;
};
struct LockLost {
  bool revoked = false;  ///< taken away by an operator; else the lease ended
};

struct LockReleased {
  enum class What { released, left, gone } what;
  Duration held{};
  Duration stays_taken{};
};

/// One who holds, held last, or waits.
struct LockParty {
  std::string token;
  LockMode mode = LockMode::exclusive;
  Holder who;
  bool offered = false, revoked = false, nested = false, resting = false;
  int slot = 0;
  Millis since{};  ///< wall clock of the server, ms since the epoch; for a waiter, when it asked
  Millis lease_left{};  ///< negative: it ended so long ago
  long long fence = 0;
};

/// What is known of a lock.
struct LockView {
  std::string name;
  enum class State {
    free,
    held,
    stale
  } state = State::free;  ///< stale: the last holder's lease ended unreleased
  LockMode mode = LockMode::exclusive;
  Millis server_time{};
  long long fence = 0;
  long long term = 0;  ///< LockKind::elect: of the latest leader
  int limit = 0;
  std::vector<std::string> pool;
  long long acquired = 0, contended = 0, lost = 0, timed_out = 0;
  std::vector<LockParty> holders;
  long long waiting = 0;           ///< how many wait
  std::vector<LockParty> waiters;  ///< the first of them, in order
};

/// A lock as whoever takes, holds or looks at it sees it: on one server (Lock), or on several of
/// which a majority counts (QuorumLock). Every call may throw what ScriptRunner::run throws.
class LockService {
 public:
  virtual ~LockService() = default;

  /// Asks without standing in line: granted, held or refused.
  virtual Task<LockAnswer> ask_once(LockRequest request, redis::Patience patience) = 0;

  /// Asks and waits until it is decided or `until` has passed: then the last LockWaiting is
  /// returned, and the request is still in line: leave with release. `on_wait` hears each
  /// LockWaiting. `first` bounds the first answer; once in line a lost connection is retried until
  /// `until`. Cancelling leaves the request in line, too.
  virtual Task<LockAnswer> acquire(LockRequest request, TimePoint until, redis::Patience first,
                                   std::function<void(const LockWaiting&)> on_wait) = 0;

  /// To go on with a hold that another object, or another process, was granted.
  virtual void adopt(const LockRequest& request, const LockGranted& granted) = 0;

  /// Raises the end of the lease. Trying ends at patience.until, which is to be before the lease's
  /// end.
  virtual Task<std::variant<LockRenewed, LockLost>> renew(std::string token, Duration ttl,
                                                          redis::Patience patience) = 0;

  /// Releases the hold, or leaves the line. `least`: the hold stays taken at least that long since
  /// its grant.
  virtual Task<LockReleased> release(std::string token, Duration least, bool timed_out,
                                     redis::Patience patience) = 0;

  struct Revoked {
    enum class What { revoked, gone, no_successor } what;  ///< gone: that token does not hold
    Millis lease_left = {};
  };
  /// Takes a hold away; the waiter with the token `successor`, unless that is "", shall be the
  /// next.
  virtual Task<Revoked> revoke(std::string token, std::string successor,
                               redis::Patience patience) = 0;

  struct Forgotten {
    enum class What { forgotten, absent, held, waited } what;
    Holder holder = {};
  };
  virtual Task<Forgotten> forget(redis::Patience patience) = 0;

  virtual Task<LockView> show(int waiters, redis::Patience patience) = 0;

  virtual const std::string& name() const = 0;
  /// Where its holder is told that the hold was taken away.
  virtual std::string mailbox(std::string_view token) const = 0;
};

/// The lock on one server (or a cluster), over its scripts. Holds no state of its own. With a
/// runner that wants replicas to have what was written, a grant that too few acknowledged is
/// released again and thrown as Error (unavailable; unknown when the release was not confirmed),
/// and such a renewal is thrown, too.
class Lock final : public LockService {
 public:
  Lock(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string name,
       LockKind kind = LockKind::lock);

  /// Asks once; with `wait` it stands in line afterwards. `ticket` is that of the last LockWaiting,
  /// or "".
  Task<LockAnswer> ask(LockRequest request, bool wait, std::string ticket,
                       redis::Patience patience);

  Task<LockAnswer> ask_once(LockRequest request, redis::Patience patience) override {
    return ask(std::move(request), false, "", patience);
  }
  /// Waits by mailbox, in line.
  Task<LockAnswer> acquire(LockRequest request, TimePoint until, redis::Patience first,
                           std::function<void(const LockWaiting&)> on_wait) override;
  void adopt(const LockRequest&, const LockGranted&) override {}
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
  Task<redis::Answer> run(const redis::Script& script, std::vector<std::string> keys,
                          std::vector<std::string> args, redis::Patience patience,
                          std::string_view confirm = {});
  Task<void> give_back(const LockRequest& request, redis::Replicated replicated,
                       redis::Patience patience);
  Task<void> deliver(const redis::Reply& reply, size_t from, redis::Patience patience);

  Loop& loop_;
  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string name_;
  LockKind kind_;
  std::vector<std::string> hold_keys_;  // lock, line, waiters
  std::string changes_;                 // of an election
};

/// All locks of a kind in the namespace, in the order of their names. Reads the indexes, then each
/// lock, in pipelines; prunes names whose locks have expired.
Task<std::vector<LockView>> list_locks(redis::ScriptRunner& scripts, const Keys& keys,
                                       LockKind kind, int waiters, redis::Patience patience);

}  // namespace dcoord::primitives
