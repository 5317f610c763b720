#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/token.h"
#include "base/unique_fd.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/queue_input.h"
#include "cli/queue_verbs.h"
#include "output/payload.h"
#include "primitives/queue.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr size_t kGroupBytes = 2 << 20;    // in one pipeline
constexpr size_t kBatchBytes = 256 << 10;  // in one script
constexpr long long kGroupBatches = 16;
// Of input that comes as fast as it is read; of other input a batch is sent sooner.
constexpr long long kFastBatch = 1000, kSlowBatch = 50;

struct Options {
  std::string name;
  std::vector<std::string> items;
  std::string file;
  bool null = false, whole = false, json_lines = false;
  std::optional<long long> batch_size;
  Duration batch_timeout = 100ms;
  PushOptions push;
  long long priority = kNormalPriority;
  std::optional<Duration> wait;
  size_t max_size = 1 << 20;
  long long resume_from = 0;
  std::string request_id;
};

class QueuePush {
 public:
  QueuePush(Context& context, const Options& o)
      : context_(context),
        o_(o),
        keys_(context.config().key_namespace),
        queue_(context.loop(), context.scripts(), keys_, o.name),
        producer_(o.request_id.empty() ? random_token() : request_token(o.request_id)),
        position_(o.resume_from),
        batch_(o.batch_size.value_or(kFastBatch)),
        // One after the other where the next one depends on what became of the last.
        group_(o.push.max_length > 0 || json() ? batch_ : batch_ * kGroupBatches),
        started_(context.loop().now()),
        shows_progress_(log::settings().rewrite &&
                        context.config().progress == Config::Progress::automatic) {}

  Task<void> push_all(std::vector<std::string> items) {
    for (size_t i = 0; i < items.size(); ++i)
      if (items[i].size() > o_.max_size)
        refuse_large_item(static_cast<long long>(i) + 1, items[i].size(), o_.max_size);
    for (auto& item : items) {
      gather(std::move(item));
      if (full()) co_await send();
    }
    co_await send();
  }

  Task<void> push_input(int fd, Framing framing) {
    ItemReader reader(context_.loop(), fd, framing, o_.max_size);
    const long long enough = o_.batch_size.value_or(kSlowBatch);
    TimePoint until = kNever;
    std::string item;
    while (true) {
      if (take(reader, item)) {
        if (reader.count() <= o_.resume_from) continue;
        if (items_.empty()) until = add(context_.loop().now(), o_.batch_timeout);
        gather(std::move(item));
        if (full()) co_await send();
        continue;
      }
      if (reader.at_end()) break;
      const bool waits = static_cast<long long>(items_.size()) >= enough && !reader.ready();
      const bool more = waits ? false : co_await reader.fill(items_.empty() ? kNever : until);
      if (!more) co_await send();
    }
    co_await send();
    if (reader.count() < o_.resume_from) {
      throw Error(ExitCode::data, "resume",
                  fmt::format("--resume-from {}: the input has {} items only", o_.resume_from,
                              reader.count()));
    }
  }

 private:
  bool json() const { return context_.config().format == Config::Format::json; }

  /// The next item of the input, checked. What is wrong with one stops all that is not sent yet.
  bool take(ItemReader& reader, std::string& item) {
    try {
      if (!reader.pop(item)) return false;
      if (o_.json_lines && !output::is_json(item)) {
        throw Error(ExitCode::data, "invalid_json",
                    fmt::format("line {} is not JSON", reader.count()));
      }
      return true;
    } catch (const Error& error) {
      throw with_progress(error);
    }
  }

  void gather(std::string item) {
    bytes_ += item.size();
    items_.push_back(std::move(item));
  }

  bool full() const {
    return static_cast<long long>(items_.size()) >= group_ || bytes_ >= kGroupBytes;
  }

  /// What was pushed of an input, and how to go on behind it.
  Error with_progress(const Error& error) const {
    std::string hint = error.hint();
    if (position_ > 0) {
      if (!hint.empty()) hint += "; ";
      hint += fmt::format("{} items were pushed: go on with --request-id {} --resume-from {}",
                          position_, producer_, position_);
    } else if (error.code() == ExitCode::unknown) {
      hint = fmt::format("run it again with --request-id {}: nothing is pushed twice", producer_);
    } else {
      hint += hint.empty() ? "nothing was pushed" : "; nothing was pushed";
    }
    return Error(error.code(), error.kind(), error.what(), hint);
  }

  /// Cuts what was gathered into batches.
  std::vector<PushBatch> batches() {
    std::vector<PushBatch> out;
    size_t bytes = 0;
    long long position = position_;
    for (auto& item : items_) {
      const bool fits = !out.empty() && static_cast<long long>(out.back().items.size()) < batch_ &&
                        bytes + item.size() <= kBatchBytes;
      if (!fits) {
        out.emplace_back();
        out.back().position = position;
        out.back().follows = out.size() == 1;  // all before was answered
        bytes = 0;
      }
      bytes += item.size();
      ++position;
      if (o_.push.max_length > 0)
        out.back().items.push_back(item);
      else
        out.back().items.push_back(std::move(item));
    }
    return out;
  }

  Task<void> send() {
    Duration pause = 20ms;
    const TimePoint until = add(context_.loop().now(), o_.wait.value_or(Duration::zero()));
    while (!items_.empty()) {
      std::vector<PushBatch> out = batches();
      // With a limit the answer to one decides on the next.
      if (o_.push.max_length > 0) out.resize(1);
      const long long before = position_;
      std::vector<long long> ends;
      for (const PushBatch& batch : out)
        ends.push_back(batch.position + static_cast<long long>(batch.items.size()));
      std::optional<Error> failure;
      try {
        Task<std::vector<Pushed>> pushing =
            queue_.push(producer_, o_.push, std::move(out), context_.patience());
        const std::vector<Pushed> answers = co_await pushing;
        for (size_t i = 0; i < answers.size(); ++i) take_answer(answers[i], ends[i]);
      } catch (const Error& error) {
        failure.emplace(with_progress(error));
      }
      if (failure) throw *failure;
      const auto gone = static_cast<std::ptrdiff_t>(
          std::min<long long>(position_ - before, static_cast<long long>(items_.size())));
      items_.erase(items_.begin(), items_.begin() + gone);
      show_progress();
      if (gone > 0) continue;
      if (context_.loop().now() >= until) throw with_progress(queue_full());
      co_await context_.loop().sleep_until(std::min(until, context_.loop().now() + pause));
      pause = std::min<Duration>(pause * 2, 500ms);
    }
    bytes_ = 0;
  }

  Error queue_full() const {
    return Error(ExitCode::refused, "full",
                 fmt::format("queue '{}' is full: {} items, --max-length {}", queue_.name(),
                             length_, o_.push.max_length),
                 o_.wait ? "" : "-w waits for room");
  }

  /// The answer to a batch that ends at a position.
  void take_answer(const Pushed& answer, long long end) {
    switch (answer.what) {
      case Pushed::What::pushed:
      case Pushed::What::again:
        position_ = std::min(end, answer.behind);
        print_ids(answer);
        break;
      case Pushed::What::duplicate:
        ++position_;
        log::note(1, fmt::format("an item with the id '{}' was pushed before", o_.push.id));
        if (json()) print_id(0, true);
        break;
      case Pushed::What::full:
        length_ = answer.length;
        break;
      case Pushed::What::gap:
        throw Error(ExitCode::unavailable, "gap",
                    fmt::format("the server has only {} of the {} items that it said it had",
                                answer.behind, position_),
                    "it lost data: see its persistence settings");
    }
  }

  void print_ids(const Pushed& answer) {
    if (!json()) return;
    for (long long i = 0; i < answer.count; ++i)
      print_id(answer.first_id == 0 ? 0 : answer.first_id + i, false);
  }
  void print_id(long long id, bool duplicate) {
    output::Record record;
    if (id == 0)
      record.add_null("id");
    else
      record.add("id", std::to_string(id));
    if (duplicate) record.add_bool("duplicate", true);
    context_.printer().print(record);
  }

  void show_progress() {
    if (!shows_progress_) return;
    const TimePoint now = context_.loop().now();
    if (now < next_progress_) return;
    next_progress_ = now + 200ms;
    const double seconds = std::chrono::duration<double>(now - started_).count();
    log::progress(
        fmt::format("dcoord: pushed {} items, {:.0f}/s", position_,
                    seconds > 0 ? static_cast<double>(position_ - o_.resume_from) / seconds : 0));
  }

  Context& context_;
  const Options& o_;
  Keys keys_;
  Queue queue_;
  const std::string producer_;
  long long position_;
  long long batch_, group_;
  std::vector<std::string> items_;
  size_t bytes_ = 0;
  long long length_ = 0;
  TimePoint started_, next_progress_{};
  bool shows_progress_;
};

Task<int> push(Context& context, const Options& o) {
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
  Options options = o;
  options.push.priority = static_cast<int>(o.priority);
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
  QueuePush pushing(context, options);
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

void declare(Options& o, OptionSet& set) {
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
              "items sent together: 1000 of input that comes fast, else 50");
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
  set.custom("--max-size", "SIZE", "largest item (default: 1MiB)",
             [&o](std::string_view value, const Origin& origin) {
               const auto size = parse_size(value);
               if (!size) throw bad_value("size", value, origin, "try 1MiB, 64KiB, 1000");
               o.max_size = *size;
             });
  set.integer("--resume-from", "N", o.resume_from, 0, 1LL << 50,
              "pass over the first N items of the input")
      .from_environment = false;
  set.text("--request-id", "ID", o.request_id,
           "names this push: what was pushed under it is not again")
      .from_environment = false;
}

}  // namespace

Verb queue_push_verb() {
  auto o = std::make_shared<Options>();
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
