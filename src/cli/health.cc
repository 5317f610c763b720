#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/token.h"
#include "cli/context.h"
#include "cli/health.h"
#include "cli/nouns.h"
#include "output/printers.h"
#include "redis/runner.h"
#include "redis/session_errors.h"
#include "redis/slots.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using redis::Inspection;

struct HealthOptions {
  bool deep = false;
  std::string as = "table";
  HealthLimits limits;
  long long replicas = 0;
  Duration limit = std::chrono::seconds(8);
  std::vector<std::string> ignore;
};

/// Asks a target all there is to ask, within a time limit in all.
class Examination {
 public:
  /// `which` of the targets of the configuration; there are several where a majority counts.
  Examination(Context& context, const HealthOptions& o, size_t which, Duration limit)
      : context_(context),
        o_(o),
        which_(which),
        keys_(context.config().key_namespace),
        target_(context.config().targets[which]),
        limit_(limit),
        until_(add(context.loop().now(), limit)) {}

  Task<HealthReport> run() {
    report_.target = redis::describe(target_);
    report_.origin = target_.server.origin.empty() ? "default" : target_.server.origin;
    // Each stage gets its share: what does not answer must leave time to look at what does.
    Task<redis::Members> finding = redis::find_members(loop(), target_, options(), within(4));
    const redis::Members members = co_await finding;
    judge_members(members, target_, report_.findings);
    std::vector<redis::Server> masters;
    for (const auto& master : members.masters) masters.push_back(master.server);
    Task<std::vector<Inspection>> asking = inspect_all(std::move(masters));
    report_.masters = co_await asking;
    for (const Inspection& master : report_.masters)
      judge_server(master, false, target_.topology, o_.limits, report_.findings);
    if (o_.deep) {
      Task<void> looking = look_at_replicas();
      co_await looking;
    }
    for (size_t i = 0; i < members.masters.size(); ++i) {
      if (report_.masters[i].error || report_.masters[i].get("role") == "slave") continue;
      Task<void> trying = try_out(members.masters[i]);
      co_await trying;
    }
    co_return std::move(report_);
  }

 private:
  Loop& loop() { return context_.loop(); }
  redis::SessionOptions options() const { return context_.session_options(); }
  /// A part of the time limit from now on.
  TimePoint within(int part) { return std::min(until_, add(loop().now(), limit_ / part)); }

  /// All at once: one that hangs takes no time from the others.
  Task<std::vector<Inspection>> inspect_all(std::vector<redis::Server> servers) {
    std::vector<Inspection> results(servers.size());
    Event done(loop());
    std::vector<Task<void>> lanes;
    const int round_trips = o_.deep ? 50 : 5;
    const TimePoint at_most = within(2);
    auto lane = [&](size_t i) -> Task<void> {
      Task<Inspection> asking = redis::inspect(loop(), servers[i], options(), round_trips, at_most);
      results[i] = co_await asking;
      done.set();
    };
    for (size_t i = 0; i < servers.size(); ++i) {
      lanes.push_back(lane(i));
      loop().start(lanes.back());
    }
    const auto finished = [](const Task<void>& one) { return one.done(); };
    while (!std::all_of(lanes.begin(), lanes.end(), finished)) co_await done.wait();
    co_return results;
  }

  Task<void> look_at_replicas() {
    std::vector<redis::Server> replicas;
    for (const Inspection& master : report_.masters) {
      for (auto& replica : redis::replicas_of(master)) replicas.push_back(std::move(replica));
    }
    Task<std::vector<Inspection>> asking = inspect_all(std::move(replicas));
    report_.replicas = co_await asking;
    for (const Inspection& replica : report_.replicas)
      judge_server(replica, true, target_.topology, o_.limits, report_.findings);
  }

  /// A name that nobody uses and that this master serves; "" when it serves no name at all.
  std::string name_on(const redis::Master& master) const {
    const std::string base = "dcoord health " + random_token();
    for (int i = 0; i < 20 * kBuckets; ++i) {
      std::string name = fmt::format("{} {}", base, i);
      if (master.serves(redis::slot_of(keys_.lock(name)))) return name;
    }
    return "";
  }

  /// What users do, on one master; what goes wrong is a finding.
  Task<void> try_out(const redis::Master& master) {
    const std::string name = name_on(master);
    if (name.empty()) co_return;
    const redis::Patience patience{until_, until_};
    redis::ScriptRunner& scripts = *context_.runners()[which_];
    std::optional<Error> failure;
    const char* check = "permissions";
    try {
      Task<std::vector<RefusedCommand>> asking = probe_commands(scripts, keys_, name, patience);
      const auto refused = co_await asking;
      judge_commands(refused, master.server, report_.findings);
      check = "lock";
      Task<LockProbe> locking = probe_lock(loop(), scripts, keys_, name, patience);
      const LockProbe probe = co_await locking;
      note_lock(probe);
      judge_lock(probe, master.server, o_.limits, report_.findings);
      check = "hand-over";
      if (o_.deep && refused.empty()) {
        const auto waiter = redis::make_runner(loop(), target_, options());
        Task<Duration> handing = probe_hand_over(loop(), scripts, *waiter, keys_, name, patience);
        note_hand_over(co_await handing, master.server);
      }
    } catch (const Error& error) {
      failure.emplace(error);
    }
    if (failure) {
      report_.findings.push_back({Level::critical, check, redis::endpoint(master.server),
                                  failure->what(), failure->hint()});
    }
  }

  void note_lock(const LockProbe& probe) {
    if (!report_.lock) report_.lock.emplace();
    LockProbe& slowest = *report_.lock;
    slowest.acquire = std::max(slowest.acquire, probe.acquire);
    slowest.renew = std::max(slowest.renew, probe.renew);
    slowest.release = std::max(slowest.release, probe.release);
  }

  void note_hand_over(Duration took, const redis::Server& server) {
    report_.hand_over = std::max(report_.hand_over.value_or(Duration::zero()), took);
    report_.findings.push_back(
        {Level::ok, "hand-over", redis::endpoint(server),
         fmt::format("the next in line had the lock after {}", short_time(took)), ""});
  }

  Context& context_;
  const HealthOptions& o_;
  const size_t which_;
  Keys keys_;
  const redis::Target& target_;
  const Duration limit_;
  TimePoint until_;
  HealthReport report_;
};

/// Several servers of which a majority counts, one after the other: each gets its share of time.
HealthReport examine_all(Context& context, const HealthOptions& o) {
  const size_t count = context.config().targets.size();
  std::vector<HealthReport> reports;
  for (size_t i = 0; i < count; ++i) {
    Examination examination(context, o, i, o.limit / static_cast<int>(count));
    reports.push_back(context.loop().run(examination.run()));
  }
  return count == 1 ? std::move(reports[0]) : judge_quorum(std::move(reports));
}

/// What the user knows and accepts is only noted.
void accept_ignored(HealthReport& report, const std::vector<std::string>& ignore) {
  for (Finding& finding : report.findings) {
    const bool known = std::find(ignore.begin(), ignore.end(), finding.check) != ignore.end();
    if (known && finding.level > Level::note) finding.level = Level::note;
  }
}

void check_ignored(const std::vector<std::string>& ignore) {
  static const std::set<std::string> checks{
      "clients",     "clock", "cluster",  "connect",     "eviction",    "hand-over", "info",
      "latency",     "lock",  "memory",   "permissions", "persistence", "quorum",    "replicas",
      "replication", "role",  "sentinel", "settings",    "version"};
  for (const auto& word : ignore) {
    if (checks.contains(word)) continue;
    throw usage_error(fmt::format("--ignore: there is no check '{}'", word),
                      fmt::format("they are {}", fmt::join(checks, ", ")));
  }
}

int examine(Context& context, const HealthOptions& o) {
  HealthReport report = examine_all(context, o);
  accept_ignored(report, o.ignore);
  const auto format = context.config().format;
  if (o.as == "nagios")
    output::write_out(health_nagios(report, o.limits));
  else if (format == Config::Format::json)
    context.printer().print(health_record(report));
  else if (format == Config::Format::plain)
    context.printer().print(health_rows(report));
  else
    output::write_out(health_text(report, context.config().color));
  switch (report.worst()) {
    case Level::critical:
      return to_int(ExitCode::half_open);
    case Level::warning:
      return to_int(ExitCode::no);
    default:
      return to_int(ExitCode::ok);
  }
}

int run(Context& context, HealthOptions o) {
  check_ignored(o.ignore);
  if (o.limit <= Duration::zero() || o.limit == kForever)
    throw usage_error("--limit must be a time");
  if (o.limits.ttl < std::chrono::seconds(1) || o.limits.ttl == kForever)
    throw usage_error("--ttl must be 1s or longer");
  o.limits.replicas = static_cast<int>(o.replicas);
  if (o.as != "nagios") return examine(context, o);
  // Nagios reads one line from stdout, and knows 3 as "unknown".
  constexpr int kUnknown = 3;
  try {
    return examine(context, o);
  } catch (const Error& error) {
    output::write_out(fmt::format("DCOORD UNKNOWN - {}\n", log::printable(error.what())));
    return kUnknown;
  }
}

}  // namespace

Noun health_noun() {
  auto o = std::make_shared<HealthOptions>();
  Verb verb;
  verb.summary = "whether the servers will do: a real lock, settings, clocks; exit 0, 1, 2";
  verb.usage = "[--deep] [--as table|nagios] [--ignore CHECK]";
  verb.examples = {"dcoord health", "dcoord health --deep --json",
                   "dcoord health -o nagios --ignore persistence -t 1m"};
  verb.declare = [o](OptionSet& set) {
    set.flag("--deep", o->deep,
             "also look at each replica, hand a lock over, and measure 50 round trips");
    set.choice("--as", "FORM", o->as, {"table", "nagios"}, "in which form; -o nagios is the same");
    set.duration("-t,--ttl", o->limits.ttl, "the lease of your locks, to measure delays against");
    set.integer("--replicas", "N", o->replicas, 0, 100,
                "the replicas that your locks ask for with this option");
    set.texts("--ignore", "CHECK", o->ignore, "what is known and accepted: only note it");
    set.duration("--limit", o->limit, "how long it may take in all");
  };
  verb.run = [o](Context& context) { return run(context, *o); };
  Noun noun;
  noun.name = "health";
  noun.summary = verb.summary;
  noun.examples = verb.examples;
  noun.verbs = {verb};
  return noun;
}

}  // namespace dcoord::cli
