#include "cli/elect_term.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "base/duration.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/context.h"

namespace dcoord::cli {

using namespace std::chrono_literals;

namespace {

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

std::string describe(int status) {
  if (const int signal = status & 0x7f; signal != 0) return fmt::format("signal {}", signal);
  return fmt::format("exit {}", (status >> 8) & 0xff);
}

}  // namespace

ElectTerm::ElectTerm(Context& context, const ElectOptions& options, const LeaseTimes& times,
                     hold::Supervisor& supervisor, std::string what)
    : context_(context),
      o_(options),
      times_(times),
      supervisor_(supervisor),
      what_(std::move(what)) {}

Task<std::optional<int>> ElectTerm::run(HeldLease& lease, const Environment& env,
                                        hold::Outcome& outcome) {
  if (!o_.on_acquired.empty()) {
    Task<void> hook = on_acquired(lease, env);
    co_await hook;
    if (const int asked = supervisor_.asked_to_end(); asked != 0 && !lease.loss()) co_return asked;
  }
  RestartPause pause;
  while (true) {
    const TimePoint started = context_.loop().now();
    hold::Command command = o_.command.command(context_);
    command.env = env;
    hold::Options options = o_.command.hold_options(times_, o_.lease.kill_after);
    // What one run left behind would not be watched over during the next.
    if (o_.restart != "never" && options.tree == hold::Tree::leave) options.tree = hold::Tree::kill;
    Task<hold::Outcome> running = lease.run(std::move(command), options);
    outcome = co_await running;
    if (!restarts(outcome)) co_return std::nullopt;
    const Duration length = pause.next(context_.loop().now() - started);
    log::warning(fmt::format("the command ended ({}) while leading {}; running it again in {}",
                             describe(outcome.status), what_, format_age(length)));
    Task<bool> losing = lease.lost_before(add(context_.loop().now(), length));
    Task<int> interrupted = supervisor_.interrupted();
    Task<std::variant<bool, int>> both =
        race(context_.loop(), std::move(losing), std::move(interrupted));
    const std::variant<bool, int> next = co_await both;
    if (const int* signal = std::get_if<int>(&next)) co_return *signal;
    if (std::get<bool>(next)) {
      outcome = lease.lost_outcome();
      co_return std::nullopt;
    }
  }
}

bool ElectTerm::restarts(const hold::Outcome& outcome) const {
  if (outcome.ending != hold::Ending::by_itself || supervisor_.asked_to_end() != 0) return false;
  if ((outcome.status & 0x7f) == SIGHUP) return false;  // the terminal it ran in is gone
  return o_.restart == "always" || (o_.restart == "on-failure" && outcome.status != 0);
}

/// Under the lease, like the command itself: when that is lost it is stopped.
Task<void> ElectTerm::on_acquired(HeldLease& lease, const Environment& env) {
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
  log::warning(
      fmt::format("the --on-acquired command {}; the command itself runs all the same",
                  ended ? fmt::format("failed ({})", describe(outcome.status)) : "took over 10s"));
}

}  // namespace dcoord::cli
