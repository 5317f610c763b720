#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/command_options.h"
#include "cli/context.h"
#include "cli/elect_verbs.h"
#include "cli/held.h"
#include "cli/held_lease.h"
#include "cli/notifier.h"
#include "cli/storage_options.h"
#include "cli/take.h"
#include "cli/within.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

struct ElectOptions {
  std::string name;
  LeaseOptions lease;
  CommandOptions command;
  StorageOptions storage;
  std::string candidate;
  std::string proposal;
  std::string restart = "never";
  std::string on_acquired;
  Duration min_tenure{};
  std::optional<Duration> wait;
  bool once = false;

  void declare(OptionSet& set);
  void check() const;
};

/// The pauses between runs of a command that ends while it leads.
class RestartPause {
 public:
  /// After a run of that length.
  Duration next(Duration ran) {
    if (ran >= kLongRun) pause_ = kFirst;
    return std::exchange(pause_, std::min(pause_ * 2, kLongest));
  }

 private:
  static constexpr Duration kFirst = 1s, kLongest = 30s, kLongRun = 60s;
  Duration pause_ = kFirst;
};

class ElectRun {
 public:
  ElectRun(Context& context, const ElectOptions& options, LeaseTimes times, Holder who,
           hold::Supervisor& supervisor, Notifier& notifier)
      : context_(context),
        o_(options),
        times_(times),
        who_(std::move(who)),
        supervisor_(supervisor),
        notifier_(notifier),
        keys_(context.config().key_namespace),
        election_(context.loop(), context.scripts(), keys_, options.name, LockKind::elect) {}

  Task<Finish> run() {
    for (bool again = false;; again = true) {
      std::optional<Finish> finish;
      std::optional<Error> unavailable;
      try {
        Task<std::optional<Finish>> term = campaign_and_lead(again);
        finish = co_await term;
      } catch (const Error& error) {
        unavailable.emplace(error);
      }
      if (unavailable) {
        // What is about the command has been told.
        if (!led_ && unavailable->code() != ExitCode::refused)
          o_.command.tell_status("error", to_int(unavailable->code()));
        throw *unavailable;
      }
      if (finish) co_return *finish;
    }
  }

 private:
  Loop& loop() { return context_.loop(); }
  std::string what() const { return fmt::format("election '{}'", election_.name()); }

  /// One campaign and what follows; nothing: leadership was lost, and it is to campaign again.
  Task<std::optional<Finish>> campaign_and_lead(bool again) {
    const std::string token = request_token("");
    led_ = false;
    notifier_.tell("STATUS=joining " + what());
    Task<LockAnswer> taking = campaign(token, again);
    Task<int> interrupted = supervisor_.interrupted();
    Task<std::variant<LockAnswer, int>> both =
        race(loop(), std::move(taking), std::move(interrupted));
    const std::variant<LockAnswer, int> outcome = co_await both;
    if (const int* signal = std::get_if<int>(&outcome)) {
      Task<void> leaving = leave_line(token);
      co_await leaving;
      o_.command.tell_status("interrupted", 128 + *signal);
      co_return Finish{0, *signal};
    }
    const LockAnswer& answer = std::get<LockAnswer>(outcome);
    const auto* granted = std::get_if<LockGranted>(&answer);
    if (granted == nullptr) {
      if (const auto* refused = std::get_if<LockRefused>(&answer);
          refused != nullptr && refused->why == LockRefused::Why::revoked) {
        co_return std::nullopt;  // told to step down between the grant and its claim
      }
      throw not_elected(answer);
    }
    Task<std::optional<Finish>> leading = lead(token, *granted);
    co_return co_await leading;
  }

  Task<LockAnswer> campaign(std::string token, bool again) {
    LockRequest request;
    request.token = std::move(token);
    request.ttl = times_.ttl;
    request.who = who_;
    Waiting waiting;
    waiting.what = what();
    waiting.patience = o_.wait.value_or(kForever);
    waiting.persistent = again;
    waiting.on_wait = [this](const LockWaiting& place) {
      heard_at_ = loop().now();
      const std::string& leader = place.holder.label;
      joined(fmt::format("standby in {}, place {} of {}, leader {}", what(), place.place + 1,
                         place.in_line, leader.empty() ? "unknown" : leader));
    };
    return take(context_, election_, std::move(request), std::move(waiting));
  }

  void joined(const std::string& status) {
    notifier_.tell("READY=1\nSTATUS=" + status);
    // A standby looks every 10s and is dropped from the line after 25s.
    notifier_.watch([this] {
      const TimePoint now = loop().now();
      return leading_ ? now < leading_->valid_end() - times_.margin : now < add(heard_at_, 25s);
    });
  }

  Error not_elected(const LockAnswer& answer) const {
    std::string leader = "somebody else";
    if (const auto* waiting = std::get_if<LockWaiting>(&answer)) leader = waiting->holder.label;
    if (const auto* held = std::get_if<LockHeld>(&answer)) leader = held->holder.label;
    o_.command.tell_status("refused", to_int(ExitCode::refused));
    return Error(ExitCode::refused, "not_leader",
                 fmt::format("not elected in {}: {} leads", what(), leader));
  }

  Task<std::optional<Finish>> lead(std::string token, LockGranted granted) {
    log::note(1, fmt::format("leading {}, term {}, fence {}", what(), granted.term, granted.fence));
    HeldLease lease(context_, supervisor_, lease_of(token, granted));
    leading_ = &lease;
    led_ = true;
    joined(fmt::format("leading {}, term {}", what(), granted.term));
    const Environment env = environment(token, granted);
    hold::Outcome outcome;
    std::optional<Error> failure;
    std::optional<int> signal;
    try {
      Task<std::optional<int>> running = run_commands(lease, env, outcome);
      signal = co_await running;
    } catch (const Error& error) {  // the system refused: nothing was started
      failure.emplace(error);
      outcome.ending = hold::Ending::not_started;
    }
    leading_ = nullptr;
    heard_at_ = loop().now();
    lease.stop();
    const bool lost = outcome.ending == hold::Ending::lost;
    if (!lost) notifier_.tell("STATUS=resigning from " + what());
    if (lease.trees_ended()) {
      const bool may_rest =
          outcome.ending == hold::Ending::by_itself && !signal && supervisor_.asked_to_end() == 0;
      Task<void> resigning = resign(token, may_rest ? o_.min_tenure : Duration::zero(), lost);
      co_await resigning;
    }
    if (failure) throw *failure;
    if (signal) {
      o_.command.tell_status("interrupted", 128 + *signal);
      co_return Finish{0, *signal};
    }
    if (lost) {
      notifier_.tell("STATUS=lost " + what());
      Task<void> after = o_.command.run_on_lost(context_, env, *lease.loss());
      co_await after;
      if (const int asked = supervisor_.asked_to_end(); asked != 0 && lease.trees_ended()) {
        o_.command.tell_status("interrupted", 128 + asked);
        co_return Finish{0, asked};
      }
      if (!o_.once && lease.trees_ended()) {
        log::warning(
            fmt::format("lost {} (term {}): {}; the command was stopped, campaigning again", what(),
                        granted.term, lease.loss()->text));
        co_return std::nullopt;
      }
    }
    co_return o_.command.finish(context_, outcome, lease.loss(), what());
  }

  using Environment = std::vector<std::pair<std::string, std::string>>;

  /// The commands of one term, one after the other as --restart says; a signal if one came while
  /// none ran.
  Task<std::optional<int>> run_commands(HeldLease& lease, const Environment& env,
                                        hold::Outcome& outcome) {
    if (!o_.on_acquired.empty()) {
      Task<void> hook = on_acquired(lease, env);
      co_await hook;
      if (const int asked = supervisor_.asked_to_end(); asked != 0 && !lease.loss())
        co_return asked;
    }
    RestartPause pause;
    while (true) {
      const TimePoint started = loop().now();
      hold::Command command = o_.command.command(context_);
      command.env = env;
      hold::Options options = o_.command.hold_options(times_, o_.lease.kill_after);
      // What one run left behind would not be watched over during the next.
      if (o_.restart != "never" && options.tree == hold::Tree::leave)
        options.tree = hold::Tree::kill;
      Task<hold::Outcome> running = lease.run(std::move(command), options);
      outcome = co_await running;
      if (!restarts(outcome)) co_return std::nullopt;
      const Duration length = pause.next(loop().now() - started);
      log::warning(fmt::format("the command ended ({}) while leading {}; running it again in {}",
                               describe(outcome.status), what(), format_age(length)));
      Task<bool> losing = lease.lost_before(add(loop().now(), length));
      Task<int> interrupted = supervisor_.interrupted();
      Task<std::variant<bool, int>> both = race(loop(), std::move(losing), std::move(interrupted));
      const std::variant<bool, int> next = co_await both;
      if (const int* signal = std::get_if<int>(&next)) co_return *signal;
      if (std::get<bool>(next)) {
        outcome = lease.lost_outcome();
        co_return std::nullopt;
      }
    }
  }

  bool restarts(const hold::Outcome& outcome) const {
    if (outcome.ending != hold::Ending::by_itself || supervisor_.asked_to_end() != 0) return false;
    if ((outcome.status & 0x7f) == SIGHUP) return false;  // the terminal it ran in is gone
    return o_.restart == "always" || (o_.restart == "on-failure" && outcome.status != 0);
  }

  static std::string describe(int status) {
    if (const int signal = status & 0x7f; signal != 0) return fmt::format("signal {}", signal);
    return fmt::format("exit {}", (status >> 8) & 0xff);
  }

  /// Under the lease, like the command itself: when that is lost it is stopped.
  Task<void> on_acquired(HeldLease& lease, const Environment& env) {
    hold::Command hook;
    hook.argv = {"/bin/sh", "-c", o_.on_acquired};
    hook.env = env;
    hold::Options options = o_.command.hold_options(times_, o_.lease.kill_after);
    options.max_time = 10s;
    options.tree = hold::Tree::kill;
    Task<hold::Outcome> running = lease.run(std::move(hook), options);
    const hold::Outcome outcome = co_await running;
    const bool ended = outcome.ending == hold::Ending::by_itself;
    if (ended && outcome.status == 0) co_return;
    const bool told = outcome.ending == hold::Ending::lost || supervisor_.asked_to_end() != 0;
    if (told) co_return;  // there will be no command, or an end that says why
    log::warning(ended ? "the --on-acquired command failed"
                       : "the --on-acquired command took over 10s");
  }

  HeldLease::Lease lease_of(const std::string& token, const LockGranted& granted) {
    HeldLease::Lease lease;
    lease.renew = [this, token](TimePoint until) {
      return election_.renew(token, times_.ttl, redis::Patience{until, kNever});
    };
    lease.mailbox = election_.mailbox(token);
    lease.times = times_;
    lease.valid_end = granted.valid_end;
    return lease;
  }

  Environment environment(const std::string& token, const LockGranted& granted) const {
    return {{"DCOORD_ELECTION", election_.name()},
            {"DCOORD_CANDIDATE", who_.label},
            {"DCOORD_TERM", std::to_string(granted.term)},
            {"DCOORD_FENCE", std::to_string(granted.fence)},
            {"DCOORD_TOKEN", token},
            {"DCOORD_WITHIN", within(token)},
            {"DCOORD_OWNER", who_.owner}};
  }

  Task<void> leave_line(std::string token) {
    notifier_.tell("STATUS=leaving " + what());
    Task<std::string> leaving = leave(context_, election_, std::move(token), false,
                                      std::min<Duration>(2s, context_.config().command_timeout));
    const std::string failure = co_await leaving;
    if (!failure.empty()) {
      log::warning(fmt::format("could not leave the line of {} ({}): the place is lost after 25s",
                               what(), failure));
    }
  }

  Task<void> resign(std::string token, Duration least, bool lost) {
    const redis::Patience patience{
        add(loop().now(), std::min<Duration>(5s, context_.config().command_timeout)), kNever};
    std::string failure;
    try {
      const LockReleased released =
          co_await election_.release(std::move(token), least, false, patience);
      if (released.what == LockReleased::What::gone && !lost) {
        log::warning(fmt::format(
            "did not lead {} any more when the command ended: the server lost it", what()));
      }
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      log::warning(
          fmt::format("could not resign from {} ({}): nobody else leads before the lease "
                      "ends, in {} at most",
                      what(), failure, format_age(times_.ttl)));
    }
  }

  Context& context_;
  const ElectOptions& o_;
  LeaseTimes times_;
  Holder who_;
  hold::Supervisor& supervisor_;
  Notifier& notifier_;
  Keys keys_;
  Lock election_;
  const HeldLease* leading_ = nullptr;
  TimePoint heard_at_{};
  bool led_ = false;  // in the campaign under way
};

void ElectOptions::declare(OptionSet& set) {
  set.positional("NAME", "election", name, "name of the election");
  set.flag("--once", once, "leave with 79 when leadership is lost, instead of campaigning again");
  set.text("--candidate", "ID", candidate, "name of this candidate; HOST:PID");
  set.text("--proposal", "TEXT", proposal, "shown to those that observe the election, 200 bytes");
  set.choice("--restart", "WHEN", restart, {"never", "on-failure", "always"},
             "run a command that ends while it leads again, after a pause that grows, what it left "
             "in the background killed; never: resign and leave with its code");
  set.text("--on-acquired", "CMD", on_acquired,
           "shell command to run, for at most 10s, before the command of each term");
  set.duration("--min-tenure", min_tenure,
               "nobody else leads sooner after the election, also when the command ends by itself");
  set.duration("-w,--wait", wait, "campaign at most so long, then exit 75; without it, for ever");
  lease.declare(set);
  storage.declare(set);
  command.declare(set);
}

void ElectOptions::check() const {
  check_name(name, "election name");
  if (!candidate.empty()) check_name(candidate, "--candidate");
  // What is shown of a holder is cut there.
  const auto check_length = [](const char* flag, const std::string& text) {
    if (text.size() <= 200) return;
    throw usage_error(fmt::format("{} has {} bytes, 200 at most are allowed", flag, text.size()));
  };
  check_length("--candidate", candidate);
  check_length("--proposal", proposal);
  if (min_tenure == kForever) throw usage_error("--min-tenure must end some time");
  command.check();
}

int run(Context& context, const ElectOptions& o) {
  o.check();
  const LeaseTimes times = lease_times(o.lease);
  Holder who = this_process(owner_id(), shown_command(context.command()), "");
  who.label = o.candidate.empty() ? fmt::format("{}:{}", who.host, who.pid) : o.candidate;
  who.proposal = o.proposal;
  who.within = within();
  context.prepare_to_hold(times.attempt);
  o.storage.apply(context, times.ttl);
  Notifier notifier(context.loop());
  Finish finish;
  {
    hold::Supervisor supervisor(context.loop(), context.start());
    // Each further command has a guard of its own, which nobody could tell from the record.
    if (o.once && o.restart == "never") tie_to_guard(who, supervisor.guard_pid());
    ElectRun elect_run(context, o, times, std::move(who), supervisor, notifier);
    finish = context.loop().run(elect_run.run());
  }
  return end_as(finish);
}

}  // namespace

Verb elect_run_verb(const char* name) {
  auto options = std::make_shared<ElectOptions>();
  Verb verb;
  verb.name = name;
  verb.summary = "campaign, and run a command while leading";
  verb.usage = "NAME [OPTIONS] -- COMMAND [ARG...]";
  verb.examples = {"dcoord elect run scheduler -- ./scheduler",
                   "dcoord elect run primary --restart always --on-lost 'logger lost' -- ./daemon"};
  verb.takes_command = true;
  verb.declare = [options](OptionSet& set) { options->declare(set); };
  verb.run = [options](Context& context) { return run(context, *options); };
  return verb;
}

}  // namespace dcoord::cli
