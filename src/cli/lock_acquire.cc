#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <span>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/hold.h"
#include "cli/listener.h"
#include "cli/lock_verbs.h"
#include "cli/quorum_options.h"
#include "cli/storage_options.h"
#include "hold/background.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "output/printers.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct AcquireOptions {
  LockOptions lock;
  StorageOptions storage;
  QuorumOptions quorum;
  Duration ttl = std::chrono::seconds(30);
  long long conflict_code = to_int(ExitCode::refused);
  std::optional<long long> bind_pid;
  std::string lost_signal = "TERM";
};

output::Acquired describe(const LockRequest& request, const std::string& name,
                          const LockGranted& granted, TimePoint now) {
  output::Acquired a;
  a.name = name;
  a.token = request.token;
  a.owner = request.who.owner;
  a.held = HeldLocks::from_environment().with(name, request.token).text();
  a.fence = granted.fence;
  if (request.limit > 0) a.slot = granted.slot;
  a.resource = resource_of(request, granted.slot);
  a.lease_ms = to_ms(granted.valid_end - now);
  a.waited_ms = to_ms(granted.waited);
  return a;
}

/// Renews in the background for as long as a process lives. Made before the lock is asked for, so
/// that a process that is not there is told at once; its loop is only run in the background.
class Binding {
 public:
  Binding(Context& context, const AcquireOptions& o)
      : context_(context),
        o_(o),
        bound_(loop_, static_cast<pid_t>(*o.bind_pid)),
        signal_(hold::signal_number(o.lost_signal)) {
    if (signal_ == 0)
      throw usage_error(fmt::format("--on-lost-signal: there is no signal '{}'", o.lost_signal));
    LeaseOptions lease;
    lease.ttl = o.ttl;
    times_ = lease_times(lease);
    // The process is told while there is time left to stop.
    times_.margin += times_.grace;
  }

  /// Returns in the foreground only.
  void start(const LockRequest& request, const LockGranted& granted) {
    const int keep[] = {bound_.descriptor()};
    const bool foreground =
        hold::detach(std::span<const int>(keep, bound_.descriptor() < 0 ? 0 : 1),
                     context_.start()) > 0;
    if (foreground) return;
    try {
      loop_.run(keep_until_ended(request, granted));
    } catch (const std::exception&) {  // nobody to tell; the lease ends by itself
      bound_.signal(signal_);
    }
    _exit(0);
  }

 private:
  Task<void> keep_until_ended(LockRequest request, LockGranted granted) {
    redis::SessionOptions session_options = context_.session_options();
    session_options.connect_timeout = session_options.command_timeout = times_.attempt;
    const Config& config = context_.config();
    auto runners = make_runners(loop_, config, session_options);
    std::vector<redis::ScriptRunner*> servers;
    for (auto& runner : runners) {
      runner = context_.traced(loop_, std::move(runner));
      servers.push_back(runner.get());
    }
    Listener listener(loop_, make_runners(loop_, config, session_options));
    const Keys keys(config.key_namespace);
    const auto lock =
        open_lock(loop_, config, servers, keys, o_.lock.name, LockKind::lock, o_.quorum);
    lock->adopt(request, granted);
    Event lost(loop_);
    LeaseKeeper::Hooks hooks;
    hooks.renew = [&](TimePoint until) {
      return lock->renew(request.token, o_.ttl, redis::Patience{until, kNever});
    };
    hooks.revoked = [&](TimePoint until) {
      return listener.heard_revoked(lock->mailbox(request.token), until);
    };
    TimePoint valid_end = granted.valid_end;
    hooks.extended = [&](TimePoint at) {
      valid_end = at;
      return true;
    };
    hooks.lost = [&](const LossReason&) { lost.set(); };
    LeaseKeeper keeper(loop_, times_, granted.valid_end, std::move(hooks));
    keeper.start();
    Task<bool> ended = as_answer(bound_.ended());
    Task<bool> gone = as_answer(wait_for(lost));
    Task<std::variant<bool, bool>> both = race(loop_, std::move(ended), std::move(gone));
    const auto outcome = co_await both;
    keeper.stop();
    if (outcome.index() == 1 && bound_.signal(signal_)) {
      // Nobody else gets in before it has stopped, or the lease has ended by itself.
      Task<bool> stopped = as_answer(bound_.ended());
      Task<bool> too_late = as_answer(sleep_until(valid_end));
      Task<std::variant<bool, bool>> which = race(loop_, std::move(stopped), std::move(too_late));
      const auto first = co_await which;
      if (first.index() == 1) co_return;
    }
    const redis::Patience patience{add(loop_.now(), times_.ttl), kNever};
    co_await lock->release(request.token, Duration::zero(), false, patience);
  }

  static Task<bool> as_answer(Task<void> task) {
    co_await task;
    co_return true;
  }
  static Task<void> wait_for(Event& event) { co_await event.wait(); }
  Task<void> sleep_until(TimePoint at) { co_await loop_.sleep_until(at); }

  Context& context_;
  const AcquireOptions& o_;
  SystemClock clock_;
  Loop loop_{clock_};
  hold::BoundProcess bound_;
  int signal_;
  LeaseTimes times_{};
};

/// Asks, and leaves the line when a signal asks this process to end; then the signal's number.
Task<std::variant<LockAnswer, int>> ask_or_leave(Context& context, LockService& lock,
                                                 const AcquireOptions& o, LockRequest request,
                                                 hold::Interrupts& interrupts) {
  Task<LockAnswer> taking = take_lock(context, lock, o.lock, request);
  Task<int> interrupted = interrupts.next();
  Task<std::variant<LockAnswer, int>> both =
      race(context.loop(), std::move(taking), std::move(interrupted));
  auto outcome = co_await both;
  if (outcome.index() == 1) {
    const redis::Patience patience{add(context.loop().now(), std::chrono::seconds(2)), kNever};
    try {
      co_await lock.release(request.token, Duration::zero(), false, patience);
    } catch (const Error& error) {
      log::warning(
          fmt::format("could not leave the line of lock '{}' ({}): the place is lost after 25s",
                      lock.name(), error.what()));
    }
  }
  co_return outcome;
}

int acquire(Context& context, const AcquireOptions& o) {
  check_ttl(o.ttl, "--ttl");
  o.quorum.check(context.config());
  if (context.config().targets.size() > 1) o.lock.check_several();
  o.storage.apply(context, o.ttl);
  const long long pid = o.bind_pid.value_or(getppid());
  LockRequest request = o.lock.request(o.ttl, fmt::format("(process {})", pid));
  // The script holds, not this process, which ends at once.
  request.who.pid = static_cast<long>(pid);
  request.who.start_time = 0;
  std::optional<Binding> binding;
  if (o.bind_pid) binding.emplace(context, o);
  hold::Interrupts interrupts(context.loop(), context.start());
  const Keys keys(context.config().key_namespace);
  const auto lock = open_lock(context, keys, o.lock.name, LockKind::lock, o.quorum);
  const TimePoint asked = context.loop().now();
  const auto outcome = context.loop().run(ask_or_leave(context, *lock, o, request, interrupts));
  if (const int* signal = std::get_if<int>(&outcome)) {
    if (context.config().format == Config::Format::table)
      output::write_out(fmt::format("(exit {})\n", 128 + *signal));
    std::fflush(stdout);
    hold::die_of_signal(*signal);
  }
  const LockAnswer& answer = std::get<LockAnswer>(outcome);
  const auto* granted = std::get_if<LockGranted>(&answer);
  if (granted == nullptr) {
    throw lock_refusal(lock->name(), answer, context.loop().now() - asked,
                       static_cast<int>(o.conflict_code), o.lock);
  }
  if (binding) binding->start(request, *granted);
  context.printer().print(describe(request, lock->name(), *granted, context.loop().now()));
  return to_int(ExitCode::ok);
}

/// In a batch: nobody waits, and there is no process to hold it.
Task<int> acquire_at_once(Context& context, const AcquireOptions& o) {
  check_ttl(o.ttl, "--ttl");
  o.storage.apply(context, o.ttl);
  LockRequest request = o.lock.request(o.ttl, fmt::format("(process {})", getppid()));
  request.who.pid = static_cast<long>(getppid());
  request.who.start_time = 0;
  const Keys keys(context.config().key_namespace);
  Lock lock(context.loop(), context.scripts(), keys, o.lock.name);
  Task<LockAnswer> asking = lock.ask(request, false, "", context.patience());
  const LockAnswer answer = co_await asking;
  const auto* granted = std::get_if<LockGranted>(&answer);
  if (granted == nullptr) {
    throw lock_refusal(lock.name(), answer, Duration::zero(), static_cast<int>(o.conflict_code),
                       o.lock);
  }
  context.printer().print(describe(request, lock.name(), *granted, context.loop().now()));
  co_return to_int(ExitCode::ok);
}

}  // namespace

Verb lock_acquire_verb() {
  auto o = std::make_shared<AcquireOptions>();
  Verb verb;
  verb.name = "acquire";
  verb.summary = "take a lock for a script, as assignments for eval";
  verb.usage = "NAME [OPTIONS]";
  verb.examples = {"eval \"$(dcoord lock acquire migrate --bind-pid $$)\"",
                   "eval \"$(dcoord lock acquire deploy -w 10m -t 5m)\" && make deploy; dcoord "
                   "lock release deploy"};
  verb.for_eval = true;
  verb.declare = [o](OptionSet& set) {
    o->lock.declare(set);
    o->storage.declare(set);
    o->quorum.declare(set);
    set.duration("-t,--ttl", o->ttl,
                 "length of the lease; renew it with `lock renew` or --bind-pid");
    set.integer("-E,--conflict-exit-code", "N", o->conflict_code, 1, 255,
                "exit code when the lock could not be had");
    set.integer("--bind-pid", "PID", o->bind_pid, 1, 1LL << 30,
                "renew in the background until that process ends, then release");
    set.text("--on-lost-signal", "SIG", o->lost_signal,
             "with --bind-pid: sent to that process when the lease is lost");
  };
  verb.run = [o](Context& context) { return acquire(context, *o); };
  verb.task = [o](Context& context) { return acquire_at_once(context, *o); };
  verb.batch_refusal = [o]() -> std::string {
    if (o->bind_pid) return "--bind-pid goes on in the background";
    return o->lock.wait || o->lock.max_retries ? "it waits; in a batch -n is meant" : "";
  };
  return verb;
}

}  // namespace dcoord::cli
