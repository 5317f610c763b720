#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/context.h"
#include "cli/queue_items.h"
#include "cli/queue_verbs.h"
#include "output/printers.h"
#include "primitives/queue.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using Part = Queue::Part;

struct DeadOptions {
  std::string name;
  long long count = 10;
  bool yes = false;
  std::string action;
  std::vector<std::string> ids;
  std::string request_id;
};

/// Up to `count` of a part.
std::vector<PeekedItem> read_items(Context& context, Queue& queue, Part part, long long count) {
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

int dead_show(Context& context, Queue& queue, const DeadOptions& o) {
  for (const PeekedItem& item : read_items(context, queue, Part::dead, 1LL << 40)) {
    if (o.ids.size() != 1 || item.id != o.ids[0]) continue;
    if (context.json()) {
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

int dead(Context& context, const DeadOptions& o) {
  check_name(o.name, "queue name");
  const Keys keys(context.config().key_namespace);
  Queue queue(context.loop(), context.scripts(), keys, o.name);
  if (o.action == "list") {
    const auto items = read_items(context, queue, Part::dead, o.count);
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
    confirm_loss(o.yes, fmt::format("All dead items of queue '{}' are thrown away.", o.name));
  print_count(context, "purged",
              context.loop().run(queue.purge(Part::dead, o.ids, context.patience())));
  return to_int(ExitCode::ok);
}

}  // namespace

Verb queue_dead_verb() {
  auto o = std::make_shared<DeadOptions>();
  Verb verb;
  verb.name = "dead";
  verb.summary = "items that were given up: list, show, retry or purge them";
  verb.usage = "list|show|retry|purge NAME [ID...]";
  verb.examples = {"dcoord queue dead list mails", "dcoord queue dead retry mails"};
  verb.declare = [o](OptionSet& set) {
    set.positional("ACTION", "", o->action, "what to do").choices = {"list", "show", "retry",
                                                                     "purge"};
    set.positional("NAME", "queue", o->name, "name of the queue");
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
