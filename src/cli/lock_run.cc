#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/command_options.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/held_lease.h"
#include "cli/lock_verbs.h"
#include "cli/quorum_options.h"
#include "cli/storage_options.h"
#include "cli/take.h"
#include "cli/within.h"
#include "hold/supervisor.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct RunOptions {
  LockOptions lock;
  LeaseOptions lease;
  StorageOptions storage;
  QuorumOptions quorum;
  CommandOptions command;
  Duration min_hold{};
  long long conflict_code = to_int(ExitCode::refused);
  std::string if_unavailable = "fail";

  void declare(OptionSet& set);
};

class LockRun {
 public:
  LockRun(Context& context, const RunOptions& options, LeaseTimes times, LockRequest request,
          hold::Supervisor& supervisor)
      : context_(context),
        o_(options),
        times_(times),
        request_(std::move(request)),
        supervisor_(supervisor),
        keys_(context.config().key_namespace),
        lock_(open_lock(context, keys_, options.lock.name, LockKind::lock, options.quorum)) {}

  Task<Finish> run() {
    const TimePoint asked = loop().now();
    std::optional<Error> failure;
    std::optional<std::variant<LockAnswer, int>> outcome;
    try {
      Task<LockAnswer> taking = take_lock(context_, *lock_, o_.lock, request_);
      Task<int> interrupted = supervisor_.interrupted();
      Task<std::variant<LockAnswer, int>> both =
          race(loop(), std::move(taking), std::move(interrupted));
      outcome.emplace(co_await both);
    } catch (const Error& error) {
      failure.emplace(error);
    }
    if (failure) {
      Task<Finish> without = without_redis(std::move(*failure));
      co_return co_await without;
    }
    if (const int* signal = std::get_if<int>(&*outcome)) {
      Task<Finish> leaving = leave_line(*signal);
      co_return co_await leaving;
    }
    const LockAnswer& answer = std::get<LockAnswer>(*outcome);
    const auto* granted = std::get_if<LockGranted>(&answer);
    if (granted == nullptr) co_return refused(answer, loop().now() - asked);
    Task<Finish> holding = hold(*granted);
    co_return co_await holding;
  }

 private:
  Loop& loop() { return context_.loop(); }

  Finish refused(const LockAnswer& answer, Duration waited) {
    const auto code = static_cast<int>(o_.conflict_code);
    const Error error = lock_refusal(lock_->name(), answer, waited, code, o_.lock);
    o_.command.tell_status(to_int(error.code()) == code ? "refused" : "error",
                           to_int(error.code()));
    // Asked for with -E 0: skipping is no failure, so cron has nothing to mail.
    if (error.code() == ExitCode::ok) return {};
    throw error;
  }

  Task<Finish> leave_line(int signal) {
    Task<std::string> leaving = leave(context_, *lock_, request_.token, false,
                                      std::min<Duration>(2s, context_.config().command_timeout));
    const std::string failure = co_await leaving;
    if (!failure.empty()) {
      log::warning(fmt::format("could not leave the line of {} ({}): the place is lost after 25s",
                               what(), failure));
    }
    o_.command.tell_status("interrupted", 128 + signal);
    co_return Finish{0, signal};
  }

  /// Redis cannot be had: what --if-unavailable says.
  Task<Finish> without_redis(Error error) {
    const bool away = error.code() == ExitCode::unavailable || error.code() == ExitCode::unknown;
    if (!away || o_.if_unavailable == "fail") {
      o_.command.tell_status("error", to_int(error.code()));
      throw error;
    }
    if (o_.if_unavailable == "skip") {
      log::warning(fmt::format("skipped: {}", error.what()));
      o_.command.tell_status("skipped", 0);
      co_return Finish{};
    }
    log::warning(fmt::format("running without lock '{}': {}", lock_->name(), error.what()));
    hold::Command command = o_.command.command(context_);
    command.env = {{"DCOORD_UNPROTECTED", "1"}};
    for (const char* name : {"DCOORD_LOCK_NAME", "DCOORD_TOKEN", "DCOORD_FENCE"})
      command.unset.push_back(name);
    hold::Options options = o_.command.hold_options(times_, o_.lease.kill_after);
    Task<hold::Outcome> running = supervisor_.run(std::move(command), options, kNever);
    const hold::Outcome outcome = co_await running;
    co_return o_.command.finish(context_, outcome, std::nullopt, what());
  }

  Task<Finish> hold(LockGranted granted) {
    log::note(1, fmt::format("holding {}, fence {}, after {}", what(), granted.fence,
                             format_age(granted.waited)));
    hold::Command command = o_.command.command(context_);
    command.env = environment(granted);
    const auto env = command.env;
    HeldLease lease(context_, supervisor_, lease_of(*lock_, request_.token, times_, granted));
    hold::Outcome outcome;
    std::optional<Error> failure;
    try {
      hold::Options options = o_.command.hold_options(times_, o_.lease.kill_after);
      Task<hold::Outcome> running = lease.run(std::move(command), options);
      outcome = co_await running;
    } catch (const Error& error) {  // the system refused: nothing was started
      failure.emplace(error);
      outcome.ending = hold::Ending::not_started;
    }
    lease.stop();
    if (outcome.tree_ended) {
      Task<void> releasing = release(outcome);
      co_await releasing;
    }
    if (failure) throw *failure;
    if (outcome.ending == hold::Ending::lost) {
      Task<void> after = o_.command.run_on_lost(context_, env, *lease.loss());
      co_await after;
    }
    co_return o_.command.finish(context_, outcome, lease.loss(), what());
  }

  Task<void> release(const hold::Outcome& outcome) {
    // A command that never ran, or whose hold was taken away, has no claim on its least time.
    const bool ran =
        outcome.ending == hold::Ending::by_itself || outcome.ending == hold::Ending::max_time;
    const Duration least = ran ? o_.min_hold : Duration::zero();
    // Short: whoever called us wants the command's exit status, and the lease ends by itself.
    const redis::Patience patience{
        add(loop().now(), std::min<Duration>(5s, context_.config().command_timeout)), kNever};
    std::string failure;
    try {
      const LockReleased released = co_await lock_->release(request_.token, least, false, patience);
      if (released.what == LockReleased::What::gone && outcome.ending != hold::Ending::lost) {
        log::warning(fmt::format(
            "lock '{}' was not held any more when the command ended: the server lost it",
            lock_->name()));
      }
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      log::warning(fmt::format(
          "could not release lock '{}' ({}): it stays taken until its lease ends, in {} at most",
          lock_->name(), failure, format_age(times_.ttl)));
    }
  }

  std::vector<std::pair<std::string, std::string>> environment(const LockGranted& granted) const {
    std::vector<std::pair<std::string, std::string>> env{
        {"DCOORD_LOCK_NAME", lock_->name()},
        {"DCOORD_TOKEN", request_.token},
        {"DCOORD_OWNER", request_.who.owner},
        {"DCOORD_FENCE", std::to_string(granted.fence)},
        {"DCOORD_HELD", HeldLocks::from_environment().with(lock_->name(), request_.token).text()}};
    if (request_.limit > 0) env.emplace_back("DCOORD_SLOT", std::to_string(granted.slot));
    const std::string resource = resource_of(request_, granted.slot);
    if (!resource.empty()) env.emplace_back("DCOORD_RESOURCE", resource);
    return env;
  }

  std::string what() const { return fmt::format("lock '{}'", lock_->name()); }

  Context& context_;
  const RunOptions& o_;
  LeaseTimes times_;
  LockRequest request_;
  hold::Supervisor& supervisor_;
  Keys keys_;
  std::unique_ptr<LockService> lock_;
};

void RunOptions::declare(OptionSet& set) {
  lock.declare(set);
  lease.declare(set);
  storage.declare(set);
  quorum.declare(set);
  set.duration("--min-hold", min_hold,
               "the lock stays taken at least so long, also when the command ends sooner (cron on "
               "hosts whose clocks differ)");
  set.integer("-E,--conflict-exit-code", "N", conflict_code, 0, 255,
              "exit code when the lock could not be had");
  set.choice("--if-unavailable", "WHAT", if_unavailable, {"fail", "run", "skip"},
             "when Redis cannot be reached: fail (69), run without the lock, or skip");
  command.declare(set);
}

int run(Context& context, const RunOptions& o) {
  const LeaseTimes times = lease_times(o.lease);
  if (o.min_hold == kForever) throw usage_error("--min-hold must end some time");
  o.command.check();
  LockRequest request = o.lock.request(times.ttl, shown_command(context.command()));
  o.quorum.check(context.config());
  if (context.config().targets.size() > 1) o.lock.check_several();
  o.storage.apply(context, times.ttl);
  context.prepare_to_hold(times.attempt);
  Finish finish;
  {
    hold::Supervisor supervisor(context.loop(), context.start());
    tie_to_guard(request.who, supervisor.guard_pid());
    LockRun lock_run(context, o, times, std::move(request), supervisor);
    finish = context.loop().run(lock_run.run());
  }
  return end_as(finish);
}

}  // namespace

Verb lock_run_verb() {
  auto options = std::make_shared<RunOptions>();
  Verb verb;
  verb.name = "run";
  verb.summary = "run a command while holding a lock";
  verb.usage = "NAME [OPTIONS] -- COMMAND [ARG...]";
  verb.examples = {"dcoord lock run backup -- ./backup.sh",
                   "dcoord lock run -n -E 0 report -- /usr/local/bin/report",
                   "dcoord lock run gpu --slots 4 -- sh -c 'train --device $DCOORD_SLOT'"};
  verb.takes_command = true;
  verb.declare = [options](OptionSet& set) { options->declare(set); };
  verb.run = [options](Context& context) { return run(context, *options); };
  return verb;
}

}  // namespace dcoord::cli
