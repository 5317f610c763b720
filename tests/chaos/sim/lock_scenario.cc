// The lock in all its modes, and elections: the client's own waiting and renewing over the scripts.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "chaos/sim/scenario.h"
#include "cli/hold.h"
#include "primitives/lock.h"
#include "support/checkers.h"
#include "support/stored_lock.h"

namespace dcoord::testing::sim {
namespace {

using namespace primitives;

class LockScenario : public Scenario {
 public:
  LockScenario(World& world, bool election)
      : Scenario(world), kind_(election ? LockKind::elect : LockKind::lock) {
    const size_t shape = election ? 0 : w.pick(3);
    with_readers_ = shape == 1;
    limit_ = shape == 2 ? 2 + static_cast<int>(w.pick(2)) : 0;
    w.invariant = [this](const Ran& ran) { look(ran); };
    w.on_data_loss = [this] {
      seen_ = {};
      revoked_.clear();
    };
  }

  void start() override {
    for (size_t n = 2 + w.pick(5); n > 0; --n) {
      Process& process = spawn("p" + std::to_string(n));
      begin(process, live(process));
    }
    if (w.chance(40)) w.start(operate());
  }

  Violations judge(const History& history) override {
    Violations all;
    const auto add = [&](const Violations& more) {
      all.insert(all.end(), more.begin(), more.end());
    };
    // What is promised without data, or with a clock that jumps, is less.
    if (w.weather().keeps_grants()) add(check_exclusion(history));
    if (!w.weather().data_loss) add(check_fence(history));
    if (w.weather().calm()) add(check_fifo(history));
    return all;
  }

 protected:
  void died(Operation& o) override {
    Scenario::died(o);
    // A hold ends with its holder, at its lease's end at the latest.
    if (o.what == "hold") {
      o.returned = std::min<int64_t>(w.now_us(), o.number("valid_end"));
      o.outcome = Operation::Outcome::done;
    }
  }

 private:
  struct Holding {
    LockRequest request;
    TimePoint valid_end;
    bool lost = false;
  };

  LockRequest request(const Process& process) {
    LockRequest r;
    r.token = w.token();
    r.mode = limit_ > 0                       ? LockMode::slot
             : with_readers_ && !w.chance(40) ? LockMode::shared
                                              : LockMode::exclusive;
    r.limit = limit_;
    r.ttl = w.chance(50) ? Duration(1s) : 1s + w.upto(9s);
    r.who.owner = process.name;
    return r;
  }

  Task<void> live(Process& process) {
    Lock lock(w.loop(), *process.runner, keys, "it", kind_);
    for (int rounds = 0; rounds < 6 && !w.healed(); ++rounds) {
      co_await w.loop().sleep(w.upto(3s));
      const LockRequest r = request(process);
      const bool waits = w.chance(85);
      const TimePoint until = !waits ? w.now() : w.chance(70) ? kNever : w.now() + w.upto(10s);
      Operation& wait = w.record(waits ? "wait" : "try", process.name, r.token);
      wait.with["shared"] = r.mode == LockMode::exclusive ? "0" : "1";
      process.open.push_back(&wait);
      std::optional<LockAnswer> answer;
      try {
        std::function<void(const LockWaiting&)> on_wait = [&](const LockWaiting&) {
          if (wait.value("placed").empty()) wait.with["placed"] = std::to_string(w.now_us());
        };
        const redis::Patience first = patience();
        Task<LockAnswer> asking = waits ? lock.acquire(r, until, first, std::move(on_wait))
                                        : lock.ask(r, false, "", first);
        answer.emplace(co_await asking);
      } catch (const Error&) {
      }
      process.open.remove(&wait);
      wait.returned = w.now_us();
      const auto* granted = answer ? std::get_if<LockGranted>(&*answer) : nullptr;
      if (granted == nullptr) {
        wait.outcome = answer ? Operation::Outcome::refused : Operation::Outcome::unknown;
        Task<bool> leaving = release(lock, r.token, waits && answer);
        co_await leaving;
        continue;
      }
      wait.outcome = Operation::Outcome::done;
      wait.with["fence"] = std::to_string(granted->fence);
      Task<void> holding = hold(process, lock, r, *granted, wait.invoke);
      co_await holding;
    }
  }

  /// False when it could not be confirmed.
  Task<bool> release(Lock& lock, std::string token, bool timed_out) {
    bool confirmed = true;
    const std::string released = token;
    try {
      const redis::Patience p = patience(5s);
      co_await lock.release(std::move(token), w.chance(10) ? w.upto(2s) : Duration(0), timed_out,
                            p);
    } catch (const Error&) {
      confirmed = false;
    }
    if (confirmed) released_.insert(released);
    co_return confirmed;
  }

  Operation& begin_hold(Process& process, const LockRequest& r, const LockGranted& granted,
                        int64_t asked) {
    Operation& hold = w.record("hold", process.name, r.token);
    hold.with["mode"] = r.mode == LockMode::exclusive ? "x"
                        : r.mode == LockMode::shared  ? "s"
                                                      : "slot";
    hold.with["slot"] = std::to_string(granted.slot);
    hold.with["limit"] = std::to_string(limit_);
    hold.with["fence"] = std::to_string(granted.fence);
    hold.with["asked"] = std::to_string(asked);
    hold.with["valid_end"] = std::to_string(granted.valid_end.time_since_epoch() / 1us);
    process.open.push_back(&hold);
    return hold;
  }

  void end_hold(Process& process, Operation& hold, TimePoint valid_end) {
    // An answer may come so late that nothing is left of the lease.
    const int64_t end = std::min<int64_t>(w.now_us(), valid_end.time_since_epoch() / 1us);
    hold.returned = std::max(hold.invoke, end);
    hold.outcome = Operation::Outcome::done;
    process.open.remove(&hold);
  }

  Task<void> hold(Process& process, Lock& lock, LockRequest r, LockGranted granted, int64_t asked) {
    Operation& held = begin_hold(process, r, granted, asked);
    current_ = r.token;
    Event lost(w.loop());
    TimePoint valid_end = granted.valid_end;
    cli::LeaseOptions options;
    options.ttl = r.ttl;
    options.no_renew = w.chance(20);
    const cli::LeaseTimes times = cli::lease_times(options);
    cli::LeaseKeeper::Hooks hooks;
    hooks.renew = [&lock, &r](TimePoint until) {
      return lock.renew(r.token, r.ttl, redis::Patience{until, kNever});
    };
    hooks.extended = [&](TimePoint end) {
      valid_end = end;
      held.with["valid_end"] = std::to_string(end.time_since_epoch() / 1us);
      return true;
    };
    hooks.lost = [&](const cli::LossReason&) { lost.set(); };
    cli::LeaseKeeper keeper(w.loop(), times, valid_end, std::move(hooks));
    keeper.start();
    if (w.chance(15)) {
      Task<void> inner = nest(process, lock, r);
      co_await inner;
    }
    const TimePoint done = w.now() + w.upto(2 * r.ttl);
    // As the supervisor: it is over when the work is done, when the lease is lost, or in time
    // before its end.
    while (true) {
      const TimePoint look = std::min(done, valid_end - times.margin);
      if (co_await lost.wait(look) || w.now() >= done || w.now() >= valid_end - times.margin) break;
    }
    keeper.stop();
    end_hold(process, held, valid_end);
    Task<bool> releasing = release(lock, r.token, false);
    co_await releasing;
  }

  Task<void> nest(Process& process, Lock& lock, LockRequest outer) {
    LockRequest r = outer;
    r.token = w.token();
    r.parent = outer.token;
    r.reentrant = true;
    r.ttl = 2s;
    if (with_readers_) r.mode = w.chance(50) ? LockMode::exclusive : LockMode::shared;
    const int64_t asked = w.now_us();
    std::optional<LockAnswer> answer;
    try {
      const redis::Patience p = patience(3s);
      const TimePoint until = w.now() + 1s;
      Task<LockAnswer> asking = lock.acquire(r, until, p, nullptr);
      answer.emplace(co_await asking);
    } catch (const Error&) {
    }
    const auto* granted = answer ? std::get_if<LockGranted>(&*answer) : nullptr;
    if (granted != nullptr) {
      const TimePoint valid_end = granted->valid_end;
      // What was nested and had ended before is an ordinary hold.
      Operation& held = begin_hold(process, r, *granted, asked);
      held.with["nested"] = "1";
      co_await w.loop().sleep_until(std::min(valid_end, w.now() + w.upto(1s)));
      end_hold(process, held, valid_end);
    }
    Task<bool> releasing = release(lock, r.token, false);
    co_await releasing;
  }

  /// An operator takes holds away.
  Task<void> operate() {
    const auto runner = w.new_runner();
    Lock lock(w.loop(), *runner, keys, "it", kind_);
    while (!w.healed()) {
      co_await w.loop().sleep(w.upto(6s));
      if (current_.empty()) continue;
      try {
        const redis::Patience p = patience(3s);
        co_await lock.revoke(current_, "", p);
      } catch (const Error&) {
      }
    }
  }

  /// In calm weather nobody misses a claim, and a lock is never idle while somebody alive waits.
  void look_for_idleness(const std::string& script, const StoredLock& lock, const Hash* waiters) {
    if (!w.weather().calm()) return;
    const auto now = static_cast<double>(w.model().now_ms());
    for (const auto& [token, e] : seen_.entries) {
      if (e.is(StoredLock::kOffered) && e.ends <= now)
        w.violate("lock.offer_lapsed", "nobody claimed what was offered");
    }
    const bool hands_over = script == "lock/acquire" || script == "lock/release";
    if (hands_over && lock.entries.empty() && waiters != nullptr && !waiters->empty())
      w.violate("lock.idle", "nobody has it though somebody waits");
  }

  /// Its holder goes on because of that word, whatever became of the data or the clock.
  void look_at_renewal(const Ran& ran, const Hash* hash) {
    if (ran.script != "lock/renew" || ran.reply.is_error()) return;
    if (ran.reply.elements().at(0).text() != "renewed") return;
    if (hash == nullptr || !hash->contains("h" + ran.args.at(0)))
      w.violate("lock.renewed_nothing", "a renewal was confirmed though there was no hold");
  }

  /// The line is in the order of the tickets, to the last digit. An upgrade's is 1.
  void look_at_tickets(const StoredLock& lock, const SortedSet* line) {
    if (line == nullptr || !lock.exists || w.weather().data_loss) return;
    for (const auto& [token, ticket] : line->scores) {
      if (ticket > 1 && ticket > lock.last_ticket)
        w.violate("lock.ticket_ahead", "a ticket is later than the last that was given");
    }
  }

  /// What the server has stored, after each script.
  void look(const Ran& ran) {
    const bool election = kind_ == LockKind::elect;
    const Hash* hash = w.model().find<Hash>(election ? keys.elect("it") : keys.lock("it"));
    look_at_renewal(ran, hash);
    if (hash == nullptr) {
      seen_ = {};
      return;
    }
    const SortedSet* line =
        w.model().find<SortedSet>(election ? keys.elect_line("it") : keys.lock_line("it"));
    const Hash* waiters =
        w.model().find<Hash>(election ? keys.elect_waiters("it") : keys.lock_waiters("it"));
    const StoredLock lock = read_lock(*hash);
    look_for_idleness(ran.script, lock, waiters);
    look_at_tickets(lock, line);
    const auto now = static_cast<double>(w.model().now_ms());
    for (const auto& [token, e] : lock.entries) {
      if (e.ends > now && released_.contains(token) && !e.is(StoredLock::kResting) &&
          w.weather().keeps_grants())
        w.violate("lock.released_holds", "a token that was released holds");
    }
    const std::string wrong =
        contradiction(lock, line == nullptr ? 0 : static_cast<int64_t>(line->scores.size()),
                      waiters == nullptr ? 0 : static_cast<int64_t>(waiters->size()));
    if (!wrong.empty() && !w.weather().data_loss) w.violate("lock.counts", wrong);
    const std::string two = overlap(lock, now);
    if (!two.empty()) w.violate("lock.overlap", two);
    if (!lock.exists) return;
    if (lock.fence < seen_.fence) w.violate("lock.fence_fell", "the latest fence went back");
    const int64_t expires =
        w.model().entry_of(election ? keys.elect("it") : keys.lock("it"))->expires_ms;
    if (expires == 0) w.violate("lock.no_expiry", "its key stays for ever");
    for (const auto& [token, e] : lock.entries) look_at(lock, token, e, now, expires);
    seen_ = lock;
  }

  void look_at(const StoredLock& lock, const std::string& token, const StoredLock::Entry& e,
               double now, int64_t expires) {
    if (e.is(StoredLock::kRevoked)) revoked_.insert(token);
    if (e.ends <= now) return;
    if (revoked_.contains(token) && !e.is(StoredLock::kRevoked))
      w.violate("lock.revoked_comes_back", "a token whose hold was taken away holds again");
    if (expires != 0 && static_cast<double>(expires) < e.ends)
      w.violate("lock.expires_early", "its key goes before a lease ends");
    if (lock.min_end == 0 || lock.min_end > e.ends)
      w.violate("lock.min_end", "the earliest end is no lower bound");
    if (lock.ring.find(token) != std::string::npos && !e.is(StoredLock::kResting))
      w.violate("lock.buried_holds", "a token that was released holds");
    const auto before = seen_.entries.find(token);
    if (before == seen_.entries.end()) return;
    const StoredLock::Entry& b = before->second;
    // One that is nested has the fence of what it is nested in, whenever it was granted.
    if (b.ends <= now && e.ends > b.ends && e.fence == b.fence && !e.is(StoredLock::kNested))
      w.violate("lock.revived", "a lease that had ended goes on");
    if (e.ends > b.ends && b.is(StoredLock::kRevoked) && !e.is(StoredLock::kResting))
      w.violate("lock.revoked_goes_on", "a hold that was taken away was renewed");
    const bool rests = e.is(StoredLock::kResting) && !b.is(StoredLock::kResting);
    // A claim counts from now, which a clock that was set back makes earlier.
    if (e.ends < b.ends && !rests && !b.is(StoredLock::kOffered) && e.fence == b.fence)
      w.violate("lock.end_fell", "the end of a lease was lowered");
    if (e.fence != b.fence && b.ends > now)
      w.violate("lock.fence_changed", "a hold got another fence");
  }

  LockKind kind_;
  bool with_readers_ = false;
  int limit_ = 0;
  std::string current_;
  std::set<std::string> released_, revoked_;
  StoredLock seen_;
};

}  // namespace

std::unique_ptr<Scenario> make_lock_scenario(World& world, bool election) {
  return std::make_unique<LockScenario>(world, election);
}

}  // namespace dcoord::testing::sim
