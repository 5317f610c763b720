#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/command_options.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/held_lease.h"
#include "cli/job_verbs.h"
#include "cli/lock_options.h"
#include "cli/storage_options.h"
#include "cli/waiting.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct JobOptions {
  std::string name;
  RunOption run;
  std::string after, after_any, after_failure;
  std::string on_dependency_failure = "fail";
  std::optional<Duration> once_per, wait;
  Duration lost_after{}, keep = 24h * 7, retry_delay = 1s;
  long long retry = 0;
  bool join = false, again = false;
  long long conflict_code = to_int(ExitCode::refused);
  std::string label, request_id;
  LeaseOptions lease;
  CommandOptions command;
  StorageOptions storage;

  void declare(OptionSet& set);
  JobRequest request(const LeaseTimes& times, const std::string& shown) const;
  std::string run_name() const;
};

class JobRunner {
 public:
  JobRunner(Context& context, const JobOptions& o, LeaseTimes times, JobRequest request,
            hold::Supervisor& supervisor)
      : context_(context),
        o_(o),
        times_(times),
        request_(std::move(request)),
        supervisor_(supervisor),
        keys_(context.config().key_namespace),
        jobs_(context.loop(), context.scripts(), keys_, o.run_name()) {}

  Task<Finish> run() {
    const TimePoint until = add(loop().now(), o_.wait.value_or(kForever));
    std::optional<JobWaiting> latest;
    std::optional<WaitingLine> line;
    line.emplace(loop(), context_.config(), what(), [&latest](bool) {
      return latest ? describe_waiting(*latest) : std::string(": no answer from Redis yet");
    });
    std::function<void(const JobWaiting&)> on_wait = [&latest](const JobWaiting& waiting) {
      latest = waiting;
    };
    Task<JobAnswer> starting = jobs_.start(request_, until, first(), on_wait);
    Task<int> interrupted = supervisor_.interrupted();
    Task<std::variant<JobAnswer, int>> both =
        race(loop(), std::move(starting), std::move(interrupted));
    const std::variant<JobAnswer, int> outcome = co_await both;
    if (const int* signal = std::get_if<int>(&outcome)) {
      Task<void> leaving = leave();
      co_await leaving;
      o_.command.tell_status("interrupted", 128 + *signal);
      co_return Finish{0, *signal};
    }
    const JobAnswer& answer = std::get<JobAnswer>(outcome);
    if (!std::holds_alternative<JobRunning>(answer)) line.reset();  // else it may wait for that one
    if (const auto* granted = std::get_if<JobGranted>(&answer)) {
      Task<Finish> holding = hold(*granted);
      co_return co_await holding;
    }
    if (std::holds_alternative<JobRunning>(answer) && o_.join) {
      Task<Finish> joining = join(until, on_wait);
      co_return co_await joining;
    }
    if (std::holds_alternative<JobWaiting>(answer)) {
      Task<void> leaving = leave();
      co_await leaving;
    }
    co_return not_started(answer);
  }

 private:
  Loop& loop() { return context_.loop(); }
  std::string what() const { return fmt::format("job '{}' of run '{}'", o_.name, jobs_.run()); }

  /// Whoever does not wait yet is told soon that Redis cannot be had.
  redis::Patience first() {
    const Config& config = context_.config();
    return context_.patience(config.connect_timeout + config.command_timeout);
  }

  /// 75 (or -E), 76, 65, 124; or 0 for what needs not be run.
  Finish not_started(const JobAnswer& answer) const {
    Error error = refusal(answer);
    const bool skipped = error.code() == ExitCode::ok;
    o_.command.tell_status(skipped ? "skipped" : "refused", to_int(error.code()));
    if (!skipped) throw error;
    log::note(1, error.what());
    return {};
  }

  Error refusal(const JobAnswer& answer) const {
    if (const auto* done = std::get_if<JobDone>(&answer)) {
      return Error(ExitCode::ok, "done",
                   fmt::format("{} is done: it {}", what(), job_state_word(done->state)));
    }
    if (const auto* running = std::get_if<JobRunning>(&answer)) {
      return Error(static_cast<ExitCode>(o_.conflict_code), "running",
                   fmt::format("{} {} already: {}", what(), running->waits ? "waits" : "runs",
                               describe_holder(running->who, running->age)),
                   "--join waits for it and returns its exit code");
    }
    if (const auto* ended = std::get_if<JobDependencyEnded>(&answer)) {
      const bool skips = request_.on_failure == OnDependencyFailure::skip;
      return Error(skips ? ExitCode::ok : ExitCode::dependency, "dependency",
                   fmt::format("{} does not run: '{}', which it depends on, {}", what(),
                               ended->name, describe_end(*ended)));
    }
    if (const auto* cycle = std::get_if<JobCycle>(&answer)) {
      return Error(
          ExitCode::data, "cycle",
          fmt::format("{} would wait for itself: {}", what(), fmt::join(cycle->path, " -> ")),
          "each job after the arrow has to end first; nothing was changed");
    }
    if (std::holds_alternative<JobRunFull>(answer)) {
      return Error(ExitCode::data, "full",
                   fmt::format("run '{}' has 10,000 jobs already", jobs_.run()),
                   "use another --run");
    }
    const auto& waiting = std::get<JobWaiting>(answer);
    return Error(ExitCode::timed_out, "timed_out",
                 fmt::format("{} has waited long enough{}", what(), describe_waiting(waiting)));
  }

  Task<Finish> join(TimePoint until, std::function<void(const JobWaiting&)> on_wait) {
    std::vector<std::string> names{o_.name};
    Task<JobsAnswer> waiting =
        jobs_.wait(request_.token, names, o_.lost_after, until, first(), std::move(on_wait));
    Task<int> interrupted = supervisor_.interrupted();
    Task<std::variant<JobsAnswer, int>> both =
        race(loop(), std::move(waiting), std::move(interrupted));
    const std::variant<JobsAnswer, int> outcome = co_await both;
    if (const int* signal = std::get_if<int>(&outcome)) co_return Finish{0, *signal};
    const JobsAnswer& answer = std::get<JobsAnswer>(outcome);
    if (std::holds_alternative<JobsDone>(answer)) co_return Finish{};
    if (const auto* ended = std::get_if<JobDependencyEnded>(&answer)) {
      if (ended->state == JobState::failed) co_return Finish{std::max(1, ended->code), 0};
      throw Error(ExitCode::dependency, "lost", fmt::format("{} is lost", what()));
    }
    throw Error(ExitCode::timed_out, "timed_out", fmt::format("{} still runs", what()));
  }

  Task<Finish> hold(JobGranted granted) {
    log::note(1, fmt::format("running {}, attempt {}", what(), granted.attempt));
    HeldLease lease(context_, supervisor_, lease_of(granted));
    const std::vector<std::pair<std::string, std::string>> env{
        {"DCOORD_RUN", jobs_.run()},
        {"DCOORD_JOB", o_.name},
        {"DCOORD_OWNER", request_.who.owner},
        {"DCOORD_ATTEMPT", std::to_string(granted.attempt)}};
    hold::Outcome outcome;
    std::optional<Error> failure;
    try {
      Task<hold::Outcome> attempts = run_with_retries(lease, env);
      outcome = co_await attempts;
    } catch (const Error& error) {  // the system refused: nothing was started
      failure.emplace(error);
      outcome.ending = hold::Ending::not_started;
    }
    lease.stop();
    bool recorded = false;
    if (outcome.ending != hold::Ending::lost && lease.trees_ended()) {
      Task<bool> recording = record(outcome);
      recorded = co_await recording;
    }
    if (failure) throw *failure;
    if (outcome.ending == hold::Ending::lost) {
      Task<void> after = o_.command.run_on_lost(context_, env, *lease.loss());
      co_await after;
    }
    const Finish finish = o_.command.finish(context_, outcome, lease.loss(), what());
    if (!recorded) {
      throw Error(ExitCode::lost, "lost",
                  fmt::format("the lease of {} had ended before its result was recorded", what()),
                  "jobs that depend on it may have given up, and another host may run it again");
    }
    co_return finish;
  }

  Task<hold::Outcome> run_with_retries(
      HeldLease& lease, const std::vector<std::pair<std::string, std::string>>& env) {
    hold::Outcome outcome;
    for (long long left = o_.retry;; --left) {
      hold::Command command = o_.command.command(context_);
      command.env = env;
      hold::Options options = o_.command.hold_options(times_, o_.lease.kill_after);
      Task<hold::Outcome> running = lease.run(std::move(command), options);
      outcome = co_await running;
      const bool again = left > 0 && outcome.ending == hold::Ending::by_itself &&
                         outcome.status != 0 && supervisor_.asked_to_end() == 0;
      if (!again) co_return outcome;
      log::warning(fmt::format("{} failed; running it again in {}, {} more times at most", what(),
                               format_age(o_.retry_delay), left));
      Task<bool> losing = lease.lost_before(add(loop().now(), o_.retry_delay));
      Task<int> interrupted = supervisor_.interrupted();
      Task<std::variant<bool, int>> both = race(loop(), std::move(losing), std::move(interrupted));
      const std::variant<bool, int> next = co_await both;
      if (std::holds_alternative<int>(next)) co_return outcome;  // it has failed
      if (std::get<bool>(next)) co_return lease.lost_outcome();
    }
  }

  Task<bool> record(hold::Outcome outcome) {
    const bool ended = outcome.ending == hold::Ending::by_itself;
    const bool succeeded = ended && outcome.status == 0;
    int code = wait_code(outcome.status);
    if (outcome.ending == hold::Ending::max_time) code = to_int(ExitCode::timed_out);
    if (outcome.ending == hold::Ending::not_started)
      code = to_int(outcome.exec_errno == ENOENT ? ExitCode::not_found : ExitCode::not_executable);
    // As long as the lease lasts: others depend on it.
    const redis::Patience patience{add(loop().now(), times_.ttl), kNever};
    Task<bool> finishing =
        jobs_.finish(request_.token, o_.name, succeeded ? JobState::succeeded : JobState::failed,
                     code, patience);
    co_return co_await finishing;
  }

  HeldLease::Lease lease_of(const JobGranted& granted) {
    HeldLease::Lease lease;
    lease.renew = [this](TimePoint until) {
      return jobs_.renew(request_.token, o_.name, times_.ttl, redis::Patience{until, kNever});
    };
    lease.times = times_;
    lease.valid_end = granted.valid_end;
    return lease;
  }

  Task<void> leave() {
    const redis::Patience patience{
        add(loop().now(), std::min<Duration>(2s, context_.config().command_timeout)), kNever};
    std::string failure;
    try {
      co_await jobs_.leave(request_.token, o_.name, patience);
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      log::warning(
          fmt::format("could not say that {} does not wait any more ({}): it is noticed "
                      "within 25s",
                      what(), failure));
    }
  }

  Context& context_;
  const JobOptions& o_;
  LeaseTimes times_;
  JobRequest request_;
  hold::Supervisor& supervisor_;
  Keys keys_;
  JobRun jobs_;
};

void JobOptions::declare(OptionSet& set) {
  set.positional("NAME", "job", name, "name of the job");
  run.declare(set);
  set.text("--after", "A,B,...", after, "run when these jobs of the run have succeeded").kind =
      "jobs";
  set.text("--after-any", "A,B,...", after_any, "run when these have ended, however").kind = "jobs";
  set.text("--after-failure", "A,B,...", after_failure, "run when these have failed").kind = "jobs";
  set.choice("--on-dependency-failure", "WHAT", on_dependency_failure, {"fail", "skip", "run"},
             "when one comes to another end than wanted: fail (76), skip (0), or run all the same");
  set.duration("-w,--wait", wait, "wait at most so long, then exit 124; without it, for ever");
  set.duration("--lost-after", lost_after,
               "how long after the end of its lease a running job that this one depends on counts "
               "as lost; until then another host may run it again");
  set.duration("--once-per", once_per,
               "succeed once in each such window of the server's clock (UTC), instead of in a run");
  set.flag("--join", join, "if it runs already: wait for it and return its exit code");
  set.integer("-E,--conflict-exit-code", "N", conflict_code, 0, 255,
              "exit code when it runs already");
  set.flag("--again", again, "run it though it has succeeded before");
  set.integer("--retry", "N", retry, 0, 1000000, "run a command that failed up to N times more");
  set.duration("--retry-delay", retry_delay, "pause before that");
  set.duration("--keep", keep, "how long the run is remembered after its latest change");
  set.text("--label", "TEXT", label, "shown to others instead of the command");
  set.text("--request-id", "ID", request_id,
           "identity of this request: run again with the same one, an unknown outcome is resolved")
      .from_environment = false;
  lease.declare(set);
  storage.declare(set);
  command.declare(set);
}

std::string JobOptions::run_name() const {
  if (!once_per) return run.name();
  if (run.run) throw usage_error("--run and --once-per contradict each other");
  // A window is no run: what succeeded in the last one is known for as long as it is kept.
  return "once:" + name;
}

JobRequest JobOptions::request(const LeaseTimes& times, const std::string& shown) const {
  check_name(name, "job name");
  check_name(run_name(), "run");
  command.check();
  if (once_per && (*once_per < 1s || *once_per == kForever))
    throw usage_error("--once-per must be at least 1s and end some time");
  for (const auto& [flag, value] : {std::pair{"--lost-after", lost_after}, {"--keep", keep}}) {
    if (value == kForever) throw usage_error(fmt::format("{} must end some time", flag));
  }
  JobRequest r;
  r.token = request_token(request_id);
  r.name = name;
  const auto add_edges = [&](const std::string& names, const char* flag, JobWant want) {
    for (auto& other : split_names(names, flag)) {
      if (other == name)
        throw Error(ExitCode::data, "cycle",
                    fmt::format("{}: '{}' would wait for itself", flag, name));
      r.after.push_back({want, std::move(other)});
    }
  };
  add_edges(after, "--after", JobWant::success);
  add_edges(after_any, "--after-any", JobWant::end);
  add_edges(after_failure, "--after-failure", JobWant::failure);
  r.on_failure = on_dependency_failure == "run"    ? OnDependencyFailure::run
                 : on_dependency_failure == "skip" ? OnDependencyFailure::skip
                                                   : OnDependencyFailure::fail;
  r.again = again;
  r.ttl = times.ttl;
  r.once_per = once_per.value_or(Duration::zero());
  r.lost_after = lost_after;
  r.keep = std::max<Duration>(keep, once_per.value_or(Duration::zero()) * 2);
  r.who = this_process(owner_id(), shown, label);
  return r;
}

int run_job(Context& context, const JobOptions& o) {
  const LeaseTimes times = lease_times(o.lease);
  JobRequest request = o.request(times, shown_command(context.command()));
  context.prepare_to_hold(times.attempt);
  o.storage.apply(context, times.ttl);
  Finish finish;
  {
    hold::Supervisor supervisor(context.loop(), context.start());
    JobRunner runner(context, o, times, std::move(request), supervisor);
    finish = context.loop().run(runner.run());
  }
  return end_as(finish);
}

}  // namespace

Verb job_run_verb() {
  auto options = std::make_shared<JobOptions>();
  Verb verb;
  verb.name = "run";
  verb.summary = "run a command once in a run, after the jobs that it depends on";
  verb.usage = "NAME (--run ID | --once-per DUR) [OPTIONS] -- COMMAND [ARG...]";
  verb.examples = {"dcoord job run test --run \"$CI_PIPELINE_ID\" --after build -- make test",
                   "dcoord job run backup --run \"$(date +%F)\" -- ./backup.sh",
                   "dcoord job run report --once-per 24h -- ./report.sh"};
  verb.takes_command = true;
  verb.declare = [options](OptionSet& set) { options->declare(set); };
  verb.run = [options](Context& context) { return run_job(context, *options); };
  return verb;
}

}  // namespace dcoord::cli
