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

Record detail(const BreakerView& view) {
  Record record = summary(view);
  const BreakerSettings& s = view.settings;
  record.add("probes_out", view.probes_out)
      .add("probes_succeeded", view.probes_succeeded)
      .add("all_calls", view.all_calls)
      .add("all_failures", view.all_failures)
      .add("failure_threshold", s.failures)
      .add("failure_rate", s.rate)
      .add("min_calls", s.min_calls)
      .add("sampling_duration_ms", to_ms(s.window))
      .add("recovery_timeout_ms", to_ms(s.recovery))
      .add("recovery_max_ms", to_ms(s.longest_recovery))
      .add("probes", s.probes)
      .add("min_reporters", s.reporters);
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
  verb.run = [name](Context& context) {
    check_name(*name, "breaker name");
    const Keys keys(context.config().key_namespace);
    Breaker breaker(context.scripts(), keys, *name);
    const BreakerView view =
        context.loop().run(breaker.status(kShownReporters, context.patience()));
    if (!view.known) log::note(0, fmt::format("breaker '{}' has not been used yet", *name));
    context.printer().print(view.known ? detail(view) : summary(view));
    switch (view.state) {
      case BreakerState::open:
        return to_int(ExitCode::no);
      case BreakerState::half_open:
        return to_int(ExitCode::half_open);
      case BreakerState::closed:
        break;
    }
    return to_int(ExitCode::ok);
  };
  return verb;
}

Verb list_verb() {
  Verb verb;
  verb.name = "list";
  verb.summary = "all breakers and their states";
  verb.usage = "";
  verb.examples = {"dcoord breaker list", "dcoord breaker list --json"};
  verb.run = [](Context& context) {
    const Keys keys(context.config().key_namespace);
    const auto views =
        context.loop().run(list_breakers(context.scripts(), keys, context.patience()));
    std::vector<Record> records;
    records.reserve(views.size());
    for (const BreakerView& view : views) records.push_back(summary(view));
    context.printer().print(records);
    return to_int(ExitCode::ok);
  };
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
int force(Context& context, const ForceOptions& o,
          const std::function<Task<BreakerView>(Breaker&, std::string, Holder)>& action) {
  check_name(o.name, "breaker name");
  const Keys keys(context.config().key_namespace);
  Breaker breaker(context.scripts(), keys, o.name);
  const BreakerView view = context.loop().run(
      action(breaker, request_token(o.request_id), this_process(owner_id(), "", "")));
  if (!view.known) {
    log::note(1, fmt::format("nothing is known of breaker '{}'", o.name));
    return to_int(ExitCode::no);
  }
  return to_int(ExitCode::ok);
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
  verb.run = [o](Context& context) {
    return force(context, *o, [&](Breaker& breaker, std::string token, Holder who) {
      return breaker.trip(std::move(token), std::move(who), context.patience());
    });
  };
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
  verb.run = [o](Context& context) {
    const auto length = parse_duration(o->length);
    const bool fits = length && (*length == kForever || *length <= std::chrono::hours(24 * 366));
    if (!fits || *length <= Duration::zero()) {
      throw usage_error(
          fmt::format("'{}' is no time to hold a breaker open for", log::printable(o->length)),
          "30m, 2h, up to 366d, or inf");
    }
    return force(context, *o, [&](Breaker& breaker, std::string token, Holder who) {
      return breaker.hold_open(std::move(token), *length, std::move(who), context.patience());
    });
  };
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
  verb.run = [o](Context& context) {
    return force(context, *o, [&](Breaker& breaker, std::string token, Holder who) {
      return breaker.reset(std::move(token), std::move(who), context.patience());
    });
  };
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
