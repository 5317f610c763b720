// Jobs: several hosts run the same graph; each job succeeds once, after what it depends on.
#include <fmt/format.h>

#include "chaos/sim/scenario.h"
#include "cli/hold.h"
#include "primitives/job.h"
#include "support/checkers.h"
#include "support/stored_lock.h"

namespace dcoord::testing::sim {
namespace {

using namespace primitives;

class JobScenario : public Scenario {
 public:
  explicit JobScenario(World& world) : Scenario(world), jobs_(2 + static_cast<int>(w.pick(4))) {
    for (int job = 0; job < jobs_; ++job) {
      std::vector<int> after;
      for (int other = 0; other < job; ++other) {
        if (w.chance(50)) after.push_back(other);
      }
      after_.push_back(std::move(after));
    }
    w.invariant = [this](const Ran&) { look(); };
    w.on_data_loss = [this] { seen_.clear(); };
  }

  void start() override {
    for (size_t n = 2 + w.pick(3); n > 0; --n) {
      for (int job = 0; job < jobs_; ++job) {
        Process& process = spawn(fmt::format("host{}/{}", n, job));
        begin(process, live(process, job));
      }
    }
  }

  Violations judge(const History& history) override {
    Violations found = w.weather().data_loss ? Violations() : check_jobs(history);
    std::erase_if(found, [&](const Violation& v) {
      return w.weather().clock_jumps && v.name == "job.two_at_once";
    });
    return found;
  }

 protected:
  void died(Operation& o) override {
    Scenario::died(o);
    o.returned = std::min<int64_t>(w.now_us(), o.number("valid_end"));
  }

 private:
  static std::string name(int job) { return "j" + std::to_string(job); }

  JobRequest request(int job) {
    JobRequest r;
    r.token = w.token();
    r.name = name(job);
    r.ttl = 1s + w.upto(5s);
    r.keep = 24h;
    r.lost_after = 60s;
    r.on_failure = OnDependencyFailure::fail;
    for (const int other : after_[static_cast<size_t>(job)])
      r.after.push_back({JobWant::success, name(other)});
    return r;
  }

  Task<void> live(Process& process, int job) {
    JobRun run(w.loop(), *process.runner, keys, "run");
    for (int tries = 0; tries < 6; ++tries) {
      co_await w.loop().sleep(w.upto(4s));
      const JobRequest r = request(job);
      std::optional<JobAnswer> answer;
      try {
        const TimePoint until = w.now() + (w.healed() ? Duration(1s) : w.upto(30s));
        const redis::Patience p = patience();
        answer.emplace(co_await run.start(r, until, p, nullptr));
      } catch (const Error&) {
      }
      if (answer && std::holds_alternative<JobDone>(*answer)) co_return;
      const auto* granted = answer ? std::get_if<JobGranted>(&*answer) : nullptr;
      if (granted == nullptr) {
        Task<void> leaving = leave(run, r);
        co_await leaving;
        continue;
      }
      Task<void> working = work(process, run, r, *granted);
      co_await working;
    }
  }

  Task<void> leave(JobRun& run, JobRequest r) {
    try {
      const redis::Patience p = patience(4s);
      co_await run.leave(r.token, r.name, p);
    } catch (const Error&) {
    }
  }

  Operation& begin_run(Process& process, const JobRequest& r, const JobGranted& granted) {
    Operation& o = w.record("run", process.name, r.token);
    o.with["job"] = r.name;
    o.with["attempt"] = std::to_string(granted.attempt);
    std::string after;
    for (const auto& dependency : r.after) after += (after.empty() ? "" : ",") + dependency.name;
    o.with["after"] = after;
    o.with["valid_end"] = std::to_string(granted.valid_end.time_since_epoch() / 1us);
    o.outcome = Operation::Outcome::done;
    process.open.push_back(&o);
    return o;
  }

  Task<void> work(Process& process, JobRun& run, JobRequest r, JobGranted granted) {
    Operation& o = begin_run(process, r, granted);
    TimePoint valid_end = granted.valid_end;
    Event lost(w.loop());
    cli::LeaseOptions options;
    options.ttl = r.ttl;
    options.no_renew = w.chance(20);
    const cli::LeaseTimes times = cli::lease_times(options);
    cli::LeaseKeeper::Hooks hooks;
    hooks.renew = [&run, &r](TimePoint until) {
      return run.renew(r.token, r.name, r.ttl, redis::Patience{until, kNever});
    };
    hooks.extended = [&](TimePoint end) {
      valid_end = end;
      o.with["valid_end"] = std::to_string(end.time_since_epoch() / 1us);
      return true;
    };
    hooks.lost = [&](const cli::LossReason&) { lost.set(); };
    cli::LeaseKeeper keeper(w.loop(), times, valid_end, std::move(hooks));
    keeper.start();
    const TimePoint done = w.now() + w.upto(2 * r.ttl);
    while (!co_await lost.wait(std::min(done, valid_end - times.margin))) {
      if (w.now() >= done || w.now() >= valid_end - times.margin) break;
    }
    keeper.stop();
    process.open.remove(&o);
    o.returned =
        std::max(o.invoke, std::min<int64_t>(w.now_us(), valid_end.time_since_epoch() / 1us));
    const bool success = w.chance(70);
    o.with["recorded"] = std::to_string(w.now_us());
    // Until it has heard, and if it dies before: what depends on it may run.
    if (success) o.with["result"] = "perhaps";
    try {
      const redis::Patience p = patience(6s);
      const JobState state = success ? JobState::succeeded : JobState::failed;
      const bool recorded = co_await run.finish(r.token, r.name, state, 0, p);
      o.with["result"] = !recorded ? "lost" : success ? "success" : "failure";
    } catch (const Error&) {
      o.with["result"] = success ? "perhaps" : "unknown";
    }
  }

  struct Seen {
    unsigned state = 0, attempts = 0;
    double ends = 0;
    std::string token;
  };

  static Seen read(const std::string& bytes) {
    Record r(bytes);
    r.skip(1);
    Seen job;
    job.state = r.take<uint8_t>();
    job.attempts = r.take<uint32_t>();
    r.skip(4);
    job.ends = r.take<double>();
    r.skip(32);
    job.token = r.text(r.take<uint16_t>());
    return job;
  }

  /// What the server has stored, after each script.
  void look() {
    constexpr unsigned kWaiting = 1, kRunning = 2, kSucceeded = 3;
    const Hash* hash = w.model().find<Hash>(keys.jobs("run"));
    if (hash == nullptr) return;
    const auto now = static_cast<double>(w.model().now_ms());
    for (const auto& [field, bytes] : *hash) {
      if (field[0] != 'j') continue;
      const Seen job = read(bytes);
      const auto before = seen_.find(field);
      if (before != seen_.end()) {
        const Seen& b = before->second;
        if (b.state == kSucceeded && job.state != kSucceeded)
          w.violate("job.success_undone", field);
        // One that leaves without having heard of its attempt takes it back.
        const bool taken_back = b.state == kRunning && job.state == kWaiting && job.token.empty() &&
                                job.attempts + 1 == b.attempts;
        if (job.attempts < b.attempts && !taken_back) w.violate("job.attempts_fell", field);
        if (b.state == kRunning && job.state == kRunning && b.token != job.token && b.ends > now)
          w.violate("job.taken_over_early", field);
        if (b.token == job.token && b.state == kRunning && job.state == kRunning &&
            job.ends < b.ends)
          w.violate("job.end_fell", field);
        if (b.token == job.token && b.state == kRunning && job.state == kRunning && b.ends <= now &&
            job.ends > b.ends && job.attempts == b.attempts)
          w.violate("job.revived", field);
      }
      seen_[field] = job;
    }
    if (w.model().entry_of(keys.jobs("run"))->expires_ms == 0)
      w.violate("job.no_expiry", "the run stays for ever");
  }

  int jobs_;
  std::vector<std::vector<int>> after_;
  std::map<std::string, Seen> seen_;
};

}  // namespace

std::unique_ptr<Scenario> make_job_scenario(World& world) {
  return std::make_unique<JobScenario>(world);
}

}  // namespace dcoord::testing::sim
