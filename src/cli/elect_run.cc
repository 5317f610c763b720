#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"
#include "cli/elect_options.h"
#include "cli/elect_term.h"
#include "cli/elect_verbs.h"
#include "cli/held.h"
#include "cli/held_lease.h"
#include "cli/lock_options.h"
#include "cli/notifier.h"
#include "cli/quorum_options.h"
#include "cli/take.h"
#include "cli/within.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

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
        election_(open_lock(context, keys_, options.name, LockKind::elect, options.quorum)) {}

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
  std::string what() const { return fmt::format("election '{}'", election_->name()); }

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
      Task<Error> telling = not_elected(answer);
      const Error refusal = co_await telling;
      throw refusal;
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
    return take(context_, *election_, std::move(request), std::move(waiting));
  }

  void joined(const std::string& status) {
    notifier_.tell("READY=1\nSTATUS=" + status);
    // A standby looks every 10s and is dropped from the line after 25s.
    notifier_.watch([this] {
      const TimePoint now = loop().now();
      return leading_ ? now < leading_->valid_end() - times_.margin : now < add(heard_at_, 25s);
    });
  }

  /// What is stored of the election, the log of what became of its leaders too; nothing when it
  /// cannot be had soon. It is asked for messages only.
  Task<std::optional<LockView>> look() {
    const redis::Patience patience{
        add(loop().now(), std::min<Duration>(2s, context_.config().command_timeout)), kNever};
    std::optional<LockView> view;
    try {
      Task<LockView> showing = election_->show(0, patience);
      view.emplace(co_await showing);
    } catch (const Error&) {  // the message says less, then
    }
    co_return view;
  }

  Task<Error> not_elected(const LockAnswer& answer) {
    if (const auto* refused = std::get_if<LockRefused>(&answer);
        refused != nullptr &&
        (refused->why == LockRefused::Why::servers || refused->why == LockRefused::Why::limit)) {
      o_.command.tell_status("error", to_int(ExitCode::config));
      co_return kept_otherwise(what(), *refused);
    }
    std::string leader = "somebody else";
    if (const auto* waiting = std::get_if<LockWaiting>(&answer)) leader = waiting->holder.label;
    if (const auto* held = std::get_if<LockHeld>(&answer)) leader = held->holder.label;
    o_.command.tell_status("refused", to_int(ExitCode::refused));
    std::string why = leader + " leads";
    Task<std::optional<LockView>> looking = look();
    const std::optional<LockView> view = co_await looking;
    if (view && !view->holders.empty() && view->holders[0].resting) {
      const LockParty& last = view->holders[0];
      why = fmt::format("nobody leads for another {}: the least time of {} lasts",
                        format_age(last.lease_left), last.who.label);
    }
    co_return Error(ExitCode::refused, "not_leader",
                    fmt::format("not elected in {}: {}", what(), why));
  }

  /// Why the lease was lost; that an operator took it away at once, without telling the server to
  /// ask us to stop, is found in the log.
  Task<LossReason> reason_of(LossReason loss, long long fence) {
    if (!loss.unknown) co_return loss;
    Task<std::optional<LockView>> looking = look();
    const std::optional<LockView> view = co_await looking;
    if (!view) co_return loss;
    for (const LockEvent& event : view->log) {
      if (event.fence != fence || event.what != LockEvent::What::broken) continue;
      loss.revoked = true;
      loss.text = "it was taken away at once by " + describe_holder(event.by, std::nullopt);
    }
    co_return loss;
  }

  Task<std::optional<Finish>> lead(std::string token, LockGranted granted) {
    log::note(1, fmt::format("leading {}, term {}, fence {}", what(), granted.term, granted.fence));
    HeldLease lease(context_, supervisor_, lease_of(*election_, token, times_, granted));
    leading_ = &lease;
    led_ = true;
    joined(fmt::format("leading {}, term {}", what(), granted.term));
    const ElectTerm::Environment env = environment(token, granted);
    hold::Outcome outcome;
    std::optional<Error> failure;
    std::optional<int> signal;
    try {
      ElectTerm commands(context_, o_, times_, supervisor_, what());
      Task<std::optional<int>> running = commands.run(lease, env, outcome);
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
    std::optional<LossReason> loss = lease.loss();
    if (lost) {
      Task<LossReason> telling = reason_of(*loss, granted.fence);
      loss = co_await telling;
      notifier_.tell("STATUS=lost " + what());
      Task<void> after = o_.command.run_on_lost(context_, env, *loss);
      co_await after;
      if (const int asked = supervisor_.asked_to_end(); asked != 0 && lease.trees_ended()) {
        o_.command.tell_status("interrupted", 128 + asked);
        co_return Finish{0, asked};
      }
      if (!o_.once && lease.trees_ended()) {
        log::warning(
            fmt::format("lost {} (term {}): {}; the command was stopped, campaigning again", what(),
                        granted.term, loss->text));
        co_return std::nullopt;
      }
    }
    co_return o_.command.finish(context_, outcome, loss, what());
  }

  ElectTerm::Environment environment(const std::string& token, const LockGranted& granted) const {
    return {{"DCOORD_ELECTION", election_->name()},
            {"DCOORD_CANDIDATE", who_.label},
            {"DCOORD_TERM", std::to_string(granted.term)},
            {"DCOORD_FENCE", std::to_string(granted.fence)},
            {"DCOORD_TOKEN", token},
            {"DCOORD_WITHIN", within(token)},
            {"DCOORD_OWNER", who_.owner}};
  }

  Task<void> leave_line(std::string token) {
    notifier_.tell("STATUS=leaving " + what());
    Task<std::string> leaving = leave(context_, *election_, std::move(token), false,
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
          co_await election_->release(std::move(token), least, false, patience);
      if (released.what == LockReleased::What::gone && !lost) {
        log::warning(fmt::format(
            "did not lead {} any more when the command ended: the server lost it", what()));
      } else if (!lost) {
        log::note(1, "resigned from " + what());
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
  std::unique_ptr<LockService> election_;
  const HeldLease* leading_ = nullptr;
  TimePoint heard_at_{};
  bool led_ = false;  // in the campaign under way
};

int run(Context& context, const ElectOptions& o) {
  o.check();
  LeaseOptions lease = o.lease;
  if (o.heartbeat) {
    lease.renew_every = o.heartbeat;
    lease.pace = "--heartbeat";
  }
  const LeaseTimes times = lease_times(lease);
  Holder who = this_process(owner_id(), shown_command(context.command()), "");
  who.label = o.candidate.empty() ? fmt::format("{}:{}", who.host, who.pid) : o.candidate;
  who.proposal = o.proposal;
  who.within = within();
  context.prepare_to_hold(times.attempt);
  o.quorum.check(context.config());
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
