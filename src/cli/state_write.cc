#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/size_option.h"
#include "cli/state_verbs.h"
#include "output/encode.h"
#include "output/printers.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using output::Record;
using Why = StateRefused::Why;

constexpr long long kLargestInteger = std::numeric_limits<long long>::max();

struct SetOptions {
  std::string name;
  std::string argument;  // what VALUE is bound to; `value` tells whether it was given
  std::optional<std::string> value, file, if_value;
  std::optional<long long> if_version;
  Duration ttl{};
  bool if_absent = false, json_merge = false;
  long long max_size = 1 << 20;
  StateGuardOptions guard;
};

/// All of a file or of stdin; no more than `most` bytes of it.
std::string read_all(int fd, const std::string& what, long long most) {
  std::string bytes;
  std::array<char, 65536> buffer;
  while (static_cast<long long>(bytes.size()) <= most) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw usage_error(fmt::format("cannot read {}: {}", what, std::strerror(errno)));
    if (n == 0) break;
    bytes.append(buffer.data(), static_cast<size_t>(n));
  }
  return bytes;
}

std::string value_of(const Context& context, const SetOptions& o) {
  std::vector<std::string> given;
  if (o.value) given.push_back(*o.value);
  if (context.tail()) given.insert(given.end(), context.tail()->begin(), context.tail()->end());
  if (given.size() + (o.file ? 1 : 0) != 1) {
    throw usage_error("one value is needed",
                      "as an argument, - for stdin, or --file FILE; one that "
                      "begins with a dash stands after --");
  }
  std::string bytes;
  if (o.file) {
    const UniqueFd fd(open(o.file->c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw usage_error(fmt::format("--file {}: {}", *o.file, std::strerror(errno)));
    bytes = read_all(fd.get(), fmt::format("--file {}", *o.file), o.max_size);
  } else if (o.value && *o.value == "-") {
    bytes = read_all(STDIN_FILENO, "stdin", o.max_size);
  } else {
    bytes = given.front();
  }
  if (static_cast<long long>(bytes.size()) > o.max_size) {
    throw Error(ExitCode::data, "too_large",
                fmt::format("the value is larger than {} bytes", o.max_size),
                "--max-size allows more");
  }
  return bytes;
}

int written(Context& context, const std::string& name, const StateAnswer& answer,
            bool print_number = false) {
  if (const auto* refused = std::get_if<StateRefused>(&answer)) throw state_refusal(name, *refused);
  const auto& done = std::get<StateWritten>(answer);
  if (context.config().format == Config::Format::json) {
    Record record;
    record.add("key", name);
    if (print_number) record.add("value", std::stoll(done.number));
    context.printer().print(record.add("version", std::stoll(done.version)));
  } else if (print_number) {
    output::write_out(done.number + "\n");
  }
  return to_int(ExitCode::ok);
}

/// Reads, merges, and writes if nobody else has written meanwhile; else again.
Task<StateAnswer> merge(Context& context, State& state, StateChange change, StateGuard guard) {
  const redis::Patience patience = context.patience();
  const std::string patch = change.bytes;
  while (true) {
    const StateValue current = co_await state.get(patience);
    StateChange attempt = change;
    attempt.bytes = output::merge_json(current.present ? current.bytes : "", patch);
    attempt.if_version = current.present ? current.version : "0";
    if (!change.if_version.empty() && change.if_version != attempt.if_version) {
      const StateRefused refused{Why::version, attempt.if_version, ""};
      co_return refused;
    }
    const StateAnswer answer = co_await state.set(std::move(attempt), guard, patience);
    const auto* refused = std::get_if<StateRefused>(&answer);
    if (refused == nullptr || refused->why != Why::version) co_return answer;
    if (context.loop().now() >= patience.until) {
      throw Error(ExitCode::refused, "version",
                  fmt::format("others keep changing '{}'", state.name()), "try again");
    }
  }
}

int set(Context& context, const SetOptions& o) {
  check_name(o.name, "key");
  if (o.ttl == kForever)
    throw usage_error("--ttl must end some time", "leave it out to keep the value");
  if (o.if_absent && (o.if_version || o.if_value))
    throw usage_error("--if-absent contradicts --if-version and --if-value");
  StateChange change;
  change.bytes = value_of(context, o);
  change.ttl = o.ttl;
  change.if_absent = o.if_absent;
  if (o.if_version) change.if_version = std::to_string(*o.if_version);
  change.if_value = o.if_value;
  const StateGuard guard = o.guard.guard();
  const Keys keys(context.config().key_namespace);
  State state(context.loop(), context.scripts(), keys, o.name);
  return written(
      context, o.name,
      context.loop().run(o.json_merge ? merge(context, state, std::move(change), guard)
                                      : state.set(std::move(change), guard, context.patience())));
}

}  // namespace

Verb state_set_verb() {
  auto o = std::make_shared<SetOptions>();
  Verb verb;
  verb.name = "set";
  verb.summary = "set a value, if the conditions hold; exit 75 if they do not";
  verb.usage = "KEY VALUE | KEY - | KEY --file FILE";
  verb.examples = {"dcoord state set release 1.4.2", "dcoord state set config --file app.json",
                   "dcoord state set leader \"$HOSTNAME\" --if-absent --ttl 1m"};
  verb.takes_tail = true;
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    Option& value =
        set.positional("VALUE", "", o->argument, "the value; - reads it from stdin", false);
    value.set = [o](std::string_view text, const Origin&) { o->value = text; };
    Option& file = set.text("--file", "FILE", o->file, "read the value from a file");
    file.kind = "file";
    file.from_environment = false;
    set.duration("-t,--ttl", o->ttl, "the value is gone after this time; without it, never");
    set.flag("--if-absent", o->if_absent, "only if there is no value").from_environment = false;
    set.integer("--if-version", "N", o->if_version, 0, kLargestInteger,
                "only if this is the version of the value; 0: if there is none")
        .from_environment = false;
    set.text("--if-value", "V", o->if_value, "only if this is the value").from_environment = false;
    set.flag("--json-merge", o->json_merge, "merge into the JSON there is (RFC 7396)")
        .from_environment = false;
    size_option(set, "--max-size", o->max_size, 64 << 20, "refuse a larger value");
    o->guard.declare(set);
  };
  verb.run = [o](Context& context) { return set(context, *o); };
  return verb;
}

Verb state_delete_verb() {
  struct Options {
    std::string name;
    std::optional<std::string> if_value;
    std::optional<long long> if_version;
    StateGuardOptions guard;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "delete";
  verb.summary = "delete a value; exit 1 if there is none";
  verb.usage = "KEY";
  verb.examples = {"dcoord state delete release"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    set.integer("--if-version", "N", o->if_version, 1, kLargestInteger,
                "only if this is the version of the value")
        .from_environment = false;
    set.text("--if-value", "V", o->if_value, "only if this is the value").from_environment = false;
    o->guard.declare(set);
  };
  verb.run = [o](Context& context) {
    check_name(o->name, "key");
    StateChange change;
    change.deletes = true;
    if (o->if_version) change.if_version = std::to_string(*o->if_version);
    change.if_value = o->if_value;
    const Keys keys(context.config().key_namespace);
    State state(context.loop(), context.scripts(), keys, o->name);
    const StateAnswer answer =
        context.loop().run(state.set(std::move(change), o->guard.guard(), context.patience()));
    const auto* refused = std::get_if<StateRefused>(&answer);
    if (refused != nullptr && refused->why == Why::absent) return to_int(ExitCode::no);
    return written(context, o->name, answer);
  };
  return verb;
}

Verb state_incr_verb() {
  struct Options {
    std::string name;
    StateIncrement increment;
    StateGuardOptions guard;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "incr";
  verb.summary = "add to a number and print it; exit 75 at a bound";
  verb.usage = "KEY [--by N] [--min N] [--max N]";
  verb.examples = {"dcoord state incr progress", "dcoord state incr budget --by -5 --min 0"};
  verb.declare = [o](OptionSet& set) {
    set.positional("KEY", "state", o->name, "name of the value");
    constexpr long long least = std::numeric_limits<long long>::min();
    set.integer("--by", "N", o->increment.by, least, kLargestInteger, "how much to add");
    set.integer("--min", "N", o->increment.least, least, kLargestInteger,
                "refuse to get below this");
    set.integer("--max", "N", o->increment.most, least, kLargestInteger,
                "refuse to get above this");
    set.duration("-t,--ttl", o->increment.ttl,
                 "the value is gone after this time; without it, as before");
    o->guard.declare(set);
  };
  verb.run = [o](Context& context) {
    check_name(o->name, "key");
    if (o->increment.ttl == kForever) throw usage_error("--ttl must end some time");
    const Keys keys(context.config().key_namespace);
    State state(context.loop(), context.scripts(), keys, o->name);
    return written(
        context, o->name,
        context.loop().run(state.incr(o->increment, o->guard.guard(), context.patience())), true);
  };
  return verb;
}

void StateGuardOptions::declare(OptionSet& o) {
  o.text("--fence", "TOKEN", fence,
         "fencing token of the writer: refused (79) when a newer one has written")
      .from_environment = false;
  o.flag("--fenced", fenced, "the same, with the token in DCOORD_FENCE");
  auto& lock = o.text("--while-locked", "LOCK", while_locked,
                      "only while the command around this one holds that lock, else 79");
  lock.kind = "lock";
  lock.from_environment = false;
  o.text("--request-id", "ID", request_id,
         "identity of this request: run again with the same one, it is done once")
      .from_environment = false;
}

StateGuard StateGuardOptions::guard() const {
  StateGuard guard;
  guard.token = request_token(request_id);
  guard.who = this_process(owner_id(), "", "");
  std::optional<std::string> text = fence;
  if (!text && fenced) {
    const char* env = std::getenv("DCOORD_FENCE");
    if (env == nullptr)
      throw usage_error("--fenced: there is no DCOORD_FENCE", "run it under `dcoord lock run`");
    text = env;
  }
  if (text) {
    long long number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc() || end != text->data() + text->size() || number < 0 ||
        number >= 1LL << 53) {
      throw usage_error(fmt::format("{}: '{}' is no fencing token",
                                    fence ? "--fence" : "DCOORD_FENCE", log::printable(*text)));
    }
    guard.fence = std::to_string(number);
  }
  if (!while_locked.empty()) {
    check_name(while_locked, "lock name");
    const auto token = HeldLocks::from_environment().token_of(while_locked);
    if (!token) {
      throw Error(
          ExitCode::lost, "unlocked",
          fmt::format("--while-locked: no command around this one holds lock '{}'", while_locked));
    }
    guard.lock = while_locked;
    guard.lock_token = *token;
  }
  return guard;
}

Error state_refusal(const std::string& name, const StateRefused& refused) {
  const auto current = refused.version == "0" ? std::string("there is none")
                                              : fmt::format("its version is {}", refused.version);
  switch (refused.why) {
    case Why::exists:
      return Error(ExitCode::refused, "exists",
                   fmt::format("there is a value '{}' already: {}", name, current));
    case Why::version:
      return Error(ExitCode::refused, "version",
                   fmt::format("value '{}' has another version: {}", name, current));
    case Why::differs:
      return Error(ExitCode::refused, "differs",
                   fmt::format("value '{}' is another one: {}", name, current));
    case Why::bound:
      return Error(
          ExitCode::refused, "bound",
          fmt::format("value '{}' is {}: the sum would be beyond the bound", name, refused.number));
    case Why::no_integer:
      return Error(ExitCode::data, "no_integer",
                   fmt::format("value '{}' is no whole number", name));
    case Why::overflow:
      return Error(ExitCode::data, "overflow",
                   fmt::format("value '{}' would leave the range of 64 bits", name));
    case Why::fenced:
      return Error(ExitCode::lost, "fenced",
                   fmt::format("value '{}' has been written with the newer fencing token {}", name,
                               refused.number),
                   "whoever held the lock before must not write any more");
    case Why::unlocked:
      return Error(ExitCode::lost, "unlocked", "the lock of --while-locked is not held any more");
    case Why::absent:
      break;
  }
  return Error(ExitCode::no, "absent", fmt::format("there is no value '{}'", name));
}

}  // namespace dcoord::cli
