#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/hold.h"
#include "cli/lock_verbs.h"
#include "hold/hook.h"
#include "hold/supervisor.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct RunOptions {
  LockOptions lock;
  LeaseOptions lease;
  Duration max_time = kForever;
  Duration min_hold{};
  long long conflict_code = to_int(ExitCode::refused);
  std::string if_unavailable = "fail";
  std::string tree = "leave";
  std::string on_lost;
  bool scrub_env = false;
  std::optional<long long> status_fd;
  std::string shell;
};

/// How the process ends: with a code, or of the signal that ended the command.
struct Finish {
  int code = 0;
  int signal = 0;
};

/// What a nested dcoord needs to connect, and nobody else needs to see.
const std::vector<std::string> kSecretVariables = {
    "DCOORD_PASSWORD", "DCOORD_PASS",    "DCOORD_PASS_FILE", "DCOORD_URL",
    "REDISCLI_AUTH",   "VALKEYCLI_AUTH", "REDIS_URL"};

std::string shown_command(const std::vector<std::string>& argv) {
  std::string text;
  for (const auto& word : argv) text += (text.empty() ? "" : " ") + output::shell_quote(word);
  return text;
}

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
        lock_(context.loop(), context.scripts(), keys_, options.lock.name) {}

  Task<Finish> run() {
    const TimePoint asked = loop().now();
    std::optional<Error> failure;
    std::optional<std::variant<LockAnswer, int>> outcome;
    try {
      Task<LockAnswer> taking = take_lock(context_, lock_, o_.lock, request_);
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
    const Error error = lock_refusal(lock_.name(), answer, waited, code, o_.lock);
    tell_status(to_int(error.code()) == code ? "refused" : "error", to_int(error.code()));
    // Asked for with -E 0: skipping is no failure, so cron has nothing to mail.
    if (error.code() == ExitCode::ok) return {};
    throw error;
  }

  Task<Finish> leave_line(int signal) {
    const redis::Patience patience{
        add(loop().now(), std::min<Duration>(2s, context_.config().command_timeout)), kNever};
    try {
      co_await lock_.release(request_.token, Duration::zero(), false, patience);
    } catch (const Error& error) {
      log::warning(
          fmt::format("could not leave the line of lock '{}' ({}): the place is lost after 25s",
                      lock_.name(), error.what()));
    }
    tell_status("interrupted", 128 + signal);
    co_return Finish{0, signal};
  }

  /// Redis cannot be had: what --if-unavailable says.
  Task<Finish> without_redis(Error error) {
    const bool away = error.code() == ExitCode::unavailable || error.code() == ExitCode::unknown;
    if (!away || o_.if_unavailable == "fail") {
      tell_status("error", to_int(error.code()));
      throw error;
    }
    if (o_.if_unavailable == "skip") {
      log::warning(fmt::format("skipped: {}", error.what()));
      tell_status("skipped", 0);
      co_return Finish{};
    }
    log::warning(fmt::format("running without lock '{}': {}", lock_.name(), error.what()));
    hold::Command command = make_command();
    command.env = {{"DCOORD_UNPROTECTED", "1"}};
    for (const char* name : {"DCOORD_LOCK_NAME", "DCOORD_TOKEN", "DCOORD_FENCE"})
      command.unset.push_back(name);
    Task<hold::Outcome> running = supervisor_.run(std::move(command), hold_options(), kNever);
    const hold::Outcome outcome = co_await running;
    co_return finish(outcome, std::nullopt);
  }

  Task<Finish> hold(LockGranted granted) {
    log::note(1, fmt::format("holding lock '{}', fence {}, after {}", lock_.name(), granted.fence,
                             format_age(granted.waited)));
    hold::Command command = make_command();
    command.env = environment(granted);
    const auto env = command.env;
    std::optional<LossReason> loss;
    std::unique_ptr<redis::ScriptRunner> listener;
    LeaseKeeper keeper(loop(), times_, granted.valid_end, hooks(loss, listener));
    keeper.start();
    hold::Outcome outcome;
    std::optional<Error> failure;
    try {
      Task<hold::Outcome> running =
          supervisor_.run(std::move(command), hold_options(), granted.valid_end);
      outcome = co_await running;
    } catch (const Error& error) {  // the system refused: nothing was started
      failure.emplace(error);
      outcome.ending = hold::Ending::not_started;
    }
    keeper.stop();
    if (outcome.ending == hold::Ending::lost && !loss) {
      loss = LossReason{false, times_.renew_every == kForever
                                   ? "its time was over, and --no-renew was given"
                               : keeper.last_failure().empty()
                                   ? "its end came before it was renewed"
                                   : "it could not be renewed in time: " + keeper.last_failure()};
    }
    if (outcome.tree_ended) {
      Task<void> releasing = release(outcome);
      co_await releasing;
    }
    if (failure) throw *failure;
    if (outcome.ending == hold::Ending::lost) {
      Task<void> after = on_lost(env, *loss);
      co_await after;
    }
    co_return finish(outcome, loss);
  }

  LeaseKeeper::Hooks hooks(std::optional<LossReason>& loss,
                           std::unique_ptr<redis::ScriptRunner>& listener) {
    LeaseKeeper::Hooks hooks;
    hooks.renew = [this](TimePoint until) {
      return lock_.renew(request_.token, times_.ttl, redis::Patience{until, kNever});
    };
    hooks.revoked = [this, &listener](TimePoint until) { return heard_revoked(listener, until); };
    hooks.extended = [this](TimePoint valid_end) { return supervisor_.extend(valid_end); };
    hooks.lost = [this, &loss](const LossReason& reason) {
      loss = reason;
      supervisor_.lose();
    };
    return hooks;
  }

  Task<bool> heard_revoked(std::unique_ptr<redis::ScriptRunner>& listener, TimePoint until) {
    if (!listener) listener = context_.new_scripts();
    Task<std::optional<std::string>> waiting =
        listener->wait_message(lock_.mailbox(request_.token), until);
    const auto message = co_await waiting;
    co_return message == "revoked";
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
      const LockReleased released = co_await lock_.release(request_.token, least, false, patience);
      if (released.what == LockReleased::What::gone && outcome.ending != hold::Ending::lost) {
        log::warning(fmt::format(
            "lock '{}' was not held any more when the command ended: the server lost it",
            lock_.name()));
      }
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      log::warning(fmt::format(
          "could not release lock '{}' ({}): it stays taken until its lease ends, in {} at most",
          lock_.name(), failure, format_age(times_.ttl)));
    }
  }

  Task<void> on_lost(std::vector<std::pair<std::string, std::string>> env, LossReason loss) {
    if (o_.on_lost.empty()) co_return;
    env.emplace_back("DCOORD_LOST_REASON", loss.text);
    Task<int> hook = hold::run_hook(loop(), context_.start(), o_.on_lost, std::move(env), 10s);
    const int status = co_await hook;
    if (status != 0) log::warning("the --on-lost command failed or took over 10s");
  }

  hold::Command make_command() const {
    hold::Command command;
    command.argv = context_.command();
    command.unset = {"DCOORD_SLOT", "DCOORD_RESOURCE", "DCOORD_UNPROTECTED"};
    if (o_.scrub_env)
      command.unset.insert(command.unset.end(), kSecretVariables.begin(), kSecretVariables.end());
    return command;
  }

  std::vector<std::pair<std::string, std::string>> environment(const LockGranted& granted) const {
    std::vector<std::pair<std::string, std::string>> env{
        {"DCOORD_LOCK_NAME", lock_.name()},
        {"DCOORD_TOKEN", request_.token},
        {"DCOORD_OWNER", request_.who.owner},
        {"DCOORD_FENCE", std::to_string(granted.fence)},
        {"DCOORD_HELD", HeldLocks::from_environment().with(lock_.name(), request_.token).text()}};
    if (request_.limit > 0) env.emplace_back("DCOORD_SLOT", std::to_string(granted.slot));
    const std::string resource = resource_of(request_, granted.slot);
    if (!resource.empty()) env.emplace_back("DCOORD_RESOURCE", resource);
    return env;
  }

  hold::Options hold_options() const {
    hold::Options options;
    options.tree = o_.tree == "wait"   ? hold::Tree::wait
                   : o_.tree == "kill" ? hold::Tree::kill
                                       : hold::Tree::leave;
    options.grace = times_.grace;
    options.margin = times_.margin;
    options.kill_after = o_.lease.kill_after.value_or(kForever);
    options.max_time = o_.max_time;
    return options;
  }

  Finish finish(const hold::Outcome& outcome, const std::optional<LossReason>& loss) {
    switch (outcome.ending) {
      case hold::Ending::by_itself:
        break;
      case hold::Ending::not_started:
        return not_started(outcome.exec_errno);
      case hold::Ending::lost: {
        std::string text =
            fmt::format("lost lock '{}': {}; the command was stopped", lock_.name(), loss->text);
        if (!outcome.tree_ended) {
          text = fmt::format("lost lock '{}': {}; not all of the command could be stopped: {}",
                             lock_.name(), loss->text, outcome.survivors);
        }
        tell_status("lost", to_int(ExitCode::lost));
        throw Error(ExitCode::lost, "lost", text,
                    outcome.tree_ended ? "" : "only the fencing token protects now");
      }
      case hold::Ending::max_time:
        tell_status("max-time", to_int(ExitCode::timed_out));
        throw Error(ExitCode::timed_out, "max_time",
                    fmt::format("the command ran longer than --max-time {} and was stopped",
                                format_duration(o_.max_time)));
    }
    if (WIFSIGNALED_status(outcome.status)) {
      const int signal = outcome.status & 0x7f;
      tell_status("command", 128 + signal);
      return {0, signal};
    }
    const int code = (outcome.status >> 8) & 0xff;
    tell_status("command", code);
    return {code, 0};
  }

  static bool WIFSIGNALED_status(int status) { return (status & 0x7f) != 0; }

  Finish not_started(int error) {
    const bool missing = error == ENOENT;
    const ExitCode code = missing ? ExitCode::not_found : ExitCode::not_executable;
    tell_status("not-started", to_int(code));
    throw Error(code, missing ? "not_found" : "not_executable",
                fmt::format("cannot run '{}': {}", context_.command()[0], std::strerror(error)));
  }

  /// --status-fd: one line, "WORD CODE", that tells our outcome from the command's.
  void tell_status(const char* word, int code) {
    if (!o_.status_fd) return;
    const std::string line = fmt::format("{} {}\n", word, code);
    if (write(static_cast<int>(*o_.status_fd), line.data(), line.size()) < 0) {
      log::warning(
          fmt::format("cannot write to --status-fd {}: {}", *o_.status_fd, std::strerror(errno)));
    }
  }

  Context& context_;
  const RunOptions& o_;
  LeaseTimes times_;
  LockRequest request_;
  hold::Supervisor& supervisor_;
  Keys keys_;
  Lock lock_;
};

void declare_run(RunOptions& o, OptionSet& set) {
  o.lock.declare(set);
  o.lease.declare(set);
  set.duration("--max-time", o.max_time, "stop the command after this time, exit 124");
  set.duration("--min-hold", o.min_hold,
               "the lock stays taken at least so long, also when the command ends sooner (cron on "
               "hosts whose clocks "
               "differ)");
  set.integer("-E,--conflict-exit-code", "N", o.conflict_code, 0, 255,
              "exit code when the lock could not be had");
  set.choice("--if-unavailable", "WHAT", o.if_unavailable, {"fail", "run", "skip"},
             "when Redis cannot be reached: fail (69), run without the lock, or skip");
  set.choice(
      "--tree", "WHAT", o.tree, {"leave", "wait", "kill"},
      "what the command leaves in the background when it ends: leave it, wait for it, or kill it");
  set.text("--on-lost", "CMD", o.on_lost,
           "shell command to run, for at most 10s, after the lease was lost");
  set.flag("--scrub-env", o.scrub_env,
           "take Redis URLs and passwords out of the command's environment");
  set.integer("--status-fd", "N", o.status_fd, 0, 1 << 20,
              "write one line there that tells dcoord's outcome from the command's: command, "
              "refused, lost, ... and code");
  set.text("-c,--command", "STRING", o.shell, "run STRING with /bin/sh -c").from_environment =
      false;
}

int run(Context& context, const RunOptions& o) {
  const LeaseTimes times = lease_times(o.lease);
  if (o.min_hold == kForever) throw usage_error("--min-hold must end some time");
  if (o.max_time <= Duration::zero()) throw usage_error("--max-time must be longer than 0");
  LockRequest request = o.lock.request(times.ttl, shown_command(context.command()));
  context.prepare_to_hold(times.attempt);
  Finish finish;
  {
    hold::Supervisor supervisor(context.loop(), context.start());
    LockRun lock_run(context, o, times, std::move(request), supervisor);
    finish = context.loop().run(lock_run.run());
  }
  if (finish.signal != 0) {
    std::fflush(stdout);
    hold::die_of_signal(finish.signal);
  }
  return finish.code;
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
  verb.declare = [options](OptionSet& set) { declare_run(*options, set); };
  verb.run = [options](Context& context) { return run(context, *options); };
  return verb;
}

}  // namespace dcoord::cli
