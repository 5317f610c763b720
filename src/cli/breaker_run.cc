#include <fmt/format.h>

#include <array>
#include <charconv>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "base/token.h"
#include "cli/breaker_options.h"
#include "cli/command_options.h"
#include "cli/context.h"
#include "cli/held.h"
#include "hold/supervisor.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

/// Exit codes as flags list them: "5,28,50-60".
struct CodeList {
  std::array<bool, 256> has{};
  bool given = false;

  void read(std::string_view text, const Origin& origin);
};

struct RunOptions {
  BreakerOptions breaker;
  ReporterOption reporter;
  PermitOption permit;
  CommandOptions command;
  CodeList fail_on, ignore;
  std::optional<Duration> slow, kill_after;
  std::string fallback, label;
  long long open_code = to_int(ExitCode::refused);

  void declare(OptionSet& set);
  void check() const;
};

void CodeList::read(std::string_view text, const Origin& origin) {
  const auto refuse = [&] {
    return bad_value("list of exit codes", text, origin,
                     "codes from 1 to 255 and ranges of them: 5,28,50-60");
  };
  const auto number = [&](std::string_view word) {
    int n = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), n);
    if (error != std::errc() || end != word.data() + word.size() || n < 1 || n > 255)
      throw refuse();
    return static_cast<size_t>(n);
  };
  has.fill(false);
  given = true;
  for (size_t from = 0; from <= text.size();) {
    const size_t end = std::min(text.find(',', from), text.size());
    const std::string_view word = text.substr(from, end - from);
    const size_t dash = word.find('-');
    const size_t first = number(word.substr(0, dash));
    const size_t last = dash == std::string_view::npos ? first : number(word.substr(dash + 1));
    if (last < first) throw refuse();
    for (size_t code = first; code <= last; ++code) has[code] = true;
    from = end + 1;
  }
}

void RunOptions::declare(OptionSet& set) {
  breaker.declare(set);
  set.custom("--fail-on", "LIST", "exit codes that are failures; any but 0",
             [this](std::string_view text, const Origin& origin) { fail_on.read(text, origin); });
  set.custom("--ignore", "LIST", "exit codes that are neither failure nor success",
             [this](std::string_view text, const Origin& origin) { ignore.read(text, origin); });
  set.duration("--slow", slow, "a success that took longer is a failure");
  set.text("--fallback", "CMD", fallback, "shell command to run instead when the breaker is open");
  set.integer("-E,--conflict-exit-code", "N", open_code, 0, 255,
              "exit code when the breaker is open and there is no fallback");
  reporter.declare(set);
  permit.declare(set);
  set.text("--label", "TEXT", label, "shown to others instead of the command");
  set.duration("-k,--kill-after", kill_after,
               "time between TERM and KILL: when --max-time is over (5s), or after a TERM that was "
               "passed on (only if given)");
  command.declare(set, false);
}

void RunOptions::check() const {
  command.check();
  permit.check();
  if (slow && *slow <= Duration::zero()) throw usage_error("--slow must be longer than 0");
  if (fail_on.given && ignore.given) {
    for (size_t code = 1; code < 256; ++code) {
      if (fail_on.has[code] && ignore.has[code])
        throw usage_error(fmt::format("--fail-on and --ignore both list {}", code));
    }
  }
}

class BreakerRun {
 public:
  BreakerRun(Context& context, const RunOptions& o, BreakerWanted wanted,
             hold::Supervisor& supervisor)
      : context_(context),
        o_(o),
        wanted_(std::move(wanted)),
        supervisor_(supervisor),
        keys_(context.config().key_namespace),
        breaker_(context.scripts(), keys_, o.breaker.name) {}

  Task<Finish> run() {
    std::optional<std::variant<BreakerAnswer, int>> outcome;
    std::optional<Error> failure;
    try {
      Task<BreakerAnswer> asking =
          breaker_.allow(token_, wanted_, o_.permit.ttl, context_.patience());
      Task<int> interrupted = supervisor_.interrupted();
      Task<std::variant<BreakerAnswer, int>> both =
          race(context_.loop(), std::move(asking), std::move(interrupted));
      outcome.emplace(co_await both);
    } catch (const Error& error) {
      failure.emplace(error);
    }
    if (failure) {
      if (!o_.breaker.goes_on_without(*failure)) {
        o_.command.tell_status("error", to_int(failure->code()));
        throw *failure;
      }
      Task<hold::Outcome> running = run_command({});
      const hold::Outcome ended = co_await running;
      co_return o_.command.finish(context_, ended, std::nullopt, what());
    }
    if (const int* signal = std::get_if<int>(&*outcome)) {
      Task<void> telling = tell("", BreakerOutcome::ignored);  // it may be a probe by now
      co_await telling;
      o_.command.tell_status("interrupted", 128 + *signal);
      co_return Finish{0, *signal};
    }
    const BreakerAnswer& answer = std::get<BreakerAnswer>(*outcome);
    o_.breaker.compare(answer.view.settings);
    Task<Finish> next =
        answer.what == BreakerAnswer::What::refused ? refused(answer.view) : call(answer);
    co_return co_await next;
  }

 private:
  std::string what() const { return fmt::format("breaker '{}'", breaker_.name()); }

  Task<hold::Outcome> run_command(std::vector<std::pair<std::string, std::string>> env) {
    hold::Command command = o_.command.command(context_);
    command.env = std::move(env);
    LeaseTimes times{};
    times.grace = o_.kill_after.value_or(5s);
    hold::Options options = o_.command.hold_options(times, o_.kill_after);
    return supervisor_.run(std::move(command), options, kNever);
  }

  std::vector<std::pair<std::string, std::string>> environment(const BreakerView& view) const {
    return {{"DCOORD_BREAKER", view.name},
            {"DCOORD_BREAKER_STATE", breaker_state_word(view.state)}};
  }

  Task<Finish> call(BreakerAnswer answer) {
    if (answer.what == BreakerAnswer::What::probe)
      log::note(1, fmt::format("probing {}: {}", what(), describe_why(answer.view)));
    const TimePoint started = context_.loop().now();
    Task<hold::Outcome> running = run_command(environment(answer.view));
    const hold::Outcome outcome = co_await running;
    const BreakerOutcome result = judge(outcome, context_.loop().now() - started);
    // What does not count is nothing to tell, unless others wait for the permit.
    if (result != BreakerOutcome::ignored || answer.what == BreakerAnswer::What::probe) {
      Task<void> telling = tell(answer.epoch, result);
      co_await telling;
    }
    co_return o_.command.finish(context_, outcome, std::nullopt, what());
  }

  BreakerOutcome judge(const hold::Outcome& outcome, Duration took) const {
    // That it cannot be started, or that somebody ended us, says nothing about what it calls.
    if (outcome.ending == hold::Ending::not_started) return BreakerOutcome::ignored;
    if (outcome.ending == hold::Ending::max_time) return BreakerOutcome::failure;
    const int signal = outcome.status & 0x7f;
    const auto code =
        static_cast<size_t>(signal != 0 ? 128 + signal : (outcome.status >> 8) & 0xff);
    if (code != 0 && supervisor_.asked_to_end() != 0) return BreakerOutcome::ignored;
    if (o_.ignore.has[code]) return BreakerOutcome::ignored;
    if (o_.fail_on.given ? o_.fail_on.has[code] : code != 0) return BreakerOutcome::failure;
    if (o_.slow && took > *o_.slow) {
      log::note(0, fmt::format("the command took {}, longer than --slow {}: a failure for {}",
                               format_age(took), format_duration(*o_.slow), what()));
      return BreakerOutcome::failure;
    }
    return BreakerOutcome::success;
  }

  /// The command has ended: whatever fails here is only told.
  Task<void> tell(std::string epoch, BreakerOutcome result) {
    const redis::Patience patience =
        context_.patience(std::min<Duration>(5s, context_.config().command_timeout));
    std::string failure;
    try {
      Holder who = this_process(owner_id(), shown_command(context_.command()), o_.label);
      Task<BreakerRecorded> recording = breaker_.record(
          token_, std::move(epoch), result, o_.reporter.name(), std::move(who), wanted_, patience);
      const BreakerRecorded recorded = co_await recording;
      if (!recorded.counted && result != BreakerOutcome::ignored) {
        log::note(1, fmt::format("not counted: {} has changed meanwhile, it is {}", what(),
                                 breaker_state_word(recorded.view.state)));
      }
      tell_change(recorded);
    } catch (const Error& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      log::warning(fmt::format("could not tell {} how the command ended: {}", what(), failure));
    }
  }

  Task<Finish> refused(BreakerView view) {
    const auto code = static_cast<int>(o_.open_code);
    const Error error = breaker_refusal(view, code);
    if (o_.fallback.empty()) {
      o_.command.tell_status("refused", code);
      // Asked for with -E 0: skipping is no failure, so cron has nothing to mail.
      if (code == 0) co_return Finish{};
      throw error;
    }
    log::note(0, fmt::format("{}: running the fallback", error.what()));
    hold::Command command = o_.command.command(context_);
    command.argv = {"/bin/sh", "-c", o_.fallback};
    command.env = environment(view);
    const std::string wait = view.next_try ? std::to_string(view.next_try->count()) : "-1";
    command.env.emplace_back("DCOORD_BREAKER_RETRY_MS", wait);
    hold::Options options;
    Task<hold::Outcome> running = supervisor_.run(std::move(command), options, kNever);
    const hold::Outcome outcome = co_await running;
    const int signal = outcome.status & 0x7f;
    const Finish finish{(outcome.status >> 8) & 0xff, signal};
    o_.command.tell_status("fallback", signal != 0 ? 128 + signal : finish.code);
    co_return finish;
  }

  Context& context_;
  const RunOptions& o_;
  BreakerWanted wanted_;
  hold::Supervisor& supervisor_;
  Keys keys_;
  Breaker breaker_;
  const std::string token_ = random_token();
};

int run_breaker(Context& context, const RunOptions& o) {
  o.check();
  BreakerWanted wanted = o.breaker.wanted();
  context.prepare_to_hold(context.config().command_timeout);
  Finish finish;
  {
    hold::Supervisor supervisor(context.loop(), context.start());
    BreakerRun run(context, o, std::move(wanted), supervisor);
    finish = context.loop().run(run.run());
  }
  return end_as(finish);
}

}  // namespace

Verb breaker_run_verb() {
  auto options = std::make_shared<RunOptions>();
  Verb verb;
  verb.name = "run";
  verb.summary = "run a command unless its calls keep failing; exit 75 while the breaker is open";
  verb.usage = "NAME [OPTIONS] -- COMMAND [ARG...]";
  verb.examples = {
      "dcoord breaker run api -- curl -fsS https://api.example/",
      "dcoord breaker run api --fail-on 5-7,28 --slow 10s --fallback 'cat cached' -- curl ...",
      "dcoord breaker run db --failure-rate 50 --min-calls 20 --min-reporters 2 -- ./query"};
  verb.takes_command = true;
  verb.declare = [options](OptionSet& set) { options->declare(set); };
  verb.run = [options](Context& context) { return run_breaker(context, *options); };
  return verb;
}

}  // namespace dcoord::cli
