#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/log.h"
#include "cli/held.h"
#include "cli/state_verbs.h"
#include "output/payload.h"

namespace dcoord::cli {

using namespace primitives;
using Why = StateRefused::Why;

namespace {

constexpr size_t kShown = 100;  // bytes of a value in a message

}  // namespace

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
                   refused.version == "0"
                       ? fmt::format("value '{}' is another one: {}", name, current)
                       : fmt::format("value '{}' is '{}': {}", name,
                                     output::shown_payload(refused.bytes, kShown), current));
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
