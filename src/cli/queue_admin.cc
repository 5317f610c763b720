#include <fmt/format.h>

#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "cli/queue_items.h"
#include "cli/queue_verbs.h"
#include "output/printers.h"
#include "primitives/queue.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using Part = Queue::Part;

struct AdminOptions {
  std::string name;
  long long count = 10;
  std::string what = "ready";
  bool yes = false;
  std::string request_id;
};

void declare_name(AdminOptions& o, OptionSet& set) {
  set.positional("NAME", "queue", o.name, "name of the queue");
}

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
    else if (context.json())
      record.add(name, to_ms(*d));
    else
      record.add(name, format_age(*d));
  };
  age(context.json() ? "oldest_ms" : "oldest", view.oldest);
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

int purge(Context& context, const AdminOptions& o) {
  check_name(o.name, "queue name");
  confirm_loss(o.yes, fmt::format("All {} items of queue '{}' are thrown away.", o.what, o.name));
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

}  // namespace

Verb queue_show_verb() {
  auto o = std::make_shared<AdminOptions>();
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
  batchable(verb, [](Context& context) -> Task<int> {
    const Keys keys(context.config().key_namespace);
    Task<std::vector<QueueView>> listing = list_queues(context.scripts(), keys, context.patience());
    const std::vector<QueueView> views = co_await listing;
    std::vector<output::Record> records;
    for (const QueueView& view : views) {
      output::Record record = record_of(view);
      record.add("pushed_per_minute", view.pushed_per_minute)
          .add("done_per_minute", view.done_per_minute);
      if (context.json())
        record.add_bool("abandoned", is_abandoned(view));
      else
        record.add("note", is_abandoned(view) ? "growing, and no workers" : "");
      records.push_back(std::move(record));
    }
    context.printer().print(records);
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = always;
  return verb;
}

Verb queue_peek_verb() {
  auto o = std::make_shared<AdminOptions>();
  Verb verb;
  verb.name = "peek";
  verb.summary = "look at the next items without taking them; exit 1 when there are none";
  verb.usage = "NAME [--count N]";
  verb.examples = {"dcoord queue peek urls --count 3"};
  verb.declare = [o](OptionSet& set) {
    declare_name(*o, set);
    set.integer("--count", "N", o->count, 1, 100000, "how many at most");
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "queue name");
    const Keys keys(context.config().key_namespace);
    Queue queue(context.loop(), context.scripts(), keys, o->name);
    Task<std::vector<PeekedItem>> looking = queue.next(o->count, context.patience());
    const std::vector<PeekedItem> items = co_await looking;
    print_items(context, items, false);
    co_return to_int(items.empty() ? ExitCode::no : ExitCode::ok);
  });
  verb.several_steps = always;  // many items are several calls
  return verb;
}

Verb queue_purge_verb() {
  auto o = std::make_shared<AdminOptions>();
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

}  // namespace dcoord::cli
