#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/held_lease.h"
#include "cli/job_options.h"
#include "cli/job_verbs.h"
#include "cli/lock_options.h"
#include "cli/waiting.h"
#include "cli/within.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

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
    Task<std::variant<JobAnswer, Finish>> deciding = decide(until, std::move(on_wait));
    const std::variant<JobAnswer, Finish> decided = co_await deciding;
    line.reset();
    if (const auto* finish = std::get_if<Finish>(&decided)) co_return *finish;
    const JobAnswer& answer = std::get<JobAnswer>(decided);
    if (const auto* granted = std::get_if<JobGranted>(&answer)) {
      Task<Finish> holding = hold(*granted);
      co_return co_await holding;
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

  /// The answer that decides; or how this ends: interrupted, or as the run that it joined.
  Task<std::variant<JobAnswer, Finish>> decide(TimePoint until,
                                               std::function<void(const JobWaiting&)> on_wait) {
    while (true) {
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
      if (!o_.join || !std::holds_alternative<JobRunning>(answer)) co_return answer;
      Task<std::optional<Finish>> joining = join(until, on_wait);
      const std::optional<Finish> joined = co_await joining;
      if (joined) co_return *joined;
      // Nobody runs it any more: perhaps it is this one's turn.
    }
  }

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
    // A job that twenty hosts start every day runs on one of them: the others have no news for
    // cron's mail.
    log::note(isatty(STDERR_FILENO) == 1 ? 0 : 1, error.what());
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
    if (std::holds_alternative<JobGone>(answer)) {
      return Error(ExitCode::timed_out, "gone",
                   fmt::format("this request for {} has given up before", what()),
                   "use a new --request-id for a new request");
    }
    const auto& waiting = std::get<JobWaiting>(answer);
    return Error(ExitCode::timed_out, "timed_out",
                 fmt::format("{} has waited long enough{}", what(), describe_waiting(waiting)));
  }

  /// How it ended; nothing when nobody runs it any more.
  Task<std::optional<Finish>> join(TimePoint until,
                                   std::function<void(const JobWaiting&)> on_wait) {
    Task<JobsAnswer> waiting =
        jobs_.join(request_.token, o_.name, until, first(), std::move(on_wait));
    Task<int> interrupted = supervisor_.interrupted();
    Task<std::variant<JobsAnswer, int>> both =
        race(loop(), std::move(waiting), std::move(interrupted));
    const std::variant<JobsAnswer, int> outcome = co_await both;
    if (const int* signal = std::get_if<int>(&outcome)) co_return Finish{0, *signal};
    const JobsAnswer& answer = std::get<JobsAnswer>(outcome);
    if (std::holds_alternative<JobsDone>(answer)) co_return Finish{};
    if (const auto* ended = std::get_if<JobDependencyEnded>(&answer)) {
      if (ended->state == JobState::failed) co_return Finish{std::max(1, ended->code), 0};
      co_return std::nullopt;
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
        {"DCOORD_WITHIN", within(request_.token)},
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
      command.unset.emplace_back("DCOORD_JOB_RUN");  // it would come before DCOORD_RUN
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
                      "within 75s",
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
