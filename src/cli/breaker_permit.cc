#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/breaker_options.h"
#include "cli/context.h"
#include "cli/held.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

/// What `allow` prints and `record` takes: the request, the epoch in which it was allowed, and of
/// which breaker.
struct Permit {
  std::string token, epoch, name;

  std::string text() const { return fmt::format("{}.{}.{}", token, epoch, name); }
  /// Throws Error (64) for what is none.
  static Permit parse(const std::string& text) {
    const size_t first = text.find('.');
    const size_t second = first == std::string::npos ? first : text.find('.', first + 1);
    Permit permit;
    if (second != std::string::npos) {
      permit = {text.substr(0, first), text.substr(first + 1, second - first - 1),
                text.substr(second + 1)};
    }
    const bool digits = !permit.epoch.empty() && permit.epoch.size() <= 16 &&
                        permit.epoch.find_first_not_of("0123456789") == std::string::npos;
    if (permit.token.size() != 32 || !digits || permit.name.empty()) {
      throw usage_error(fmt::format("--permit: '{}' is no permit", log::printable(text)),
                        "`dcoord breaker allow` prints one");
    }
    return permit;
  }
};

struct AllowOptions {
  BreakerOptions breaker;
  PermitOption permit;
  long long open_code = to_int(ExitCode::refused);
  std::string request_id;
};

void print_permit(Context& context, const std::string& name, const std::string& permit,
                  const char* state) {
  if (context.json()) {
    Record record;
    record.add("name", name).add("permit", permit).add("state", state);
    context.printer().print(record);
  } else if (context.config().format == Config::Format::plain) {
    output::write_out(permit + "\n");
  } else {
    output::write_out(fmt::format("DCOORD_BREAKER_PERMIT={}\nexport DCOORD_BREAKER_PERMIT\n",
                                  output::shell_quote(permit)));
  }
}

Task<int> allow(Context& context, const AllowOptions& o) {
  BreakerWanted wanted = o.breaker.wanted();
  o.permit.check();
  const std::string token = request_token(o.request_id);
  const Keys keys(context.config().key_namespace);
  BreakerAnswer answer;
  try {
    Breaker breaker(context.scripts(), keys, o.breaker.name);
    Task<BreakerAnswer> asking =
        breaker.allow(token, std::move(wanted), o.permit.ttl, context.patience());
    answer = co_await asking;
  } catch (const Error& error) {
    if (!o.breaker.goes_on_without(error)) throw;
    print_permit(context, o.breaker.name, "", "unknown");
    co_return to_int(ExitCode::ok);
  }
  o.breaker.compare(answer.view.settings);
  if (answer.what == BreakerAnswer::What::refused)
    throw breaker_refusal(answer.view, static_cast<int>(o.open_code));
  const Permit permit{token, answer.epoch, o.breaker.name};
  print_permit(context, o.breaker.name, permit.text(), breaker_state_word(answer.view.state));
  co_return to_int(ExitCode::ok);
}

struct RecordOptions {
  BreakerOptions breaker;
  ReporterOption reporter;
  std::string outcome, permit, request_id;
};

Task<int> record(Context& context, const RecordOptions& o) {
  static const std::map<std::string, BreakerOutcome> outcomes{{"success", BreakerOutcome::success},
                                                              {"failure", BreakerOutcome::failure},
                                                              {"ignored", BreakerOutcome::ignored}};
  BreakerWanted wanted = o.breaker.wanted();
  const auto outcome = outcomes.find(o.outcome);
  if (outcome == outcomes.end()) {
    throw usage_error(fmt::format("the outcome is success, failure or ignored, not '{}'",
                                  log::printable(o.outcome)));
  }
  Permit permit;
  if (!o.permit.empty()) {
    permit = Permit::parse(o.permit);
    if (permit.name != o.breaker.name) {
      throw usage_error(fmt::format("the permit is of breaker '{}', not '{}'",
                                    log::printable(permit.name), o.breaker.name),
                        "--permit, or DCOORD_BREAKER_PERMIT, is what `breaker allow` printed");
    }
  } else {
    permit.token = request_token(o.request_id);
  }
  Holder who = this_process(owner_id(), "", "");
  const Keys keys(context.config().key_namespace);
  BreakerRecorded recorded;
  try {
    Breaker breaker(context.scripts(), keys, o.breaker.name);
    Task<BreakerRecorded> telling =
        breaker.record(permit.token, permit.epoch, outcome->second, o.reporter.name(),
                       std::move(who), std::move(wanted), context.patience());
    recorded = co_await telling;
  } catch (const Error& error) {
    if (!o.breaker.goes_on_without(error)) throw;
    co_return to_int(ExitCode::ok);
  }
  o.breaker.compare(recorded.view.settings);
  if (!recorded.counted) {
    log::note(1, permit.epoch.empty() ? "not counted: the breaker is not closed, so only its "
                                        "probes count"
                                      : "not counted: the breaker has changed meanwhile");
  }
  tell_change(recorded);
  if (context.json()) {
    Record result;
    result.add("name", o.breaker.name)
        .add_bool("counted", recorded.counted)
        .add("state", breaker_state_word(recorded.view.state));
    context.printer().print(result);
  }
  co_return to_int(ExitCode::ok);
}

}  // namespace

Verb breaker_allow_verb() {
  auto o = std::make_shared<AllowOptions>();
  Verb verb;
  verb.name = "allow";
  verb.summary = "ask whether a call may be made, as an assignment for eval; exit 75 if not";
  verb.usage = "NAME [OPTIONS]";
  verb.examples = {"eval \"$(dcoord breaker allow api)\" || exit"};
  verb.for_eval = true;
  verb.declare = [o](OptionSet& set) {
    o->breaker.declare(set);
    o->permit.declare(set);
    set.integer("-E,--conflict-exit-code", "N", o->open_code, 1, 255,
                "exit code when the breaker is open");
    set.text("--request-id", "ID", o->request_id,
             "identity of this request: asked again with the same one, it is the same permit")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) { return allow(context, *o); });
  return verb;
}

Verb breaker_record_verb() {
  auto o = std::make_shared<RecordOptions>();
  Verb verb;
  verb.name = "record";
  verb.summary = "tell how a call ended; once for each permit";
  verb.usage = "NAME success|failure|ignored [--permit PERMIT]";
  verb.examples = {"dcoord breaker record api success",
                   "if ./query; then dcoord breaker record db success; else dcoord breaker record "
                   "db failure; fi"};
  verb.declare = [o](OptionSet& set) {
    o->breaker.declare(set);
    set.positional("OUTCOME", "", o->outcome,
                   "how it ended; ignored: a probe gives its permit back")
        .choices = {"success", "failure", "ignored"};
    set.text("--permit", "PERMIT", o->permit,
             "what `breaker allow` printed; without one, the call counts while the breaker is "
             "closed");
    o->reporter.declare(set);
    set.text("--request-id", "ID", o->request_id,
             "without a permit: identity of this request, which is counted once")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) { return record(context, *o); });
  return verb;
}

}  // namespace dcoord::cli
