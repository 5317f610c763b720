#include <limits>
#include <memory>

#include "base/error.h"
#include "cli/context.h"
#include "cli/state_verbs.h"
#include "output/printers.h"

namespace dcoord::cli {

using namespace primitives;
using output::Record;
using Why = StateRefused::Why;

int state_written(Context& context, const std::string& name, const StateAnswer& answer,
                  bool print_number) {
  if (const auto* refused = std::get_if<StateRefused>(&answer)) throw state_refusal(name, *refused);
  const auto& done = std::get<StateWritten>(answer);
  if (context.json()) {
    Record record;
    record.add("key", name);
    if (print_number) record.add("value", std::stoll(done.number));
    context.printer().print(record.add("version", std::stoll(done.version)));
  } else if (print_number) {
    output::write_out(done.number + "\n");
  }
  return to_int(ExitCode::ok);
}

Verb state_delete_verb() {
  struct Options {
    std::string name;
    std::optional<std::string> if_value;
    std::optional<long long> if_version;
    StateGuardOptions guard;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "delete";
  verb.summary = "delete a value; exit 1 if there is none";
  verb.usage = "KEY";
  verb.examples = {"dcoord state delete release"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    set.integer("--if-version", "N", o->if_version, 1, kLargestStateVersion,
                "only if this is the version of the value")
        .from_environment = false;
    set.text("--if-value", "V", o->if_value, "only if this is the value").from_environment = false;
    o->guard.declare(set);
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "key");
    StateChange change;
    change.deletes = true;
    if (o->if_version) change.if_version = std::to_string(*o->if_version);
    change.if_value = o->if_value;
    const Keys keys(context.config().key_namespace);
    State state(context.loop(), context.scripts(), keys, o->name);
    Task<StateAnswer> deleting = state.set(std::move(change), o->guard.guard(), context.patience());
    const StateAnswer answer = co_await deleting;
    const auto* refused = std::get_if<StateRefused>(&answer);
    if (refused != nullptr && refused->why == Why::absent) co_return to_int(ExitCode::no);
    co_return state_written(context, o->name, answer);
  });
  return verb;
}

Verb state_incr_verb() {
  struct Options {
    std::string name;
    StateIncrement increment;
    StateGuardOptions guard;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "incr";
  verb.summary = "add to a number and print it; exit 75 at a bound";
  verb.usage = "KEY [--by N] [--min N] [--max N]";
  verb.examples = {"dcoord state incr progress", "dcoord state incr budget --by -5 --min 0"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    constexpr long long least = std::numeric_limits<long long>::min();
    set.integer("--by", "N", o->increment.by, least, kLargestStateVersion, "how much to add");
    set.integer("--min", "N", o->increment.least, least, kLargestStateVersion,
                "refuse to get below this");
    set.integer("--max", "N", o->increment.most, least, kLargestStateVersion,
                "refuse to get above this");
    set.duration("-t,--ttl", o->increment.ttl,
                 "the value is gone after this time; without it, as before");
    o->guard.declare(set);
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "key");
    if (o->increment.ttl == kForever) throw usage_error("--ttl must end some time");
    const Keys keys(context.config().key_namespace);
    State state(context.loop(), context.scripts(), keys, o->name);
    Task<StateAnswer> adding = state.incr(o->increment, o->guard.guard(), context.patience());
    const StateAnswer answer = co_await adding;
    co_return state_written(context, o->name, answer, true);
  });
  return verb;
}

}  // namespace dcoord::cli
