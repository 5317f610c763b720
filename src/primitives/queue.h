#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "base/task.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// One script pushes at most so many items, takes so many, ends so many deliveries.
inline constexpr int kMostPushed = 2000, kMostTaken = 250, kMostAcked = 2000;
/// Of items with a delay, a lane or a priority, and of those that are given back.
inline constexpr int kMostMoved = 250;
inline constexpr int kNormalPriority = 5;

/// What all items of a push have in common.
struct PushOptions {
  Duration delay{};
  int priority = kNormalPriority;  ///< 9 is taken first, 0 last
  std::string lane;                ///< the worker that they are for; "" for whoever comes
  long long max_length = 0;        ///< of what is ready and delayed; 0: no limit
  std::string
      id;  ///< for a single item: one with the same id, pushed within `window`, stands for it
  Duration window = std::chrono::hours(1);
  bool waits = false;  ///< when it is full, call the producer as soon as there is room, see wait()
};

/// Items on their way. A producer's position counts its items; an item at a position below what was
/// pushed before is passed over, so that a batch can be sent again.
struct PushBatch {
  long long position = 0;
  /// All before is known to be pushed; without it, a gap before `position` refuses the batch.
  bool follows = false;
  std::vector<std::string> items;  ///< 1 to kMostPushed
};

struct Pushed {
  enum class What {
    pushed,
    again,      ///< it was pushed before
    duplicate,  ///< another item with this id was
    full,       ///< no room for a single one
    gap,        ///< what stands before was not pushed: nothing was done
  };
  What what = What::pushed;
  long long first_id = 0;  ///< ids follow each other; 0: not known any more
  long long count = 0;     ///< how many this call (or its first time) pushed
  long long behind = 0;    ///< the producer's position now
  long long length = 0;    ///< ready and delayed, now
};

/// Who wants items, and which.
struct TakeRequest {
  std::string token;  ///< names the request; the same token gets the same items
  int count = 1;
  Duration lease = std::chrono::seconds(30);
  std::string lane;  ///< of its own
  bool steal = false;
  /// Wait only while something is left, delayed or in flight, that may become ready.
  bool until_drained = false;
  int max_attempts = 0;  ///< one that was tried so often goes to the dead; 0: none does
  std::string who;       ///< shown to others
  /// They end together or not at all: they may come under one receipt, which is cheaper.
  bool together = false;
  std::vector<std::string> done;  ///< receipts to acknowledge in the same step
};

struct QueueItem {
  std::string receipt;  ///< of this delivery; of one that is TakeRequest::together, perhaps the
                        ///< same for all
  std::string id;
  int attempt = 0;  ///< this one; of items that nobody has, those that were
  std::string payload;
};

struct Taken {
  std::vector<QueueItem> items;
  TimePoint valid_end;  ///< of their leases, counted from when the request was sent
  long long done = 0;   ///< how many of TakeRequest::done were in flight still
};
struct QueueWaiting {
  TimePoint look_at;  ///< when to ask again at the latest
  long long place = 0, in_line = 0;
  std::string ticket;  ///< keeps the place: pass it on
  long long done = 0;
};
struct QueueEmpty {
  long long for_others = 0, delayed = 0, in_flight = 0, done = 0;
  /// Nothing is left that could become ready.
  bool drained() const { return for_others == 0 && delayed == 0 && in_flight == 0; }
};
struct TakeGone {};  ///< this token was acknowledged, given back or left before
using TakeAnswer = std::variant<Taken, QueueWaiting, QueueEmpty, TakeGone>;

struct Acked {
  long long count = 0;
  bool again = false;             ///< the request was answered before
  std::vector<std::string> gone;  ///< receipts that were not in flight any more
};

enum class Fate { retry, dead, untried };

/// Why an item is dead, as whoever gave it up tells it. Empty: it was tried too often.
struct DeathCause {
  std::optional<int> exit_code;
  std::string text;  ///< the end of what the command wrote to stderr, or a word of a person
};

struct PeekedItem {
  std::string id;
  int attempts = 0;
  int priority = kNormalPriority;
  std::string lane;
  Millis since{};         ///< wall clock of the server: ready or dead since
  bool returned = false;  ///< its lease has ended: it comes before what is ready
  DeathCause cause;
  std::string payload;
};

struct QueueView {
  std::string name;
  Millis server_time{};
  bool exists = false;
  long long ready = 0, delayed = 0, in_flight = 0, dead = 0;
  long long overdue = 0;           ///< delayed or in flight still, though the time has come
  long long waiting = 0;           ///< consumers
  std::optional<Duration> oldest;  ///< age of the oldest that is ready
  long long pushed = 0, done = 0, returned = 0, buried = 0;
  Millis since{};  ///< the four count from here
  long long pushed_per_minute = 0, done_per_minute = 0;
  struct Group {
    std::string lane;
    int priority;
    long long ready;
  };
  std::vector<Group> groups;
};

/// A queue over its scripts. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class Queue {
 public:
  Queue(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string name);

  /// Pushes batches in one pipeline, answers in the same order; `producer` is a token.
  Task<std::vector<Pushed>> push(std::string producer, PushOptions options,
                                 std::vector<PushBatch> batches, redis::Patience patience);

  /// Asks once; with `waits` it stands in line afterwards. `ticket` is that of the last
  /// QueueWaiting, or "".
  Task<TakeAnswer> ask(TakeRequest request, bool waits, std::string ticket,
                       redis::Patience patience);

  /// Asks and waits by mailbox until there are items or `until` has passed: then the last
  /// QueueWaiting is returned, and the request is still in line: leave. `first` bounds the first
  /// answer; once in line a lost connection is retried until `until`.
  Task<TakeAnswer> take(TakeRequest request, TimePoint until, redis::Patience first);

  /// Of a request, or a producer, that waits: returns at that moment, or earlier when it is called.
  Task<void> wait(std::string token, TimePoint look_at);

  /// Leaves the line, and gives back what was handed over. How many items that were.
  Task<long long> leave(std::string token, redis::Patience patience);

  /// Ends deliveries, kMostAcked at most. `request` names the request, or is the token of the take.
  Task<Acked> ack(std::string request, std::vector<std::string> receipts, redis::Patience patience);
  /// Gives deliveries back, kMostTaken at most. How many were in flight still; nothing when this
  /// request was answered before.
  Task<std::optional<long long>> nack(std::string request, std::vector<std::string> receipts,
                                      Fate fate, Duration delay, DeathCause cause,
                                      redis::Patience patience);
  /// Raises the ends of leases; nothing for those that have ended.
  Task<std::vector<std::optional<TimePoint>>> extend(std::vector<std::string> receipts,
                                                     Duration lease, redis::Patience patience,
                                                     Millis* server_time = nullptr);

  Task<QueueView> show(redis::Patience patience);
  enum class Part { ready, lanes, due, delayed, dead };
  /// Items of Part::ready (without lane and priority), lanes (with one), due (what the next call
  /// makes ready) or dead, `from` on; fewer than asked for when they are large.
  Task<std::vector<PeekedItem>> peek(Part part, long long from, int most, redis::Patience patience);
  /// The first `most` that are ready, as they would be taken; those of workers' lanes last.
  Task<std::vector<PeekedItem>> next(long long most, redis::Patience patience);
  /// How many were thrown away. Of the dead, `ids` only if there are any.
  Task<long long> purge(Part part, std::vector<std::string> ids, redis::Patience patience);
  /// Makes dead items ready again, all without `ids`. How many.
  Task<long long> revive(std::vector<std::string> ids, redis::Patience patience);

  const std::string& name() const { return name_; }
  std::string mailbox(std::string_view token) const { return keys_.mailbox(name_, token); }

 private:
  Task<redis::Answer> run(const redis::Script& script, std::vector<std::string> keys,
                          std::vector<std::string> args, redis::Patience patience);
  std::string what() const { return "queue '" + name_ + "'"; }
  /// The first `n` of: queue, ready, lanes, bodies, timers, dead, line, waiters.
  std::vector<std::string> parts(size_t n) const;

  Loop& loop_;
  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string name_;
  std::vector<std::string> parts_;  ///< and those that wait for room
};

/// All queues of the namespace that were ever pushed to, in the order of their names.
Task<std::vector<QueueView>> list_queues(redis::ScriptRunner& runner, const Keys& keys,
                                         redis::Patience patience);

}  // namespace dcoord::primitives
