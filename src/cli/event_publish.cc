#include <fcntl.h>
#include <fmt/format.h>

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
#include "cli/event_verbs.h"
#include "cli/held.h"
#include "cli/item_feed.h"
#include "cli/size_option.h"
#include "cli/state_verbs.h"
#include "output/printers.h"
#include "primitives/event.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

constexpr size_t kGroupBytes = 2 << 20;    // in one pipeline
constexpr size_t kBatchBytes = 256 << 10;  // in one script
constexpr long long kBatch = 1000, kGroup = 16 * kBatch;

struct PublishOptions {
  std::string topic;
  std::string argument;  // what DATA is bound to; `data` tells whether it was given
  std::optional<std::string> data, file;
  bool null = false, whole = false;
  EventKeep keep;
  long long max_size = 1 << 20;
  long long resume_from = 0;
  std::string request_id;

  bool reads_input() const { return file || whole || null || data == "-"; }
};

class EventPublish {
 public:
  EventPublish(Context& context, const PublishOptions& o)
      : context_(context),
        o_(o),
        keys_(context.config().key_namespace),
        topic_(context.scripts(), keys_, o.topic),
        producer_(o.request_id.empty() ? random_token() : request_token(o.request_id)),
        who_(writer_text(this_process("", "", ""))),
        json_(context.json()),
        position_(o.resume_from) {}

  Task<void> one(std::string data) {
    if (data.size() > max_size()) refuse_large_item(1, data.size(), max_size());
    prints_ids_ = true;
    bytes_ = data.size();
    events_.push_back(std::move(data));
    Task<void> sending = send();
    co_await sending;
  }

  Task<void> input(int fd) {
    ItemReader reader(context_.loop(), fd,
                      o_.whole  ? Framing::whole
                      : o_.null ? Framing::nul
                                : Framing::lines,
                      max_size());
    prints_ids_ = json_ || o_.whole;
    ItemFeed feed;
    feed.take = [this, &reader](std::string data) {
      if (reader.count() <= o_.resume_from) return false;
      bytes_ += data.size();
      events_.push_back(std::move(data));
      return static_cast<long long>(events_.size()) >= kGroup || bytes_ >= kGroupBytes;
    };
    feed.send = [this] { return send(); };
    std::optional<Error> failure;
    try {
      Task<void> feeding = feed.run(context_.loop(), reader);
      co_await feeding;
    } catch (const Error& error) {
      failure.emplace(with_progress(error));
    }
    if (failure) throw *failure;
    if (reader.count() < o_.resume_from) {
      throw Error(ExitCode::data, "resume",
                  fmt::format("--resume-from {}: the input has {} lines only", o_.resume_from,
                              reader.count()));
    }
  }

 private:
  size_t max_size() const { return static_cast<size_t>(o_.max_size); }

  Task<void> send() {
    if (events_.empty()) co_return;
    std::vector<PublishBatch> out = batches();
    std::vector<long long> ends;
    for (const PublishBatch& batch : out)
      ends.push_back(batch.position + static_cast<long long>(batch.events.size()));
    Task<std::vector<Published>> publishing =
        topic_.publish(producer_, who_, o_.keep, std::move(out), context_.patience());
    const std::vector<Published> answers = co_await publishing;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].what == Published::What::gap) {
        throw Error(ExitCode::unavailable, "gap",
                    fmt::format("the server has only {} of the {} events that it said it had",
                                answers[i].behind, position_),
                    "it lost data: see its persistence settings");
      }
      position_ = ends[i];
      if (prints_ids_) print_ids(answers[i]);
    }
    events_.clear();
    bytes_ = 0;
  }

  std::vector<PublishBatch> batches() {
    std::vector<PublishBatch> out;
    size_t bytes = 0;
    long long position = position_;
    for (auto& event : events_) {
      const bool fits =
          !out.empty() && out.back().events.size() < kBatch && bytes + event.size() <= kBatchBytes;
      if (!fits) {
        out.emplace_back();
        out.back().position = position;
        out.back().follows = out.size() == 1;  // all before was answered
        bytes = 0;
      }
      bytes += event.size();
      ++position;
      out.back().events.push_back(std::move(event));
    }
    return out;
  }

  void print_ids(const Published& published) {
    EventId id = published.first;
    for (long long i = 0; i < published.count; ++i, ++id.number) {
      if (!json_) {
        output::write_out(id.text() + "\n");
        continue;
      }
      output::Record record;
      context_.printer().print(record.add("topic", topic_.name()).add("id", id.text()));
    }
  }

  /// What was published of an input, and how to go on behind it.
  Error with_progress(const Error& error) const {
    std::string hint = error.hint();
    if (position_ > 0) {
      hint = fmt::format("{} events were published: go on with --request-id {} --resume-from {}",
                         position_, producer_, position_);
    } else if (error.code() == ExitCode::unknown) {
      hint =
          fmt::format("run it again with --request-id {}: nothing is published twice", producer_);
    }
    return Error(error.code(), error.kind(), error.what(), hint);
  }

  Context& context_;
  const PublishOptions& o_;
  Keys keys_;
  Topic topic_;
  const std::string producer_, who_;
  const bool json_;
  bool prints_ids_ = false;
  long long position_;
  std::vector<std::string> events_;
  size_t bytes_ = 0;
};

Task<int> publish(Context& context, const PublishOptions& o) {
  check_name(o.topic, "topic");
  std::vector<std::string> given;
  if (o.data) given.push_back(*o.data);
  if (context.tail()) given.insert(given.end(), context.tail()->begin(), context.tail()->end());
  if (given.size() > 1) throw usage_error("one event at a time", "a line each of stdin: -");
  if (o.file && !given.empty()) throw usage_error("either DATA or --file, not both");
  if (o.null && o.whole) throw usage_error("only one of -0 and --whole");
  if ((o.null || o.whole) && !o.file && o.data != "-")
    throw usage_error("-0 and --whole are about input", "read it with - or --file");
  if (o.resume_from > 0 && !o.reads_input()) throw usage_error("--resume-from is about input");
  EventPublish publishing(context, o);
  if (!o.reads_input()) {
    Task<void> one = publishing.one(given.empty() ? "" : given.front());
    co_await one;
    co_return to_int(ExitCode::ok);
  }
  UniqueFd file;
  int fd = STDIN_FILENO;
  if (o.file && *o.file != "-") {
    file.reset(open(o.file->c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw usage_error(fmt::format("--file {}: {}", *o.file, std::strerror(errno)));
    fd = file.get();
  }
  Task<void> input = publishing.input(fd);
  co_await input;
  co_return to_int(ExitCode::ok);
}

void set_keep(PublishOptions& o, std::string_view value, const Origin& origin) {
  const bool number = !value.empty() && value.find_first_not_of("0123456789") == value.npos;
  if (value == "inf") {
    o.keep = {0, Duration::zero()};
  } else if (number && value.size() < 13 && std::stoll(std::string(value)) > 0) {
    o.keep = {std::stoll(std::string(value)), Duration::zero()};
  } else {
    const auto age = number ? std::nullopt : parse_duration(value);
    if (!age || *age < std::chrono::seconds(1))
      throw bad_value("number or duration", value, origin, "try 10000, 24h or inf");
    o.keep = {0, *age};
  }
}

void declare(PublishOptions& o, OptionSet& set) {
  set.positional("TOPIC", "topic", o.topic, "name of the topic");
  Option& data = set.positional("DATA", "", o.argument,
                                "the event's data; - reads standard input, an event a line", false);
  data.set = [&o](std::string_view text, const Origin&) { o.data = text; };
  Option& file = set.text("--file", "PATH", o.file, "read events from a file, a line each");
  file.kind = "file";
  file.from_environment = false;
  set.flag("-0,--null", o.null, "events of the input end with a NUL byte, not a newline")
      .from_environment = false;
  set.flag("--whole", o.whole, "the whole input is one event").from_environment = false;
  set.custom("--keep", "N|DUR",
             "from now on the topic keeps so many events, or those of so long (default: 10000)",
             [&o](std::string_view value, const Origin& origin) { set_keep(o, value, origin); });
  size_option(set, "--max-size", o.max_size, 64 << 20, "refuse a larger event");
  set.integer("--resume-from", "N", o.resume_from, 0, 1LL << 50,
              "pass over the first N events of the input")
      .from_environment = false;
  set.text("--request-id", "ID", o.request_id,
           "names this request: what was published under it is not again")
      .from_environment = false;
}

}  // namespace

Verb event_publish_verb() {
  auto o = std::make_shared<PublishOptions>();
  Verb verb;
  verb.name = "publish";
  verb.summary = "publish an event and print its id; or one for each line of standard input";
  verb.usage = "TOPIC [DATA | -] [OPTIONS]";
  verb.examples = {"dcoord event publish deploys 'web 1.4.2'", "dcoord event publish cache/flush",
                   "tail -F app.log | dcoord event publish logs -",
                   "dcoord event publish reports --file report.pdf --whole --keep 30d"};
  verb.takes_tail = true;
  verb.declare = [o](OptionSet& set) { declare(*o, set); };
  batchable(verb, [o](Context& context) { return publish(context, *o); });
  verb.batch_refusal = [o] {
    return std::string(o->reads_input() ? "it reads an input of its own" : "");
  };
  return verb;
}

}  // namespace dcoord::cli
