#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/hold.h"
#include "cli/lock_verbs.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct AcquireOptions {
  LockOptions lock;
  Duration ttl = std::chrono::seconds(30);
  long long conflict_code = to_int(ExitCode::refused);
  std::optional<long long> bind_pid;
  std::string lost_signal = "TERM";
};

output::Acquired describe(const Context& context, const LockRequest& request, const std::string& name,
                          const LockGranted& granted, TimePoint now) {
  (void)context;
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

int acquire(Context& context, const AcquireOptions& o) {
  check_ttl(o.ttl, "--ttl");
  const std::string command = fmt::format("(process {})", o.bind_pid.value_or(getppid()));
  LockRequest request = o.lock.request(o.ttl, command);
  const Keys keys(context.config().key_namespace);
  Lock lock(context.loop(), context.scripts(), keys, o.lock.name);
  const TimePoint asked = context.loop().now();
  const LockAnswer answer = context.loop().run(take_lock(context, lock, o.lock, request));
  const auto* granted = std::get_if<LockGranted>(&answer);
  if (granted == nullptr) {
    throw lock_refusal(lock.name(), answer, context.loop().now() - asked, static_cast<int>(o.conflict_code), o.lock);
  }
  context.printer().print(describe(context, request, lock.name(), *granted, context.loop().now()));
  return to_int(ExitCode::ok);
}

}  // namespace

Verb lock_acquire_verb() {
  auto o = std::make_shared<AcquireOptions>();
  Verb verb;
  verb.name = "acquire";
  verb.summary = "take a lock for a script, as assignments for eval";
  verb.usage = "NAME [OPTIONS]";
  verb.examples = {"eval \"$(dcoord lock acquire migrate --bind-pid $$)\"",
                   "eval \"$(dcoord lock acquire deploy -w 10m -t 5m)\" && make deploy; dcoord lock release deploy"};
  verb.for_eval = true;
  verb.declare = [o](OptionSet& set) {
    o->lock.declare(set);
    set.duration("-t,--ttl", o->ttl, "length of the lease; renew it with `lock renew` or --bind-pid");
    set.integer("-E,--conflict-exit-code", "N", o->conflict_code, 1, 255, "exit code when the lock could not be had");
    set.integer("--bind-pid", "PID", o->bind_pid, 1, 1LL << 30,
                "renew in the background until that process ends, then release");
    set.text("--on-lost-signal", "SIG", o->lost_signal, "with --bind-pid: sent to that process when the lease is lost");
  };
  verb.run = [o](Context& context) { return acquire(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
