#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/batch_command.h"
#include "cli/context.h"
#include "cli/globals.h"
#include "cli/item_feed.h"
#include "cli/nouns.h"
#include "cli/terminal.h"
#include "output/batch_line.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

constexpr size_t kLongestLine = 8 << 20;
constexpr size_t kReadAhead = 5000;  // lines that are checked before the first of them is run

struct Options {
  std::string file = "-";
  long long batch_size = 50;
  Duration batch_timeout = std::chrono::milliseconds(100);
  bool fail_fast = false;
};

/// One line on its way.
struct Running {
  Running(Context& context, Globals& globals, BatchLine l)
      : line(std::move(l)), command(context, globals, line) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  BatchLine line;
  BatchCommand command;
  Task<int> task;
  Task<void> lane;
  int code = 0;
  std::optional<Error> error;
};

class Batch {
 public:
  Batch(Context& context, const Options& o) : context_(context), o_(o), funnel_(context) {}

  /// Of a file, all of it is looked at before anything is run.
  Task<void> check(int fd) {
    ItemReader reader(context_.loop(), fd, Framing::lines, kLongestLine);
    std::string text;
    while (true) {
      if (reader.pop(text)) {
        check_line(reader.count(), text);
      } else if (reader.at_end()) {
        break;
      } else {
        co_await reader.fill(kNever);
      }
    }
  }

  Task<void> run(int fd) {
    ItemReader reader(context_.loop(), fd, Framing::lines, kLongestLine);
    ItemFeed feed;
    feed.enough = o_.batch_size;
    feed.timeout = o_.batch_timeout;
    feed.take = [this, &reader](const std::string& text) {
      if (auto line = check_line(reader.count(), text)) lines_.push_back(std::move(*line));
      return lines_.size() >= kReadAhead;
    };
    feed.send = [this] { return send(); };
    Task<void> feeding = feed.run(context_.loop(), reader);
    co_await feeding;
  }

  int code() const { return code_; }
  bool stopped() const { return o_.fail_fast && code_ != 0; }
  long long sent() const { return sent_; }

 private:
  std::optional<BatchLine> check_line(long long number, const std::string& text) {
    std::optional<BatchLine> line = read_batch_line(number, text);
    if (line) BatchCommand(context_, globals_, *line).check();
    return line;
  }

  Task<void> send() {
    const auto most = o_.fail_fast ? size_t{1} : static_cast<size_t>(o_.batch_size);
    while (!lines_.empty() && !stopped()) {
      std::deque<Running> group;
      bool alone = false;
      while (!lines_.empty() && group.size() < most && !alone) {
        Running& next = group.emplace_back(context_, globals_, std::move(lines_.front()));
        lines_.pop_front();
        prepare(next);
        alone = !next.error && next.command.several_steps();
        if (!alone || group.size() == 1) continue;
        // What stands before it comes to its end first.
        lines_.push_front(std::move(next.line));
        group.pop_back();
      }
      Task<void> carrying = carry_out(group);
      co_await carrying;
    }
    lines_.clear();
  }

  static void prepare(Running& running) {
    try {
      running.command.prepare();
    } catch (const Error& error) {
      running.error = error;
    }
  }

  Task<void> carry_out(std::deque<Running>& group) {
    for (Running& running : group) {
      sent_ = running.line.number;
      running.lane = run_one(running);
      context_.loop().start(running.lane);
    }
    const auto done = [](const Running& running) { return running.lane.done(); };
    while (!std::all_of(group.begin(), group.end(), done)) {
      if (funnel_.empty()) {
        co_await funnel_.asked().wait();
        continue;
      }
      Task<void> flushing = funnel_.flush();
      co_await flushing;
    }
    for (const Running& running : group) {
      output::write_out(output::batch_line(running.line.number, running.code,
                                           running.command.printed(), running.error));
      if (code_ == 0) code_ = running.code;
    }
    flush_stdout_for_reader();
  }

  Task<void> run_one(Running& running) {
    try {
      if (!running.error) {
        running.task = running.command.run(funnel_);
        running.code = co_await running.task;
      }
    } catch (const Error& error) {
      running.error = error;
    }
    if (running.error) running.code = to_int(running.error->code());
    funnel_.asked().set();  // or nobody would see that this was the last
  }

  Context& context_;
  const Options& o_;
  Globals globals_;
  BatchFunnel funnel_;
  std::deque<BatchLine> lines_;  // checked, not run
  int code_ = 0;                 // of the first that failed
  long long sent_ = 0;           // number of the last line that was run
};

int run_batch(Context& context, const Options& o) {
  UniqueFd file;
  int fd = STDIN_FILENO;
  if (o.file != "-") {
    file.reset(open(o.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw usage_error(fmt::format("{}: {}", o.file, std::strerror(errno)));
    fd = file.get();
  } else if (isatty(fd) != 0 && isatty(STDERR_FILENO) != 0) {
    log::note(0, "a command a line, as behind `dcoord`; ^D ends");
  }
  Batch batch(context, o);
  struct stat status {};
  const off_t start = lseek(fd, 0, SEEK_CUR);
  if (start >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    context.loop().run(batch.check(fd));
    if (lseek(fd, start, SEEK_SET) < 0)
      throw usage_error(fmt::format("{}: {}", o.file, std::strerror(errno)));
  }
  try {
    context.loop().run(batch.run(fd));
  } catch (const Error& error) {
    if (batch.sent() == 0 || error.code() != ExitCode::usage) throw;
    throw Error(error.code(), error.kind(), error.what(),
                fmt::format("the lines up to {} were run", batch.sent()));
  }
  return batch.code();
}

}  // namespace

Noun batch_noun() {
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.summary = "run many commands in one process, a command a line; a line of JSON for each";
  verb.usage = "[FILE | -] [OPTIONS]";
  verb.examples = {"dcoord batch commands.txt", "printf 'state incr %s\\n' a b c | dcoord batch",
                   "dcoord batch --fail-fast <<< \"lock acquire m1 -t 10m\""};
  verb.declare = [o](OptionSet& set) {
    set.positional("FILE", "file", o->file, "the commands; - is standard input", false);
    set.integer("--batch-size", "N", o->batch_size, 1, 1000, "commands sent together at most");
    set.duration("--batch-timeout", o->batch_timeout,
                 "send the commands that have come after so long, however few");
    set.flag("--fail-fast", o->fail_fast, "one after the other; none behind one that failed");
  };
  verb.run = [o](Context& context) { return run_batch(context, *o); };
  Noun noun;
  noun.name = "batch";
  noun.summary = verb.summary;
  noun.verbs = {verb};
  return noun;
}

}  // namespace dcoord::cli
