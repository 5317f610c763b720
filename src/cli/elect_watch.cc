#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/elect_verbs.h"
#include "cli/terminal.h"
#include "primitives/elect.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct WatchOptions {
  std::string name;
  std::optional<long long> count;
  std::optional<Duration> wait;
};

class Watch {
 public:
  Watch(Context& context, const WatchOptions& o)
      : context_(context),
        o_(o),
        keys_(context.config().key_namespace),
        election_(context.loop(), context.scripts(), keys_, o.name, LockKind::elect),
        changes_(context.scripts(), keys_, o.name) {}

  Task<int> run() {
    const TimePoint until = until_ = add(loop().now(), o_.wait.value_or(kForever));
    Task<void> starting = start();
    co_await starting;
    while (!enough()) {
      if (loop().now() >= until) {
        throw Error(ExitCode::timed_out, "timed_out",
                    fmt::format("no (further) change of election '{}' in time", o_.name));
      }
      co_await changes_.wait(last_id_, std::min(until, add(loop().now(), kLook)));
      Task<void> reading = read_on();
      try {
        co_await reading;
      } catch (const Error& error) {
        if (loop().now() < until || error.code() != ExitCode::unavailable) throw;
      }
    }
    co_return to_int(ExitCode::ok);
  }

 private:
  // How often to look whether a leader's lease ended with nobody there to record it.
  static constexpr Duration kLook = 5s;

  Loop& loop() { return context_.loop(); }
  bool enough() const { return o_.count && printed_ >= *o_.count; }
  /// Once it runs, a lost connection is tried again for as long as it may wait.
  redis::Patience patience() const { return {until_, until_}; }

  /// From the current leader on.
  Task<void> start() {
    const LockView view = co_await election_.show(0, context_.patience());
    const std::vector<ElectionChange> recorded = co_await changes_.after("", context_.patience());
    if (!recorded.empty()) last_id_ = recorded.back().id;
    const size_t from = current_term(recorded);
    const LockParty* const holder = view.holders.empty() ? nullptr : &view.holders[0];
    const bool stale = view.state == LockView::State::stale;
    if (from < recorded.size()) {
      // The record is newer than the view: only that very lease can be known to have ended.
      if (stale && holder != nullptr && holder->fence == recorded[from].fence) co_return;
      for (size_t i = from; i < recorded.size() && !enough(); ++i) print(recorded[i]);
    } else if (recorded.empty() && holder != nullptr && !stale && !holder->offered &&
               !holder->resting) {
      // It leads for longer than changes are kept.
      ElectionChange change;
      change.term = view.term;
      change.fence = holder->fence;
      change.at = holder->since;
      change.who = holder->who;
      print(change);
    }
  }

  /// Where the term begins that has not ended, or the end.
  static size_t current_term(const std::vector<ElectionChange>& recorded) {
    using What = ElectionChange::What;
    for (size_t i = recorded.size(); i-- > 0;) {
      if (recorded[i].what == What::resigned || recorded[i].what == What::lost) break;
      if (recorded[i].what == What::elected) return i;
    }
    return recorded.size();
  }

  Task<void> read_on() {
    const std::vector<ElectionChange> fresh = co_await changes_.after(last_id_, patience());
    for (const auto& change : fresh) {
      last_id_ = change.id;
      const bool told = change.what == ElectionChange::What::lost && change.fence == told_lost_;
      if (!told && !enough()) print(change);
    }
    if (!fresh.empty() || enough() || leader_fence_ == 0) co_return;
    // Without candidates nobody records that the leader's lease has ended.
    const LockView view = co_await election_.show(0, patience());
    if (view.state != LockView::State::stale || view.holders.empty()) co_return;
    const LockParty& last = view.holders[0];
    if (last.fence != leader_fence_) co_return;
    ElectionChange change;
    change.what = ElectionChange::What::lost;
    change.term = view.term;
    change.fence = told_lost_ = last.fence;
    change.at = view.server_time + last.lease_left;
    change.who = last.who;
    print(change);
  }

  void print(const ElectionChange& change) {
    using What = ElectionChange::What;
    if (change.what == What::elected) leader_fence_ = change.fence;
    if (change.what == What::resigned || change.what == What::lost) leader_fence_ = 0;
    context_.printer().print(change);
    ++printed_;
    flush_stdout_for_reader();
  }

  Context& context_;
  const WatchOptions& o_;
  Keys keys_;
  Lock election_;
  ElectionChanges changes_;
  TimePoint until_ = kNever;
  std::string last_id_;
  long long leader_fence_ = 0;  // of the leader that was printed last and is not known to be gone
  long long told_lost_ = 0;
  long long printed_ = 0;
};

}  // namespace

Verb elect_watch_verb() {
  auto o = std::make_shared<WatchOptions>();
  Verb verb;
  verb.name = "watch";
  verb.summary = "a line for each change, from the current leader on";
  verb.usage = "NAME [--count N] [-w DUR]";
  verb.examples = {"dcoord elect watch scheduler", "dcoord elect watch scheduler --json --count 1"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "election", o->name, "name of the election");
    set.integer("--count", "N", o->count, 1, 1000000000, "leave after N lines").from_environment =
        false;
    set.duration("-w,--wait", o->wait, "leave with 124 after so long; without it, never");
  };
  verb.run = [o](Context& context) {
    check_name(o->name, "election name");
    Watch watch(context, *o);
    return context.loop().run(watch.run());
  };
  return verb;
}

}  // namespace dcoord::cli
