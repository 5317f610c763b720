#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/race.h"
#include "base/token.h"
#include "cli/command_options.h"
#include "cli/context.h"
#include "cli/state_verbs.h"
#include "hold/interrupts.h"
#include "hold/supervisor.h"
#include "output/printer.h"
#include "primitives/state.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

constexpr size_t kLongestVariable = 100 << 10;  // an environment string has 128 KiB at most

struct WatchOptions {
  std::string name;
  std::optional<long long> since;
  std::optional<std::string> until;
  Duration wait = kForever;
  long long total = 100;
};

/// Follows one value, change by change, until a signal or the end of the wait.
class Follower {
 public:
  struct Change {
    StateValue value;
    long long folded = 0;  ///< so many changes before it were not seen
  };

  /// With a `supervisor` it is that which collects the signals.
  Follower(Context& context, const WatchOptions& o, hold::Supervisor* supervisor)
      : context_(context),
        loop_(context.loop()),
        supervisor_(supervisor),
        keys_(context.config().key_namespace),
        state_(loop_, context.scripts(), keys_, o.name),
        until_(add(loop_.now(), o.wait)),
        known_(o.since ? std::to_string(*o.since) : "0"),
        all_(o.since.has_value()) {
    if (supervisor_ == nullptr) interrupts_.emplace(loop_, context.start());
  }

  /// The next change; nothing when the wait is over, or a signal came: signal().
  Task<std::optional<Change>> next() {
    while (true) {
      const Config& config = context_.config();
      redis::Patience patience = context_.patience(config.connect_timeout + config.command_timeout);
      if (answered_) patience = {std::max(until_, patience.until), kNever};
      Task<std::optional<StateValue>> looking = state_.next(known_, token_, until_, patience);
      Task<int> interrupted =
          supervisor_ != nullptr ? supervisor_->interrupted() : interrupts_->next();
      Task<std::variant<std::optional<StateValue>, int>> both =
          race(loop_, std::move(looking), std::move(interrupted));
      auto outcome = co_await both;
      if (const int* signal = std::get_if<int>(&outcome)) {
        signal_ = *signal;
        co_return std::nullopt;
      }
      auto& value = std::get<std::optional<StateValue>>(outcome);
      if (!value) co_return std::nullopt;
      Change change;
      if (answered_) change.folded = std::max(0LL, value->changes - changes_ - 1);
      // That there was a value once is no news to one that begins to watch.
      const bool news = answered_ || all_ || value->present;
      known_ = value->version;
      changes_ = value->changes;
      answered_ = true;
      change.value = std::move(*value);
      if (news) co_return change;
    }
  }

  int signal() const { return signal_; }

 private:
  Context& context_;
  Loop& loop_;
  hold::Supervisor* supervisor_;
  std::optional<hold::Interrupts> interrupts_;
  Keys keys_;
  State state_;
  const std::string token_ = random_token();
  TimePoint until_;
  std::string known_;
  bool all_;
  bool answered_ = false;
  long long changes_ = 0;
  int signal_ = 0;
};

Error wait_over(const WatchOptions& o, const std::string& what) {
  return Error(
      ExitCode::timed_out, "timed_out",
      fmt::format("value '{}' did not become {} within {}", o.name, what, format_duration(o.wait)));
}

hold::Command command_for(const Context& context, const Follower::Change& change) {
  const StateValue& value = change.value;
  hold::Command command;
  command.argv = *context.tail();
  command.env = {{"DCOORD_KEY", value.name},
                 {"DCOORD_CHANGE", value.present ? "set" : "deleted"},
                 {"DCOORD_VERSION", value.version},
                 {"DCOORD_WRITER", writer_text(value.writer)},
                 {"DCOORD_FOLDED", std::to_string(change.folded)}};
  const bool fits = value.present && value.bytes.size() <= kLongestVariable &&
                    value.bytes.find('\0') == std::string::npos;
  if (fits)
    command.env.emplace_back("DCOORD_VALUE", value.bytes);
  else
    command.unset.emplace_back("DCOORD_VALUE");
  return command;
}

/// Prints changes, or runs a command for each, until `--until`; returns whether that came.
class Watch {
 public:
  Watch(Context& context, const WatchOptions& o) : context_(context), o_(o) {
    if (context.tail()) {
      if (context.tail()->empty()) throw usage_error("a command must follow '--'");
      context.prepare_to_hold(context.config().command_timeout);
      supervisor_.emplace(context.loop(), context.start());
    }
    follower_.emplace(context, o, supervisor_ ? &*supervisor_ : nullptr);
  }

  Task<bool> run() {
    while (true) {
      Task<std::optional<Follower::Change>> following = follower_->next();
      const std::optional<Follower::Change> change = co_await following;
      if (!change) co_return false;
      if (supervisor_) {
        Task<bool> handling = handle(*change);
        if (!co_await handling) co_return false;
      } else {
        print(*change);
      }
      if (o_.until && change->value.present && change->value.bytes == *o_.until) co_return true;
    }
  }

  int signal() const {
    return supervisor_ && supervisor_->asked_to_end() != 0 ? supervisor_->asked_to_end()
                                                           : follower_->signal();
  }

 private:
  void print(const Follower::Change& change) {
    output::Record record = describe_value(change.value, true);
    record.add("change", change.value.present ? "set" : "deleted").add("folded", change.folded);
    printer_->print(record);
    if (std::fflush(stdout) != 0)
      throw Error(ExitCode::internal, "output",
                  fmt::format("cannot write to stdout: {}", std::strerror(errno)));
  }

  Task<bool> handle(const Follower::Change& change) {
    hold::Command command = command_for(context_, change);
    hold::Options options;
    Task<hold::Outcome> running = supervisor_->run(std::move(command), options, kNever);
    const hold::Outcome outcome = co_await running;
    if (outcome.ending == hold::Ending::not_started) {
      throw not_started(context_.tail()->front(), outcome.exec_errno);
    }
    if (supervisor_->asked_to_end() != 0) co_return false;
    if (outcome.status != 0) {
      log::warning(fmt::format("the command for version {} of '{}' failed", change.value.version,
                               change.value.name));
    }
    co_return true;
  }

  Context& context_;
  const WatchOptions& o_;
  std::optional<hold::Supervisor> supervisor_;
  std::optional<Follower> follower_;
  std::unique_ptr<output::Printer> printer_ = output::make_printer({output::Format::json});
};

int watch(Context& context, const WatchOptions& o) {
  check_name(o.name, "key");
  int signal = 0;
  {
    Watch watching(context, o);
    if (context.loop().run(watching.run())) return to_int(ExitCode::ok);
    signal = watching.signal();
  }
  if (signal != 0) hold::die_of_signal(signal);
  if (o.until) throw wait_over(o, fmt::format("'{}'", log::printable(*o.until)));
  throw Error(ExitCode::timed_out, "timed_out",
              fmt::format("watched value '{}' for {}", o.name, format_duration(o.wait)));
}

/// "build  [##########--------------------]  33%  33/100"
std::string bar(const std::string& name, long long now, long long total) {
  constexpr int kWidth = 30;
  const double part = std::clamp(static_cast<double>(now) / static_cast<double>(total), 0.0, 1.0);
  const auto full = static_cast<size_t>(part * kWidth);
  return fmt::format("{}  [{}{}] {:3}%  {}/{}", name, std::string(full, '#'),
                     std::string(kWidth - full, '-'), static_cast<int>(part * 100), now, total);
}

Task<bool> show_progress(const WatchOptions& o, Follower& follower) {
  long long told = -1;  // in tenths of the whole, where the line is not rewritten
  while (true) {
    Task<std::optional<Follower::Change>> following = follower.next();
    const std::optional<Follower::Change> change = co_await following;
    if (!change) co_return false;
    if (!change->value.present) continue;
    const std::string& text = change->value.bytes;
    long long now = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), now);
    if (error != std::errc() || end != text.data() + text.size()) {
      throw Error(ExitCode::data, "no_integer",
                  fmt::format("value '{}' is no whole number: '{}'", o.name,
                              log::printable(text.substr(0, 40))));
    }
    const bool complete = now >= o.total;
    const auto tenth =
        static_cast<long long>(static_cast<double>(now) / static_cast<double>(o.total) * 10);
    if (log::settings().rewrite && !complete) {
      log::progress(bar(o.name, now, o.total));
    } else if (complete || tenth != told) {
      log::clear_progress();
      log::note(0, bar(o.name, now, o.total));
      told = tenth;
    }
    if (complete) co_return true;
  }
}

int progress(Context& context, const WatchOptions& o) {
  check_name(o.name, "key");
  int signal = 0;
  {
    Follower follower(context, o, nullptr);
    const bool complete = context.loop().run(show_progress(o, follower));
    log::clear_progress();
    if (complete) return to_int(ExitCode::ok);
    signal = follower.signal();
  }
  if (signal != 0) hold::die_of_signal(signal);
  throw wait_over(o, fmt::format("{} or more", o.total));
}

}  // namespace

Verb state_watch_verb() {
  auto o = std::make_shared<WatchOptions>();
  Verb verb;
  verb.name = "watch";
  verb.summary = "each change of a value as a JSON line, or a command run for each";
  verb.usage = "KEY [--since VERSION] [--until VALUE] [-w DUR] [-- COMMAND [ARG...]]";
  verb.examples = {"dcoord state watch release -- ./reload.sh",
                   "dcoord state watch migration --until done -w 1h"};
  verb.takes_tail = true;
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    set.integer("--since", "VERSION", o->since, 0, std::numeric_limits<long long>::max(),
                "only what is newer; without it, the value there is comes first")
        .from_environment = false;
    set.text("--until", "VALUE", o->until, "exit 0 as soon as this is the value").from_environment =
        false;
    set.duration("-w,--wait", o->wait, "watch at most so long, then exit 124");
  };
  verb.run = [o](Context& context) { return watch(context, *o); };
  return verb;
}

Verb state_progress_verb() {
  auto o = std::make_shared<WatchOptions>();
  Verb verb;
  verb.name = "progress";
  verb.summary = "a progress bar for a number that others raise, until it is complete";
  verb.usage = "KEY [--total N] [-w DUR]";
  verb.examples = {"dcoord state progress import --total 5000"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    set.integer("--total", "N", o->total, 1, std::numeric_limits<long long>::max(),
                "what is complete");
    set.duration("-w,--wait", o->wait, "wait at most so long, then exit 124");
  };
  verb.run = [o](Context& context) { return progress(context, *o); };
  return verb;
}

}  // namespace dcoord::cli
