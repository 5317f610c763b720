#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/context.h"
#include "cli/queue_pusher.h"
#include "cli/queue_verbs.h"
#include "cli/size_option.h"
#include "primitives/queue.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

Task<int> push(Context& context, const PushWishes& o) {
  check_name(o.name, "queue name");
  std::vector<std::string> items = o.items;
  if (context.tail()) items.insert(items.end(), context.tail()->begin(), context.tail()->end());
  const bool dash = items.size() == 1 && items[0] == "-" && !context.tail();
  if (dash) items.clear();
  if (!items.empty() && !o.file.empty()) throw usage_error("either items or --file, not both");
  const bool framed = o.null || o.whole || o.json_lines;
  if (!items.empty() && framed) throw usage_error("-0, --whole and --json-lines are about input");
  if (o.null + o.whole + o.json_lines > 1)
    throw usage_error("only one of -0, --whole and --json-lines");
  if (o.push.delay == kForever) throw usage_error("--delay must end some time");
  if (!o.push.id.empty() && items.size() != 1 && !o.whole)
    throw usage_error("--id is for a single item", "give one item, or --whole");
  if (o.wait && o.push.max_length == 0) throw usage_error("-w waits for room: see --max-length");
  PushWishes options = o;
  options.push.priority = static_cast<int>(o.priority);
  options.push.waits = o.wait.has_value();
  if (!o.push.lane.empty()) check_name(o.push.lane, "worker id");

  UniqueFd file;
  int input = STDIN_FILENO;
  if (!o.file.empty() && o.file != "-") {
    file.reset(open(o.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw usage_error(fmt::format("--file {}: {}", o.file, std::strerror(errno)));
    input = file.get();
  } else if (items.empty() && context.setup() == nullptr) {
    throw usage_error("nothing to push", "in a batch the items stand on the line");
  } else if (items.empty() && !dash && o.file.empty() && isatty(STDIN_FILENO) != 0) {
    throw usage_error("nothing to push", "give items, or - to type them");
  }
  QueuePusher pushing(context, options);
  if (items.empty()) {
    const Framing framing = o.null ? Framing::nul : o.whole ? Framing::whole : Framing::lines;
    Task<void> reading = pushing.push_input(input, framing);
    co_await reading;
  } else {
    Task<void> sending = pushing.push_all(std::move(items));
    co_await sending;
  }
  log::clear_progress();
  co_return to_int(ExitCode::ok);
}

void declare(PushWishes& o, OptionSet& set) {
  set.positional("NAME", "queue", o.name, "name of the queue");
  set.positionals("ITEM", o.items, "what to push; without any, or -, standard input is read");
  auto& file = set.text("--file", "FILE", o.file, "read items from a file");
  file.kind = "file";
  file.from_environment = false;
  set.flag("-0,--null", o.null, "items of the input end with a NUL byte, not a newline")
      .from_environment = false;
  set.flag("--whole", o.whole, "the whole input is one item").from_environment = false;
  set.flag("--json-lines", o.json_lines, "refuse a line of the input that is not JSON");
  set.integer("--batch-size", "N", o.batch_size, 1, kMostPushed,
              "items sent together: 500 of input that comes fast, else 50");
  set.duration("--batch-timeout", o.batch_timeout, "send what came, however little, after so long");
  set.duration("--delay", o.push.delay, "nobody gets it before");
  set.integer("--priority", "0-9", o.priority, 0, 9, "9 is taken first");
  set.text("--to", "WORKER", o.push.lane, "only for that worker, and those that steal")
      .from_environment = false;
  set.text("--id", "ID", o.push.id, "push nothing if this id was pushed within --dedup-window")
      .from_environment = false;
  set.duration("--dedup-window", o.push.window, "how long an --id is remembered");
  set.integer("--max-length", "N", o.push.max_length, 0, 1LL << 50,
              "refuse (75) what would make it longer; 0: no limit");
  set.duration("-w,--wait", o.wait, "with --max-length: wait for room so long");
  size_option(set, "--max-size", o.max_size, 64 << 20, "refuse a larger item");
  set.integer("--resume-from", "N", o.resume_from, 0, 1LL << 50,
              "pass over the first N items of the input")
      .from_environment = false;
  set.text("--request-id", "ID", o.request_id,
           "names this push: what was pushed under it is not again")
      .from_environment = false;
}

}  // namespace

Verb queue_push_verb() {
  auto o = std::make_shared<PushWishes>();
  Verb verb;
  verb.name = "push";
  verb.summary = "add items: arguments, or a line each of standard input";
  verb.usage = "NAME [ITEM...] [OPTIONS]";
  verb.examples = {"dcoord queue push mails 'to=ann' 'to=bob'", "dcoord queue push urls < urls.txt",
                   "find . -type f -print0 | dcoord queue push files -0",
                   "dcoord queue push jobs --delay 5m --priority 9 nightly"};
  verb.takes_tail = true;
  verb.declare = [o](OptionSet& set) { declare(*o, set); };
  batchable(verb, [o](Context& context) { return push(context, *o); });
  verb.batch_refusal = [o]() -> std::string {
    if (o->wait) return "it waits for room";
    const bool dash = o->items.size() == 1 && o->items[0] == "-";
    return dash || !o->file.empty() ? "it reads an input of its own" : "";
  };
  return verb;
}

}  // namespace dcoord::cli
