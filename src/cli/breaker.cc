#include <fmt/format.h>

#include <functional>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/breaker_options.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/nouns.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

constexpr int kShownReporters = 100;

Record summary(const BreakerView& view) {
  Record record;
  record.add("name", view.name).add("state", breaker_state_word(view.state));
  if (view.next_try)
    record.add("next_try_ms", view.next_try->count());
  else
    record.add_null("next_try_ms");
  record.add("calls", view.window_calls)
      .add("failures", view.window_failures)
      .add("rate", view.window_calls == 0 ? 0 : 100 * view.window_failures / view.window_calls)
      .add("reporters", view.reporter_count)
      .add("opened", view.opened)
      .add("why", describe_why(view));
  if (view.known)
    record.add_time("since", view.server_time - view.age);
  else
    record.add_null("since");
  return record;
}

Record detail(const BreakerView& view, bool json) {
  Record record = summary(view);
  record.add("probes_out", view.probes_out)
      .add("probes_succeeded", view.probes_succeeded)
      .add("all_calls", view.all_calls)
      .add("all_failures", view.all_failures);
  const BreakerSettings& s = view.settings;
  // An operator's word stores none: those of the first use will count.
  const bool stored = s.probes > 0;
  const auto add = [&](const char* setting, long long value) {
    if (stored)
      record.add(setting, value);
    else if (json)
      record.add_null(setting);
    else
      record.add(setting, "not set yet");
  };
  add("failure_threshold", s.failures);
  add("failure_rate", s.rate);
  add("min_calls", s.min_calls);
  add("sampling_duration_ms", to_ms(s.window));
  add("recovery_timeout_ms", to_ms(s.recovery));
  add("recovery_max_ms", to_ms(s.longest_recovery));
  add("probes", s.probes);
  add("min_reporters", s.reporters);
  std::vector<Record> reporters;
  for (const auto& [reporter, at] : view.reporters) {
    Record one;
    reporters.push_back(one.add("reporter", reporter).add_time("last_failure", at));
  }
  return record.add_list("failing", std::move(reporters));
}

Verb status_verb() {
  auto name = std::make_shared<std::string>();
  Verb verb;
  verb.name = "status";
  verb.summary = "the state of a breaker; exit 0 closed, 1 open, 2 half-open";
  verb.usage = "NAME";
  verb.examples = {"dcoord breaker status api", "dcoord breaker status api --json"};
  verb.declare = [name](OptionSet& set) {
    set.positional("NAME", "breaker", *name, "name of the breaker");
  };
  batchable(verb, [name](Context& context) -> Task<int> {
    check_name(*name, "breaker name");
    const Keys keys(context.config().key_namespace);
    Breaker breaker(context.scripts(), keys, *name);
    Task<BreakerView> asking = breaker.status(kShownReporters, context.patience());
    const BreakerView view = co_await asking;
    if (!view.known) log::note(0, fmt::format("breaker '{}' has not been used yet", *name));
    const bool json = context.json();
    context.printer().print(view.known ? detail(view, json) : summary(view));
    co_return to_int(view.state == BreakerState::open        ? ExitCode::no
                     : view.state == BreakerState::half_open ? ExitCode::half_open
                                                             : ExitCode::ok);
  });
  return verb;
}

Verb list_verb() {
  Verb verb;
  verb.name = "list";
  verb.summary = "all breakers and their states";
  verb.usage = "";
  verb.examples = {"dcoord breaker list", "dcoord breaker list --json"};
  batchable(verb, [](Context& context) -> Task<int> {
    const Keys keys(context.config().key_namespace);
    Task<std::vector<BreakerView>> listing =
        list_breakers(context.scripts(), keys, context.patience());
    const std::vector<BreakerView> views = co_await listing;
    std::vector<Record> records;
    records.reserve(views.size());
    for (const BreakerView& view : views) records.push_back(summary(view));
    context.printer().print(records);
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

struct ForceOptions {
  std::string name, length, request_id;

  void declare(OptionSet& set) { set.positional("NAME", "breaker", name, "name of the breaker"); }
  void declare_id(OptionSet& set) {
    set.text("--request-id", "ID", request_id,
             "identity of this request: run again with the same one, it is done once")
        .from_environment = false;
  }
};

/// What an operator does to a breaker; `action` gets its token and who asks.
Task<int> force(Context& context, const ForceOptions& o,
                std::function<Task<BreakerView>(Breaker&, std::string, Holder)> action) {
  check_name(o.name, "breaker name");
  const Keys keys(context.config().key_namespace);
  Breaker breaker(context.scripts(), keys, o.name);
  Task<BreakerView> acting =
      action(breaker, request_token(o.request_id), this_process(owner_id(), "", ""));
  const BreakerView view = co_await acting;
  if (!view.known) log::note(1, fmt::format("nothing is known of breaker '{}'", o.name));
  co_return to_int(view.known ? ExitCode::ok : ExitCode::no);
}

Verb trip_verb() {
  auto o = std::make_shared<ForceOptions>();
  Verb verb;
  verb.name = "trip";
  verb.summary = "open a breaker for its recovery time-out, as if calls had failed";
  verb.usage = "NAME";
  verb.examples = {"dcoord breaker trip api"};
  verb.declare = [o](OptionSet& set) {
    o->declare(set);
    o->declare_id(set);
  };
  batchable(verb, [o](Context& context) {
    return force(context, *o, [&context](Breaker& breaker, std::string token, Holder who) {
      return breaker.trip(std::move(token), std::move(who), context.patience());
    });
  });
  return verb;
}

Verb hold_open_verb() {
  auto o = std::make_shared<ForceOptions>();
  Verb verb;
  verb.name = "hold-open";
  verb.summary = "open a breaker for a time, or with inf until it is reset";
  verb.usage = "NAME DUR";
  verb.examples = {"dcoord breaker hold-open api 2h", "dcoord breaker hold-open api inf"};
  verb.declare = [o](OptionSet& set) {
    o->declare(set);
    set.positional("DUR", "", o->length, "for how long: 30m, 2h, or inf");
    o->declare_id(set);
  };
  batchable(verb, [o](Context& context) {
    const auto length = parse_duration(o->length);
    const bool fits = length && (*length == kForever || *length <= std::chrono::hours(24 * 366));
    if (!fits || *length <= Duration::zero()) {
      throw usage_error(
          fmt::format("'{}' is no time to hold a breaker open for", log::printable(o->length)),
          "30m, 2h, up to 366d, or inf");
    }
    return force(
        context, *o, [&context, time = *length](Breaker& breaker, std::string token, Holder who) {
          return breaker.hold_open(std::move(token), time, std::move(who), context.patience());
        });
  });
  return verb;
}

Verb reset_verb() {
  auto o = std::make_shared<ForceOptions>();
  Verb verb;
  verb.name = "reset";
  verb.summary = "close a breaker and forget its failures; exit 1 if nothing is known of it";
  verb.usage = "NAME";
  verb.examples = {"dcoord breaker reset api"};
  verb.declare = [o](OptionSet& set) {
    o->declare(set);
    o->declare_id(set);
  };
  batchable(verb, [o](Context& context) {
    return force(context, *o, [&context](Breaker& breaker, std::string token, Holder who) {
      return breaker.reset(std::move(token), std::move(who), context.patience());
    });
  });
  return verb;
}

}  // namespace

Noun breaker_noun() {
  Noun noun;
  noun.name = "breaker";
  noun.summary = "do not call for a while what keeps failing, on no host of the fleet";
  noun.examples = {"dcoord breaker run api -- curl -fsS https://api.example/",
                   "eval \"$(dcoord breaker allow api)\" || exit", "dcoord breaker status api"};
  noun.verbs = {breaker_run_verb(), breaker_allow_verb(), breaker_record_verb(), status_verb(),
                list_verb(),        trip_verb(),          hold_open_verb(),      reset_verb()};
  return noun;
}

}  // namespace dcoord::cli
