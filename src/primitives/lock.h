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
#include "primitives/histogram.h"
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
  Millis ttl{};         ///< of a holder: what its lease is renewed to
  long long fence = 0;
  std::string parent;  ///< nested: token of the hold of this same lock around it
};

/// How a hold came to its end, or what an operator did about it.
struct LockEvent {
  enum class What : unsigned char {
    released = 1,
    lost = 2,       ///< its lease ended unreleased
    revoked = 3,    ///< an operator asked its holder to stop
    broken = 4,     ///< an operator took it from a holder that may be alive
    reclaimed = 5,  ///< an operator took away what was provably left behind
  };
  What what = What::released;
  Millis since{}, at{};  ///< wall clock of the server: granted, and when this happened
  long long fence = 0;
  Holder who;
  Holder by;  ///< the operator
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
  bool known = false;  ///< false: never used, forgotten, or idle for over a day
  Millis server_time{};
  long long fence = 0;
  long long term = 0;  ///< LockKind::elect: of the latest leader
  int limit = 0;
  long long acquired = 0, contended = 0, lost = 0, timed_out = 0;
  std::vector<LockParty> holders;
  long long waiting = 0;           ///< how many wait
  std::vector<LockParty> waiters;  ///< the first of them, in order
  // Only when all is asked for:
  std::vector<std::string> pool;
  Histogram waits, holds;
  Millis counted_since{};      ///< the counts and histograms
  std::vector<LockEvent> log;  ///< the latest few, newest first
};

/// What list_locks shall tell.
struct LockListing {
  int waiters = 0;   ///< of each at most so many, 1000 at the most
  bool all = false;  ///< also what show() alone tells: pool, histograms, log
  std::function<bool(const std::string& name)> wanted{};  ///< null: every one
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
  Task<Revoked> revoke(std::string token, std::string successor,
                       redis::Patience patience) override {
    return revoke_by(std::move(token), std::move(successor), {}, patience);
  }
  /// The same, and the log tells which operator it was.
  Task<Revoked> revoke_by(std::string token, std::string successor, Holder by,
                          redis::Patience patience);
  Task<Forgotten> forget(redis::Patience patience) override;
  Task<LockView> show(int waiters, redis::Patience patience) override;

  /// What reclaim may take away.
  struct Leftover {
    enum class Proof {
      ended,   ///< nothing but a lease that has ended, which the server checks
      gone,    ///< the caller has seen that the holder does not live any more
      broken,  ///< none: the holder may be alive, and whatever comes of that is wanted
    } proof = Proof::ended;
    std::string token;     ///< "" with Proof::ended: every one whose lease has ended
    Millis ends{};         ///< of the lease, as it was when the caller looked
    Duration least_age{};  ///< since its lease ended; or else since it was last renewed
    Holder by;             ///< the operator
  };
  struct Reclaimed {
    enum class What {
      reclaimed,
      renewed,  ///< its lease has been raised since the caller looked: it lives
      younger,  ///< than least_age
      gone,     ///< there is no such hold (any more)
    } what = What::gone;
    bool handed_on = false;  ///< somebody in line has it now
  };
  /// Ends a hold that was left behind and hands over, in the step that checks.
  Task<Reclaimed> reclaim(Leftover leftover, redis::Patience patience);

  /// Begins to count anew: counters and histograms. False when there is no such lock.
  Task<bool> reset_statistics(redis::Patience patience);

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

/// The locks of a kind in the namespace, in the order of their names. Reads the indexes, then the
/// locks, many a call and none that takes long; prunes names whose locks have expired.
Task<std::vector<LockView>> list_locks(redis::ScriptRunner& runner, const Keys& keys, LockKind kind,
                                       LockListing listing, redis::Patience patience);

}  // namespace dcoord::primitives
