#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/unique_fd.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/size_option.h"
#include "cli/state_verbs.h"
#include "output/encode.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using Why = StateRefused::Why;

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
    // What was refused stays refused: the next attempt is a request of its own, the same one when
    // all is run again.
    guard.token = request_token(guard.token + "+");
    if (context.loop().now() >= patience.until) {
      throw Error(ExitCode::refused, "version",
                  fmt::format("others keep changing '{}'", state.name()), "try again");
    }
  }
}

Task<int> set(Context& context, const SetOptions& o) {
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
  Task<StateAnswer> setting = o.json_merge
                                  ? merge(context, state, std::move(change), guard)
                                  : state.set(std::move(change), guard, context.patience());
  const StateAnswer answer = co_await setting;
  co_return state_written(context, o.name, answer);
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
    set.integer("--if-version", "N", o->if_version, 0, kLargestStateVersion,
                "only if this is the version of the value; 0: if there is none")
        .from_environment = false;
    set.text("--if-value", "V", o->if_value, "only if this is the value").from_environment = false;
    set.flag("--json-merge", o->json_merge, "merge into the JSON there is (RFC 7396)")
        .from_environment = false;
    size_option(set, "--max-size", o->max_size, 64 << 20, "refuse a larger value");
    o->guard.declare(set);
  };
  batchable(verb, [o](Context& context) { return set(context, *o); });
  verb.batch_refusal = [o] {
    return std::string(!o->file && o->value == "-" ? "it reads an input of its own" : "");
  };
  verb.several_steps = [o] { return o->json_merge; };
  return verb;
}

}  // namespace dcoord::cli
