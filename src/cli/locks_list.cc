#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "cli/context.h"
#include "cli/locks_verbs.h"
#include "cli/terminal.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct ListOptions {
  ThingFilter filter;
  bool stale = false, held = false, contended = false;
  std::string sort = "name";
  bool watch = false;
  Duration interval = 2s;
  std::optional<long long> count;

  void check() const {
    if (stale && held) throw usage_error("--stale and --held contradict each other");
    if (interval < 100ms) throw usage_error("--interval is at least 100ms");
  }
  bool shows(const Thing& thing) const {
    const auto state = thing.state();
    return (!stale || state == LockView::State::stale) &&
           (!held || state == LockView::State::held) && (!contended || thing.view.waiting > 0);
  }
};

Duration age_of(const Thing& thing) {
  const auto& holders = thing.view.holders;
  return holders.empty() ? Duration::zero() : thing.view.server_time - holders[0].since;
}

Duration lease_of(const Thing& thing) {
  const auto& holders = thing.view.holders;
  return holders.empty() ? kForever : holders[0].lease_left;
}

/// The oldest, the most waited for, or the lease that ends first on top; else by name.
void sort_by(const std::string& key, std::vector<Thing>& things) {
  const auto before = [&](const Thing& a, const Thing& b) {
    if (key == "age") return age_of(a) > age_of(b);
    if (key == "waiters") return a.view.waiting > b.view.waiting;
    if (key == "lease") return lease_of(a) < lease_of(b);
    if (key == "kind" || a.view.name == b.view.name) return a.kind < b.kind;
    return a.view.name < b.view.name;
  };
  // Of one kind they come in the order of their names, and to move them is dear.
  if (!std::is_sorted(things.begin(), things.end(), before))
    std::stable_sort(things.begin(), things.end(), before);
}

Task<std::vector<Thing>> read(Context& context, const ListOptions& o) {
  Task<std::vector<Thing>> finding = finding_things(context, o.filter.wish(all_kinds()));
  std::vector<Thing> things = co_await finding;
  std::erase_if(things, [&](const Thing& thing) { return !o.shows(thing); });
  sort_by("name", things);
  if (o.sort != "name") sort_by(o.sort, things);
  co_return things;
}

/// What of a thing is worth a line when it changes: not its times.
std::string face_of(const Thing& thing) {
  std::string face = fmt::format("{} {} {} {}", static_cast<int>(thing.state()), thing.view.waiting,
                                 thing.view.fence, thing.detail);
  for (const LockParty& p : thing.view.holders)
    face += fmt::format(" {}{}{}{}", p.token, p.offered, p.revoked, p.resting);
  return face;
}

class Watch {
 public:
  Watch(Context& context, const ListOptions& o) : context_(context), o_(o) {}

  /// Each thing once, and then a line for whatever has changed.
  int run() {
    while (true) {
      const TimePoint began = context_.loop().now();
      if (!look()) return to_int(ExitCode::ok);
      // However long the list is, at most a tenth of the server's time goes into it.
      const Duration took = context_.loop().now() - began;
      context_.loop().run(pause(std::max<Duration>(o_.interval, 10 * took)));
    }
  }

 private:
  using Key = std::pair<ThingKind, std::string>;

  Task<void> pause(Duration time) { co_await context_.loop().sleep(time); }

  /// False when enough was printed, or nobody reads it any more.
  bool look() {
    std::map<Key, Thing> now;
    for (auto& thing : context_.loop().run(read(context_, o_))) {
      const Key key{thing.kind, thing.view.name};
      const auto before = last_.find(key);
      const bool same = before != last_.end() && face_of(before->second) == face_of(thing);
      if (!same && !print(thing, false)) return false;
      server_time_ = std::max(server_time_, thing.view.server_time);
      now.emplace(key, std::move(thing));
    }
    for (const auto& [key, thing] : last_) {
      if (now.count(key) == 0 && !print(thing, true)) return false;
    }
    last_ = std::move(now);
    return true;
  }

  bool print(const Thing& thing, bool vanished) {
    const Millis at =
        vanished ? std::max(server_time_, thing.view.server_time) : thing.view.server_time;
    context_.printer().print(output::ThingChange{at, vanished, thing});
    return flush_stdout() && (!o_.count || ++printed_ < *o_.count);
  }

  Context& context_;
  const ListOptions& o_;
  std::map<Key, Thing> last_;
  Millis server_time_{};
  long long printed_ = 0;
};

}  // namespace

Verb locks_list_verb() {
  auto o = std::make_shared<ListOptions>();
  Verb verb;
  verb.name = "list";
  verb.summary = "all that is held or waited for, of every kind; stale ones say why";
  verb.usage = "[PATTERN] [--stale|--held|--contended] [--kind KIND] [--sort KEY] [--watch]";
  verb.examples = {"dcoord locks list", "dcoord locks list 'deploy-*' --contended --sort waiters",
                   "dcoord locks list --stale --json", "dcoord locks list --watch --kind elect"};
  verb.declare = [o](OptionSet& set) {
    o->filter.declare(set);
    set.flag("--stale", o->stale, "only those whose holder is gone or whose lease is over")
        .from_environment = false;
    set.flag("--held", o->held, "only those that are held").from_environment = false;
    set.flag("--contended", o->contended, "only those that somebody waits for").from_environment =
        false;
    set.choice("--sort", "KEY", o->sort, {"name", "age", "lease", "waiters", "kind"},
               "by name, the oldest hold first, the lease that ends first, the longest line");
    set.flag("--watch", o->watch, "go on with a line for each change").from_environment = false;
    set.duration("--interval", o->interval, "with --watch: how often to look");
    set.integer("--count", "N", o->count, 1, 1000000000, "with --watch: leave after N lines")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    o->check();
    Task<std::vector<Thing>> reading = read(context, *o);
    const std::vector<Thing> things = co_await reading;
    context.printer().print(things);
    co_return to_int(ExitCode::ok);
  });
  verb.run = [o, once = verb.run](Context& context) {
    if (!o->watch) return once(context);
    o->check();
    return Watch(context, *o).run();
  };
  verb.batch_refusal = [o] { return std::string(o->watch ? "it goes on and on" : ""); };
  verb.several_steps = always;
  return verb;
}

}  // namespace dcoord::cli
