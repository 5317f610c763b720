#include <fmt/format.h>
#include <unistd.h>

#include <iterator>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/nouns.h"
#include "cli/state_verbs.h"
#include "output/encode.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;

struct GetOptions {
  std::string name, all;
  bool raw = false;
  std::optional<std::string> fallback;
};

Task<int> get_all(Context& context, const GetOptions& o) {
  const Keys keys(context.config().key_namespace);
  Task<std::vector<ListedValue>> listing =
      list_values(context.scripts(), keys, o.all, true, context.patience());
  std::vector<ListedValue> values = co_await listing;
  std::vector<Record> records;
  for (ListedValue& value : values) {
    if (context.json()) {
      StateValue whole;
      whole.name = std::move(value.name);
      whole.present = true;
      whole.bytes = std::move(value.bytes);
      whole.version = std::to_string(value.version);
      whole.at = value.at;
      whole.left = value.left;
      whole.writer.host = std::move(value.host);
      whole.writer.pid = value.pid;
      records.push_back(describe_value(whole, true));
    } else {
      Record record;
      records.push_back(record.add("key", value.name).add("value", value.bytes));
    }
  }
  context.printer().print(records);
  co_return to_int(values.empty() ? ExitCode::no : ExitCode::ok);
}

Task<int> get(Context& context, const GetOptions& o) {
  if (!o.all.empty() && !o.name.empty()) throw usage_error("--all takes the place of KEY");
  if (!o.all.empty()) {
    Task<int> all = get_all(context, o);
    co_return co_await all;
  }
  if (o.name.empty())
    throw usage_error("missing argument KEY", "dcoord state get KEY, or --all PREFIX for several");
  check_name(o.name, "key");
  const Keys keys(context.config().key_namespace);
  State state(context.loop(), context.scripts(), keys, o.name);
  Task<StateValue> getting = state.get(context.patience());
  StateValue value = co_await getting;
  if (!value.present && !o.fallback) {
    log::note(1, fmt::format("there is no value '{}'", o.name));
    co_return to_int(ExitCode::no);
  }
  if (!value.present) {
    value.present = true;
    value.bytes = *o.fallback;
  }
  if (context.json()) {
    Record record = describe_value(value, true);
    context.printer().print(record);
    co_return to_int(ExitCode::ok);
  }
  // Exactly the bytes; a person's prompt shall begin on a line of its own.
  if (!o.raw && isatty(STDOUT_FILENO) == 1) value.bytes += '\n';
  output::write_out(value.bytes);
  co_return to_int(ExitCode::ok);
}

Verb get_verb() {
  auto o = std::make_shared<GetOptions>();
  Verb verb;
  verb.name = "get";
  verb.summary = "print a value, exactly; exit 1 if there is none";
  verb.usage = "KEY [--default V] | --all PREFIX";
  verb.examples = {"dcoord state get release", "dcoord state get --all build/ --json"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value", false);
    set.flag("--raw", o->raw, "no newline after the value on a terminal either").from_environment =
        false;
    set.text("--default", "V", o->fallback, "print this if there is no value, and exit 0")
        .from_environment = false;
    set.text("--all", "PREFIX", o->all, "all values whose keys begin so").from_environment = false;
  };
  batchable(verb, [o](Context& context) { return get(context, *o); });
  verb.several_steps = [o] { return !o->all.empty(); };
  return verb;
}

/// As describe_value has them, without the bytes.
output::Sheet sheet_of(const std::vector<ListedValue>& values) {
  output::Sheet sheet;
  sheet.columns = {"key", "version", "time", "writer", "ttl_ms"};
  sheet.rows = values.size();
  sheet.fill = [&values, writer = std::string()](size_t row, output::Cells& cells) mutable {
    const ListedValue& value = values[row];
    cells.text(value.name);
    cells.number(value.version);
    if (value.at == Millis(0))
      cells.null();
    else
      cells.time(value.at);
    writer.clear();
    if (!value.host.empty())
      fmt::format_to(std::back_inserter(writer), "{}:{}", value.host, value.pid);
    cells.text(writer);
    if (value.left)
      cells.number(value.left->count());
    else
      cells.null();
  };
  return sheet;
}

Verb list_verb() {
  auto prefix = std::make_shared<std::string>();
  Verb verb;
  verb.name = "list";
  verb.summary = "all values: key, version, time, writer";
  verb.usage = "[PREFIX]";
  verb.examples = {"dcoord state list", "dcoord state list build/ --json"};
  verb.declare = [prefix](OptionSet& set) {
    set.positional("PREFIX", "state", *prefix, "only keys that begin so", false);
  };
  batchable(verb, [prefix](Context& context) -> Task<int> {
    const Keys keys(context.config().key_namespace);
    Task<std::vector<ListedValue>> listing =
        list_values(context.scripts(), keys, *prefix, false, context.patience());
    const std::vector<ListedValue> values = co_await listing;
    context.printer().print(sheet_of(values));
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

}  // namespace

std::string writer_text(const Holder& writer) {
  return writer.host.empty() ? "" : fmt::format("{}:{}", writer.host, writer.pid);
}

Record describe_value(const StateValue& value, bool with_bytes) {
  Record record;
  record.add("key", value.name);
  if (with_bytes) {
    if (!value.present)
      record.add_null("value");
    else if (output::is_utf8(value.bytes))
      record.add("value", value.bytes);
    else
      record.add("value_base64", output::base64(value.bytes));
  }
  record.add("version", value.version == "0" ? 0LL : std::stoll(value.version));
  if (value.at == Millis(0))
    record.add_null("time");
  else
    record.add_time("time", value.at);
  record.add("writer", writer_text(value.writer));
  if (value.left)
    record.add("ttl_ms", value.left->count());
  else
    record.add_null("ttl_ms");
  return record;
}

Noun state_noun() {
  Noun noun;
  noun.name = "state";
  noun.summary = "values that a fleet shares: versions, conditions, watching";
  noun.examples = {"dcoord state set release 1.4.2 --fenced", "dcoord state incr deploys/today",
                   "dcoord state watch release -- ./reload.sh",
                   "dcoord state watch migration --until done -w 1h"};
  noun.verbs = {get_verb(),  state_set_verb(),   state_delete_verb(),  state_incr_verb(),
                list_verb(), state_watch_verb(), state_progress_verb()};
  return noun;
}

}  // namespace dcoord::cli
