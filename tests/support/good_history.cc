#include "support/good_history.h"

#include <algorithm>
#include <random>

namespace dcoord::testing {
namespace {

/// Operations take effect one after the other, each between its invocation and its return.
class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  History make() {
    switch (pick(6)) {
      case 0:
        exclusive();
        break;
      case 1:
        slots();
        break;
      case 2:
        queue();
        break;
      case 3:
        state();
        break;
      case 4:
        barrier();
        break;
      default:
        jobs();
    }
    std::stable_sort(out_.begin(), out_.end(),
                     [](const Operation& a, const Operation& b) { return a.invoke < b.invoke; });
    return std::move(out_);
  }

 private:
  int64_t pick(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(random_); }
  bool seldom() { return pick(8) == 0; }

  /// One that takes effect now; it was invoked a while ago, and returns in a while.
  Operation& now(const std::string& what, Operation::Outcome outcome = Operation::Outcome::done) {
    at_ += 1 + pick(20);
    Operation o;
    o.what = what;
    o.id = o.process = "p" + std::to_string(++count_);
    o.invoke = std::max<int64_t>(0, at_ - pick(30));
    o.outcome = outcome;
    if (outcome != Operation::Outcome::unknown) o.returned = at_ + pick(30);
    out_.push_back(std::move(o));
    return out_.back();
  }
  static void put(Operation& o, const std::string& key, int64_t value) {
    o.with[key] = std::to_string(value);
  }

  /// Writers and readers in turn, who waited in the order in which they came.
  void exclusive() {
    int64_t placed = 1;
    for (int64_t turns = 5 + pick(15); turns > 0; --turns) {
      const bool shared = pick(3) == 0;
      int64_t end = at_;
      for (int64_t holders = shared ? 1 + pick(3) : 1; holders > 0; --holders) {
        Operation& hold = now("hold");
        hold.invoke = at_;
        hold.returned = at_ + pick(50);  // it died, or its lease ended: the same for all others
        hold.with["mode"] = shared ? "s" : "x";
        put(hold, "fence", ++fence_);
        put(hold, "bound", hold.returned + pick(3));
        end = std::max(end, hold.returned);
        Operation wait = hold;
        wait.what = "wait";
        wait.with.erase("mode");
        placed += pick(2);
        put(wait, "placed", placed);
        wait.invoke = std::max<int64_t>(0, wait.number("placed") - pick(10));
        wait.returned = hold.invoke;
        put(wait, "shared", shared);
        wait.outcome = Operation::Outcome::done;
        out_.push_back(std::move(wait));
      }
      at_ = end;
    }
  }

  void slots() {
    const int64_t limit = 2 + pick(4);
    std::vector<int64_t> free_at(static_cast<size_t>(limit), 0);
    for (int64_t grants = 10 + pick(20); grants > 0; --grants) {
      at_ += pick(10);
      const int64_t slot = pick(limit);
      int64_t& free = free_at[static_cast<size_t>(slot)];
      at_ = std::max(at_, free);
      Operation& hold = now("hold");
      hold.invoke = at_;
      hold.returned = free = at_ + pick(60);
      hold.with["mode"] = "slot";
      put(hold, "slot", slot);
      put(hold, "limit", limit);
      put(hold, "fence", ++fence_);
    }
  }

  void queue() {
    for (int64_t items = 5 + pick(10); items > 0; --items) {
      const std::string item = "i" + std::to_string(items);
      if (seldom()) {
        now("push", Operation::Outcome::refused).with["item"] = item;
        continue;
      }
      const bool answered = !seldom();
      Operation& push =
          now("push", answered ? Operation::Outcome::done : Operation::Outcome::unknown);
      push.with["item"] = item;
      if (!answered && pick(2) == 0) continue;  // it never got there
      const bool ends_done = deliver(item);
      if (!ends_done) {
        Operation& found = now("found");
        found.with["item"] = item;
        found.with["place"] = "ready";
      }
    }
  }

  /// Some deliveries of an item; whether it was acknowledged in the end.
  bool deliver(const std::string& item) {
    for (int64_t attempt = 1; attempt <= 1 + pick(3); ++attempt) {
      Operation& take = now("take");
      take.with["item"] = item;
      const std::string receipt = "r" + std::to_string(count_);
      take.with["receipt"] = receipt;
      put(take, "attempt", attempt);
      const int64_t lease_end = std::max(take.returned, at_) + pick(100);
      put(take, "lease_end", lease_end);
      at_ = std::max(at_, take.returned);
      if (pick(3) == 0) {  // acknowledged, though the answer may get lost
        Operation& ack =
            now("ack", seldom() ? Operation::Outcome::unknown : Operation::Outcome::done);
        ack.with["receipt"] = receipt;
        return true;
      }
      if (pick(2) == 0) {
        now(pick(2) == 0 ? "nack" : "leave").with["receipt"] = receipt;
      } else {
        at_ = lease_end;
        if (seldom()) now("ack", Operation::Outcome::refused).with["receipt"] = receipt;
      }
    }
    return false;
  }

  void state() {
    bool present = false;
    std::string bytes;
    int64_t version = 0;
    for (int64_t n = 10 + pick(20); n > 0; --n) {
      const bool lost = seldom();
      const auto outcome = lost ? Operation::Outcome::unknown : Operation::Outcome::done;
      const int64_t what = pick(4);
      if (what == 0) {
        Operation& get = now("get");
        if (present) {
          get.with["value"] = bytes;
          put(get, "version", version);
        } else {
          put(get, "absent", 1);
        }
      } else if (what == 1 && present && pick(2) == 0) {
        now("delete", outcome);
        present = false;
        put(out_.back(), "version", ++version);
      } else if (what == 2) {
        const bool holds = pick(2) == 0;
        Operation& set = now("set", holds ? outcome : Operation::Outcome::refused);
        put(set, "if_version", holds ? (present ? version : 0) : version + 1000);
        set.with["value"] = std::to_string(n);
        if (!holds) continue;
        present = true;
        bytes = std::to_string(n);
        put(set, "version", ++version);
      } else {
        const int64_t sum = (present ? std::stoll(bytes) : 0) + n;
        Operation& incr = now("incr", outcome);
        put(incr, "by", n);
        put(incr, "number", sum);
        present = true;
        bytes = std::to_string(sum);
        put(incr, "version", ++version);
      }
      if (out_.back().outcome == Operation::Outcome::unknown) out_.back().with.erase("version");
    }
  }

  void barrier() {
    const int64_t parties = 2 + pick(4);
    for (int64_t generation = 1; generation <= 3 + pick(5); ++generation) {
      const bool breaks = seldom();
      const size_t first = out_.size();
      for (int64_t party = 0; party < parties; ++party) {
        Operation& arrive = now("arrive", breaks     ? Operation::Outcome::refused
                                          : seldom() ? Operation::Outcome::unknown
                                                     : Operation::Outcome::done);
        arrive.with["party"] = std::to_string(party);
        arrive.invoke = at_;
        if (arrive.outcome == Operation::Outcome::unknown) continue;
        put(arrive, "generation", generation);
        put(arrive, "index", party);
        put(arrive, "parties", parties);
      }
      for (size_t i = first; i < out_.size(); ++i) {
        if (out_[i].outcome != Operation::Outcome::unknown) out_[i].returned = at_ + pick(20);
      }
      at_ += 20;
    }
  }

  void jobs() {
    std::string before;
    for (int64_t job = 0; job < 3 + pick(5); ++job) {
      for (int64_t attempt = 1;; ++attempt) {
        Operation& run = now("run");
        run.invoke = at_;
        put(run, "job", job);
        put(run, "attempt", attempt);
        run.with["after"] = before;
        at_ = run.returned = at_ + pick(50);
        const bool succeeds = pick(3) != 0;
        if (succeeds || pick(2) == 0) run.with["result"] = succeeds ? "success" : "failure";
        if (succeeds) break;
      }
      before += (before.empty() ? "" : ",") + std::to_string(job);
    }
  }

  std::mt19937 random_;
  History out_;
  int64_t at_ = 100;
  int64_t fence_ = 0;
  int count_ = 0;
};

}  // namespace

History good_history(unsigned seed) { return Maker(seed).make(); }

}  // namespace dcoord::testing
