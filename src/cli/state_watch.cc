#include <fmt/format.h>

#include <cstdio>
#include <limits>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/command_options.h"
#include "cli/state_follower.h"
#include "cli/state_verbs.h"
#include "cli/terminal.h"
#include "output/printer.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

constexpr size_t kLongestVariable = 100 << 10;  // an environment string has 128 KiB at most

hold::Command command_for(const Context& context, const StateFollower::Change& change) {
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
      Task<std::optional<StateFollower::Change>> following = follower_->next();
      const std::optional<StateFollower::Change> change = co_await following;
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
  void print(const StateFollower::Change& change) {
    output::Record record = describe_value(change.value, true);
    record.add("change", change.value.present ? "set" : "deleted").add("folded", change.folded);
    printer_->print(record);
    flush_stdout_for_reader();
  }

  Task<bool> handle(const StateFollower::Change& change) {
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
  std::optional<StateFollower> follower_;
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

}  // namespace dcoord::cli
