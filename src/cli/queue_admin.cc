#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/queue_verbs.h"
#include "output/payload.h"
#include "output/printers.h"
#include "primitives/queue.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using Part = Queue::Part;

struct Options {
  std::string name;
  long long count = 10;
  std::string what = "ready";
  bool yes = false;
  std::string action;
  std::vector<std::string> ids;
  std::string request_id;
};

void declare_name(Options& o, OptionSet& set) {
  set.positional("NAME", "queue", o.name, "name of the queue");
}

bool is_json(Context& context) { return context.config().format == Config::Format::json; }

/// Pushed to, and nobody is there who takes: what deserves a mark.
bool is_abandoned(const QueueView& view) {
  return view.ready > 0 && view.waiting == 0 && view.in_flight == 0 && view.pushed_per_minute > 0;
}

output::Record record_of(const QueueView& view) {
  output::Record record;
  record.add("name", view.name)
      .add("ready", view.ready)
      .add("delayed", view.delayed)
      .add("in_flight", view.in_flight)
      .add("dead", view.dead)
      .add("waiting", view.waiting);
  return record;
}

void print_view(Context& context, const QueueView& view) {
  output::Record record = record_of(view);
  const auto age = [&](const char* name, std::optional<Duration> d) {
    if (!d)
      record.add_null(name);
    else if (is_json(context))
      record.add(name, to_ms(*d));
    else
      record.add(name, format_age(*d));
  };
  age(is_json(context) ? "oldest_ms" : "oldest", view.oldest);
  record.add("overdue", view.overdue)
      .add("pushed", view.pushed)
      .add("done", view.done)
      .add("returned", view.returned)
      .add("buried", view.buried)
      .add("pushed_per_minute", view.pushed_per_minute)
      .add("done_per_minute", view.done_per_minute);
  for (const auto& group : view.groups) {
    if (group.lane.empty() && group.priority == kNormalPriority) continue;
    std::string key = fmt::format("ready_priority_{}", group.priority);
    if (!group.lane.empty()) key += "_lane_" + group.lane;
    record.add(std::move(key), group.ready);
  }
  context.printer().print(record);
}

void print_items(Context& context, const std::vector<PeekedItem>& items, bool dead) {
  std::vector<output::Record> records;
  for (const PeekedItem& item : items) {
    output::Record record;
    record.add("id", item.id).add("attempts", static_cast<long long>(item.attempts));
    if (!dead) record.add("priority", static_cast<long long>(item.priority)).add("lane", item.lane);
    if (dead) {
      if (item.cause.exit_code)
        record.add("exit_code", static_cast<long long>(*item.cause.exit_code));
      else
        record.add_null("exit_code");
      record.add("reason",
                 is_json(context) ? item.cause.text : output::shown_payload(item.cause.text, 60));
    }
    if (is_json(context)) {
      output::add_payload(record, item.payload);
      context.printer().print(record);
    } else {
      record.add("payload", output::shown_payload(item.payload, 80));
      records.push_back(std::move(record));
    }
  }
  if (!is_json(context)) context.printer().print(records);
}

/// Up to `count` of a part.
std::vector<PeekedItem> read(Context& context, Queue& queue, Part part, long long count) {
  std::vector<PeekedItem> items;
  while (static_cast<long long>(items.size()) < count) {
    const auto from = static_cast<long long>(items.size());
    auto page = context.loop().run(
        queue.peek(part, from, static_cast<int>(std::min<long long>(count - from, kMostTaken)),
                   context.patience()));
    if (page.empty()) break;
    std::move(page.begin(), page.end(), std::back_inserter(items));
  }
  return items;
}

/// Asks on the terminal, unless --yes.
void confirm(const Options& o, const std::string& question) {
  if (o.yes) return;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0)
    throw usage_error("this throws items away", "say so with --yes");
  log::note(0, question + " Type yes:");
  char line[16] = {};
  if (std::fgets(line, sizeof line, stdin) == nullptr || std::string_view(line) != "yes\n")
    throw Error(ExitCode::refused, "not_confirmed", "nothing was thrown away");
}

void print_count(Context& context, const char* what, long long n) {
  output::Record record;
  record.add(what, n);
  if (is_json(context))
    context.printer().print(record);
  else
    log::note(0, fmt::format("{} {} item{}", what, n, n == 1 ? "" : "s"));
}

int purge(Context& context, const Options& o) {
  check_name(o.name, "queue name");
  confirm(o, fmt::format("All {} items of queue '{}' are thrown away.", o.what, o.name));
  const Keys keys(context.config().key_namespace);
  Queue queue(context.loop(), context.scripts(), keys, o.name);
  long long n = 0;
  for (const auto& [word, part] :
       {std::pair{"ready", Part::ready}, {"delayed", Part::delayed}, {"dead", Part::dead}}) {
    if (o.what == word || o.what == "all")
      n += context.loop().run(queue.purge(part, {}, context.patience()));
  }
  print_count(context, "purged", n);
  return to_int(ExitCode::ok);
}

int dead_show(Context& context, Queue& queue, const Options& o) {
  for (const PeekedItem& item : read(context, queue, Part::dead, 1LL << 40)) {
    if (o.ids.size() != 1 || item.id != o.ids[0]) continue;
    if (is_json(context)) {
      print_items(context, {item}, true);
    } else {
      output::write_out(fmt::format(
          "id {}, {} attempts{}\n", item.id, item.attempts,
          item.cause.exit_code ? fmt::format(", exit code {}", *item.cause.exit_code) : ""));
      if (!item.cause.text.empty())
        output::write_out("--- why\n" + log::printable(item.cause.text) + "\n");
      output::write_out("--- item\n" + log::printable(item.payload) + "\n");
    }
    return to_int(ExitCode::ok);
  }
  throw Error(ExitCode::no, "not_dead",
              fmt::format("no dead item of queue '{}' has that id", queue.name()),
              fmt::format("`dcoord queue dead list {}` lists them", queue.name()));
}

int dead(Context& context, const Options& o) {
  check_name(o.name, "queue name");
  const Keys keys(context.config().key_namespace);
  Queue queue(context.loop(), context.scripts(), keys, o.name);
  if (o.action == "list") {
    const auto items = read(context, queue, Part::dead, o.count);
    print_items(context, items, true);
    return to_int(items.empty() ? ExitCode::no : ExitCode::ok);
  }
  if (o.action == "show") return dead_show(context, queue, o);
  if (o.action == "retry") {
    print_count(context, "revived", context.loop().run(queue.revive(o.ids, context.patience())));
    return to_int(ExitCode::ok);
  }
  if (o.action != "purge") {
    throw usage_error(fmt::format("'{}' is nothing to do with the dead", o.action),
                      "list, show, retry or purge");
  }
  if (o.ids.empty())
    confirm(o, fmt::format("All dead items of queue '{}' are thrown away.", o.name));
  print_count(context, "purged",
              context.loop().run(queue.purge(Part::dead, o.ids, context.patience())));
  return to_int(ExitCode::ok);
}

}  // namespace

Verb queue_show_verb() {
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "show";
  verb.summary = "what is in a queue, and how fast it moves; exit 1 if there is none";
  verb.usage = "NAME";
  verb.examples = {"dcoord queue show urls", "dcoord queue show urls --json"};
  verb.declare = [o](OptionSet& set) { declare_name(*o, set); };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "queue name");
    const Keys keys(context.config().key_namespace);
    Queue queue(context.loop(), context.scripts(), keys, o->name);
    const QueueView view = co_await queue.show(context.patience());
    print_view(context, view);
    co_return to_int(view.exists ? ExitCode::ok : ExitCode::no);
  });
  return verb;
}

Verb queue_list_verb() {
  Verb verb;
  verb.name = "list";
  verb.summary = "all queues";
  verb.usage = "";
  verb.examples = {"dcoord queue list"};
  verb.run = [](Context& context) {
    const Keys keys(context.config().key_namespace);
    const auto views = context.loop().run(list_queues(context.scripts(), keys, context.patience()));
    std::vector<output::Record> records;
    for (const QueueView& view : views) {
      output::Record record = record_of(view);
      record.add("pushed_per_minute", view.pushed_per_minute)
          .add("done_per_minute", view.done_per_minute);
      if (is_json(context))
        record.add_bool("abandoned", is_abandoned(view));
      else
        record.add("note", is_abandoned(view) ? "growing, and no workers" : "");
      records.push_back(std::move(record));
    }
    context.printer().print(records);
    return to_int(ExitCode::ok);
  };
  return verb;
}

Verb queue_peek_verb() {
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "peek";
  verb.summary = "look at the next items without taking them; exit 1 when there are none";
  verb.usage = "NAME [--count N]";
  verb.examples = {"dcoord queue peek urls --count 3"};
  verb.declare = [o](OptionSet& set) {
    declare_name(*o, set);
    set.integer("--count", "N", o->count, 1, 100000, "how many at most");
  };
  verb.run = [o](Context& context) {
    check_name(o->name, "queue name");
    const Keys keys(context.config().key_namespace);
    Queue queue(context.loop(), context.scripts(), keys, o->name);
    auto items = read(context, queue, Part::ready, o->count);
    const auto others = read(context, queue, Part::lanes, o->count);
    // Those that come first: of higher priority before, of lower behind what is normal.
    const auto split = std::partition_point(others.begin(), others.end(), [](const PeekedItem& i) {
      return i.lane.empty() && i.priority > kNormalPriority;
    });
    items.insert(items.begin(), others.begin(), split);
    items.insert(items.end(), split, others.end());
    if (static_cast<long long>(items.size()) > o->count)
      items.resize(static_cast<size_t>(o->count));
    print_items(context, items, false);
    return to_int(items.empty() ? ExitCode::no : ExitCode::ok);
  };
  return verb;
}

Verb queue_purge_verb() {
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "purge";
  verb.summary = "throw items away; those in flight stay";
  verb.usage = "NAME [--what ready|delayed|dead|all] [--yes]";
  verb.examples = {"dcoord queue purge urls --yes"};
  verb.declare = [o](OptionSet& set) {
    declare_name(*o, set);
    set.choice("--what", "WHAT", o->what, {"ready", "delayed", "dead", "all"}, "which items")
        .from_environment = false;
    set.flag("--yes", o->yes, "do not ask").from_environment = false;
    set.text("--request-id", "ID", o->request_id,
             "accepted everywhere; purging again is always safe")
        .from_environment = false;
  };
  verb.run = [o](Context& context) { return purge(context, *o); };
  return verb;
}

Verb queue_dead_verb() {
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "dead";
  verb.summary = "items that were given up: list, show, retry or purge them";
  verb.usage = "list|show|retry|purge NAME [ID...]";
  verb.examples = {"dcoord queue dead list mails", "dcoord queue dead retry mails"};
  verb.declare = [o](OptionSet& set) {
    set.positional("ACTION", "", o->action, "what to do").choices = {"list", "show", "retry",
                                                                     "purge"};
    declare_name(*o, set);
    set.positionals("ID", o->ids, "of which items; all without");
    set.integer("--count", "N", o->count, 1, 100000, "list: how many at most");
    set.flag("--yes", o->yes, "purge: do not ask").from_environment = false;
    set.text("--request-id", "ID", o->request_id, "accepted everywhere; once more is always safe")
        .from_environment = false;
  };
  verb.run = [o](Context& context) { return dead(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
