#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "cli/barrier_verbs.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/lock_options.h"
#include "cli/waiting.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "output/printers.h"
#include "primitives/barrier.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

struct WaitOptions {
  BarrierOptions barrier;
  Duration wait = kForever;
  std::optional<long long> leader_exit;
  bool no_arrive = false;
  bool break_all = false;
};

Error broken_error(const std::string& name, const BarrierBroken& broken) {
  const std::string who = describe_holder(broken.who, std::nullopt);
  const std::string what = broken.why == "reset"    ? fmt::format("was reset by {}", who)
                           : broken.why == "signal" ? fmt::format("was broken: {} was ended", who)
                                                    : fmt::format("was broken: {} gave up", who);
  return Error(ExitCode::timed_out, broken.why == "reset" ? "reset" : "broken",
               fmt::format("barrier '{}' {}", name, what));
}

/// One party at a barrier, until it passes or has left again.
class Waiting {
 public:
  Waiting(Context& context, const WaitOptions& o, BarrierRequest request)
      : context_(context),
        o_(o),
        loop_(context.loop()),
        request_(std::move(request)),
        keys_(context.config().key_namespace),
        barrier_(loop_, context.scripts(), keys_, o.barrier.name),
        interrupts_(loop_, context.start()) {}

  struct End {
    BarrierAnswer answer;  ///< BarrierWaiting: it gave up
    int signal = 0;
  };

  Task<End> run() {
    const TimePoint started = loop_.now();
    WaitingLine line(loop_, context_.config(), fmt::format("barrier '{}'", barrier_.name()),
                     [this](bool) { return state_text(); });
    Task<BarrierAnswer> waiting = wait();
    Task<int> interrupted = interrupts_.next();
    Task<std::variant<BarrierAnswer, int>> both =
        race(loop_, std::move(waiting), std::move(interrupted));
    const auto outcome = co_await both;
    waited_ = loop_.now() - started;
    if (const int* signal = std::get_if<int>(&outcome)) {
      Task<End> leaving = leave_on(*signal);
      co_return co_await leaving;
    }
    const auto& answer = std::get<BarrierAnswer>(outcome);
    End end{answer, 0};
    if (!std::holds_alternative<BarrierWaiting>(answer)) co_return end;
    Task<BarrierFarewell> leaving = leave("timeout", context_.config().command_timeout);
    const BarrierFarewell farewell = co_await leaving;
    if (const auto* late = std::get_if<BarrierPassed>(&farewell)) end.answer = *late;
    if (const auto* broken = std::get_if<BarrierBroken>(&farewell)) end.answer = *broken;
    co_return end;
  }

  Duration waited() const { return waited_; }
  const std::optional<BarrierWaiting>& latest() const { return latest_; }

 private:
  /// Resolves what is unknown: when nobody waits any more, the party must not be counted.
  Task<BarrierAnswer> wait() {
    const Config& config = context_.config();
    const TimePoint until = add(loop_.now(), o_.wait);
    redis::Patience first = context_.patience(config.connect_timeout + config.command_timeout);
    std::function<void(const BarrierWaiting&)> on_wait = [this](const BarrierWaiting& now) {
      latest_ = now;
    };
    std::optional<Error> error;
    try {
      Task<BarrierAnswer> waiting = barrier_.wait(request_, until, first, std::move(on_wait));
      co_return co_await waiting;
    } catch (const Error& e) {
      error.emplace(e);
    }
    if (error->code() != ExitCode::unknown) throw *error;
    Task<BarrierFarewell> leaving = leave("timeout", config.command_timeout);
    const BarrierFarewell farewell = co_await leaving;
    if (const auto* passed = std::get_if<BarrierPassed>(&farewell)) co_return *passed;
    throw Error(ExitCode::unavailable, "unavailable",
                fmt::format("gave up at barrier '{}': {}", barrier_.name(), error->what()));
  }

  Task<BarrierFarewell> leave(const char* why, Duration limit) {
    const redis::Patience patience{add(loop_.now(), limit), kNever};
    const long long known = latest_ ? latest_->generation : 0;
    std::optional<Error> error;
    try {
      Task<BarrierFarewell> leaving =
          barrier_.leave(request_, known, o_.break_all ? why : "", patience);
      co_return co_await leaving;
    } catch (const Error& e) {
      error.emplace(e);
    }
    throw Error(ExitCode::unknown, "unknown",
                fmt::format("gave up at barrier '{}', but could not take the arrival back: {}",
                            barrier_.name(), error->what()),
                fmt::format("run it again with --request-id {}, or let it be: the arrival lasts "
                            "for 25s at most",
                            request_.token));
  }

  Task<End> leave_on(int signal) {
    std::optional<BarrierFarewell> farewell;
    try {
      Task<BarrierFarewell> leaving = leave("signal", std::chrono::seconds(2));
      farewell.emplace(co_await leaving);
    } catch (const Error& error) {
      log::warning(error.what());
    }
    End end{BarrierWaiting{}, signal};
    if (farewell && std::holds_alternative<BarrierPassed>(*farewell))
      end = {std::get<BarrierPassed>(*farewell), 0};
    co_return end;
  }

  std::string state_text() const {
    if (!latest_) return ": no answer from Redis yet";
    return fmt::format(": {} of {} arrived, generation {}", latest_->arrived, latest_->parties,
                       latest_->generation);
  }

  Context& context_;
  const WaitOptions& o_;
  Loop& loop_;
  BarrierRequest request_;
  Keys keys_;
  Barrier barrier_;
  hold::Interrupts interrupts_;
  std::optional<BarrierWaiting> latest_;
  Duration waited_{};
};

int passed(Context& context, const WaitOptions& o, const BarrierPassed& result, Duration waited) {
  if (context.json()) {
    output::Record record;
    record.add("name", o.barrier.name).add("generation", result.generation);
    if (result.index)
      record.add("index", static_cast<long long>(*result.index));
    else
      record.add_null("index");
    record.add_bool("leader", result.leader)
        .add("parties", static_cast<long long>(result.parties))
        .add("waited_ms", to_ms(waited));
    context.printer().print(record);
  } else if (result.index) {
    output::write_out(fmt::format("{}\n", *result.index));
  }
  return result.leader ? static_cast<int>(*o.leader_exit) : to_int(ExitCode::ok);
}

int wait(Context& context, const WaitOptions& o) {
  if (o.no_arrive && o.barrier.id)
    throw usage_error(
        "--id and --no-arrive contradict each other: one that does not arrive is no party");
  BarrierRequest request = o.barrier.request();
  request.arrives = !o.no_arrive;
  request.leads = o.leader_exit.has_value();
  Waiting waiting(context, o, std::move(request));
  const Waiting::End end = context.loop().run(waiting.run());
  if (const auto* result = std::get_if<BarrierPassed>(&end.answer))
    return passed(context, o, *result, waiting.waited());
  if (end.signal != 0) {
    std::fflush(stdout);
    hold::die_of_signal(end.signal);
  }
  if (const auto* broken = std::get_if<BarrierBroken>(&end.answer))
    throw broken_error(o.barrier.name, *broken);
  if (const auto* refused = std::get_if<BarrierRefused>(&end.answer))
    throw barrier_refusal(o.barrier, *refused);
  const auto& last = std::get<BarrierWaiting>(end.answer);
  throw Error(ExitCode::timed_out, "timed_out",
              fmt::format("gave up at barrier '{}' after {}: {} of {} had arrived", o.barrier.name,
                          format_age(waiting.waited()), last.arrived, last.parties));
}

}  // namespace

Verb barrier_wait_verb() {
  auto o = std::make_shared<WaitOptions>();
  Verb verb;
  verb.name = "wait";
  verb.summary = "arrive and wait until all have; prints the arrival's index, from 0";
  verb.usage = "NAME --parties N [OPTIONS]";
  verb.examples = {"dcoord barrier wait phase1 --parties 8 -w 10m",
                   "dcoord barrier wait build --parties 3 --no-arrive && ./merge-results"};
  verb.declare = [o](OptionSet& set) {
    o->barrier.declare(set);
    set.duration("-w,--wait", o->wait, "wait at most so long, then leave and exit 124");
    set.integer("--leader-exit", "N", o->leader_exit, 0, 255,
                "exit code of one of those that pass and gave this; the others exit 0");
    set.flag("--no-arrive", o->no_arrive, "only wait until the N others have arrived");
    set.flag("--break", o->break_all,
             "giving up (-w, a signal) ends the wait of all others, too, with exit 124");
  };
  verb.run = [o](Context& context) { return wait(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
