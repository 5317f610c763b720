#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/queue_verbs.h"
#include "cli/queue_worker.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

void take_backoff(std::string_view value, const Origin& origin, double& backoff) {
  const auto* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, backoff);
  if (error != std::errc() || stop != end || !(backoff >= 1 && backoff <= 100))
    throw bad_value("factor", value, origin, "a number from 1 to 100, such as 1.5");
}

void declare(WorkOptions& o, OptionSet& set) {
  set.positional("NAME", "queue", o.name, "name of the queue");
  set.integer("--concurrency", "N", o.concurrency, 1, 256, "so many commands at the same time");
  set.text("--worker", "ID", o.worker, "take from that worker's lane first").from_environment =
      false;
  set.flag("--steal", o.steal, "take from other workers' lanes when there is nothing else");
  set.flag("--until-empty", o.until_empty,
           "end when nothing is ready, delayed or in flight; exit 1 if an item was given up here");
  set.duration("--lease", o.lease.ttl,
               "lease of an item, renewed while its command runs: how soon others get the items "
               "of a host that crashed");
  set.duration("-k,--kill-after", o.lease.kill_after,
               "time between TERM and KILL of a command that is stopped; the lesser of 5s and a "
               "quarter of the lease");
  set.integer("--max-attempts", "N", o.max_attempts, 0, 65000,
              "then an item is given up, to the dead letters; 0: never");
  set.duration("--retry-delay", o.retry_delay, "from a failed attempt to the next one");
  set.custom("--backoff", "FACTOR", "the delay grows by it with each attempt, to 1h (default: 2)",
             [&o](std::string_view value, const Origin& origin) {
               take_backoff(value, origin, o.backoff);
             });
  set.custom(
      "--dead-on", "CODES", "exit codes after which an item is given up at once: 3,64-78",
      [&o](std::string_view value, const Origin& origin) { o.dead_on.parse(value, origin); });
  set.custom(
      "--retry-on", "CODES", "exit codes to try again after; all others give the item up",
      [&o](std::string_view value, const Origin& origin) { o.retry_on.parse(value, origin); });
  o.command.declare_of_command(set);
}

int work(Context& context, WorkOptions& o) {
  primitives::check_name(o.name, "queue name");
  if (!o.worker.empty()) primitives::check_name(o.worker, "worker id");
  if (o.retry_delay == kForever) throw usage_error("--retry-delay must end some time");
  o.command.check();
  o.lease.flag = "--lease";
  const LeaseTimes times = lease_times(o.lease);
  context.prepare_to_hold(times.attempt);
  int signal = 0;
  bool gave_up = false;
  {
    hold::Supervisor supervisor(context.loop(), context.start(), static_cast<int>(o.concurrency));
    QueueWorker worker(context, o, times, supervisor);
    std::optional<Error> failure;
    try {
      context.loop().run(worker.run());
    } catch (const Error& error) {
      failure.emplace(error);
    }
    const TimePoint now = context.loop().now();
    if (context.json())
      context.printer().print(worker.tally().record(o.name, now));
    else
      log::note(log::settings().rewrite ? 0 : 1, worker.tally().summary(now));
    if (failure) throw *failure;
    signal = worker.signal();
    gave_up = o.until_empty && worker.tally().dead > 0;
  }
  if (signal != 0) return end_as({0, signal});
  return to_int(gave_up ? ExitCode::no : ExitCode::ok);
}

}  // namespace

Verb queue_work_verb() {
  auto o = std::make_shared<WorkOptions>();
  Verb verb;
  verb.name = "work";
  verb.summary = "run a command for each item, until TERM or --until-empty";
  verb.usage = "NAME [OPTIONS] -- COMMAND [ARG...]";
  verb.examples = {"dcoord queue work mails -- ./send-mail              # the item is on stdin",
                   "dcoord queue work urls --concurrency 8 -- curl -fsSO {}",
                   "dcoord queue work batch --until-empty --dead-on 65 -- ./import",
                   "dcoord queue work jobs --worker \"$HOSTNAME\" --steal -- ./run-job"};
  verb.takes_command = true;
  verb.declare = [o](OptionSet& set) { declare(*o, set); };
  verb.run = [o](Context& context) { return work(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
