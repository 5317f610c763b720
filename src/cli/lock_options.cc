#include "cli/lock_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/duration.h"
#include "base/error.h"
#include "cli/context.h"
#include "cli/held.h"
#include "cli/quorum_options.h"
#include "cli/take.h"
#include "cli/within.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr long long kMostSlots = 1000;

std::vector<std::string> split_pool(const std::string& pool) {
  std::vector<std::string> names;
  size_t from = 0;
  while (from <= pool.size()) {
    const size_t end = std::min(pool.find(',', from), pool.size());
    names.push_back(pool.substr(from, end - from));
    check_name(names.back(), "name in --pool");
    from = end + 1;
  }
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    throw usage_error(fmt::format("--pool names a resource twice: {}", pool));
  }
  if (static_cast<long long>(names.size()) > kMostSlots)
    throw usage_error("--pool names more than 1000 resources");
  return names;
}

std::string limit_text(int limit, const std::vector<std::string>& pool) {
  if (limit == 0) return "no slots";
  return pool.empty() ? fmt::format("--slots {}", limit)
                      : fmt::format("--pool {}", fmt::join(pool, ","));
}

std::string describe_wait(const LockWaiting& waiting) {
  if (!waiting.trouble.empty()) return waiting.trouble;
  const std::string held =
      fmt::format("held by {}", describe_holder(waiting.holder, waiting.held_for));
  if (waiting.place < 0) return held;
  return fmt::format("{}, place {} of {} in line", held, waiting.place + 1, waiting.in_line);
}

}  // namespace

void LockOptions::declare(OptionSet& o) {
  o.positional("NAME", "lock", name, "name of the lock");
  o.flag("-s,--shared", shared, "read lock: shared with other readers, against writers");
  o.integer("--slots", "N", slots, 1, kMostSlots,
            "up to N may hold at once; each is told its DCOORD_SLOT");
  o.text("--pool", "A,B,...", pool,
         "one slot for each named resource; each holder is told its DCOORD_RESOURCE");
  o.flag("--resize", resize, "take the new --slots or --pool though others hold or wait");
  o.flag("--reentrant", reentrant, "nest in a hold of this lock by the command around this one");
  o.flag("-n,--nonblock", nonblock, "do not wait: exit 75 at once if the lock is held");
  o.duration("-w,--wait", wait, "wait at most so long, then exit 75; without it, for ever");
  o.duration("--retry-delay", retry_delay,
             "with --max-retries: the time that one retry stands for; 100ms")
      .value_name = "DUR";
  o.integer(
      "--max-retries", "N", max_retries, 0, 1000000000,
      "give up after N times the retry delay (waiting itself is by message, not by retrying)");
  o.text("--label", "TEXT", label, "shown to others instead of the command");
  o.text("--request-id", "ID", request_id,
         "identity of this request: run again with the same one, an unknown outcome is resolved")
      .from_environment = false;
}

LockRequest LockOptions::request(Duration ttl, std::string command) const {
  check_name(name, "lock name");
  if (slots && !pool.empty())
    throw usage_error("--slots and --pool contradict each other: a pool has its own number");
  if (shared && (slots || !pool.empty()))
    throw usage_error("--shared and --slots contradict each other");
  if (nonblock && wait && *wait > Duration::zero())
    throw usage_error("-n and -w contradict each other");
  LockRequest r;
  r.token = request_token(request_id);
  r.mode = shared ? LockMode::shared : LockMode::exclusive;
  if (slots) r.limit = static_cast<int>(*slots);
  if (!pool.empty()) {
    r.pool = split_pool(pool);
    r.limit = static_cast<int>(r.pool.size());
  }
  if (r.limit > 0) r.mode = LockMode::slot;
  r.resize = resize;
  r.ttl = ttl;
  r.parent = HeldLocks::from_environment().token_of(name).value_or("");
  r.reentrant = reentrant;
  r.who = this_process(owner_id(), std::move(command), label);
  r.who.within = within();
  return r;
}

void LockOptions::check_several() const {
  if (slots || !pool.empty()) {
    throw usage_error(
        "--slots and --pool need one server: of several, each majority counts for itself",
        "three holders of two slots could each have two of three servers");
  }
  if (reentrant) throw usage_error("--reentrant needs one server");
}

Duration LockOptions::patience() const {
  if (nonblock) return Duration::zero();
  Duration most = wait.value_or(kForever);
  if (max_retries) {
    const Duration delay = retry_delay.value_or(100ms);
    const bool endless = delay == kForever || delay > kForever / std::max(1LL, *max_retries);
    if (!endless) most = std::min<Duration>(most, delay * *max_retries);
  }
  return most;
}

std::string describe_holder(const Holder& holder, std::optional<Duration> held_for) {
  if (holder.host.empty()) return "somebody";
  std::string text = fmt::format("{}:{}", holder.host, holder.pid);
  const std::string& what = holder.label.empty() ? holder.command : holder.label;
  // "(process 4242)" has its parentheses, and a candidate may be called what it is anyway.
  if (!what.empty() && what != text)
    text += what[0] == '(' ? " " + what.substr(0, 80) : fmt::format(" ({})", what.substr(0, 80));
  if (held_for) text += " for " + format_age(*held_for);
  return text;
}

Error lock_refusal(const std::string& name, const LockAnswer& answer, Duration waited,
                   int conflict_code, const LockOptions& options) {
  const auto conflict = static_cast<ExitCode>(conflict_code);
  if (const auto* held = std::get_if<LockHeld>(&answer)) {
    return Error(conflict, "lock_held",
                 fmt::format("lock '{}' is held by {}", name,
                             describe_holder(held->holder, held->held_for)));
  }
  if (const auto* waiting = std::get_if<LockWaiting>(&answer)) {
    return Error(conflict, "lock_held",
                 fmt::format("gave up on lock '{}' after {}: {}", name, format_age(waited),
                             describe_wait(*waiting)));
  }
  const auto& refused = std::get<LockRefused>(answer);
  switch (refused.why) {
    case LockRefused::Why::nested:
      return Error(
          ExitCode::usage, "nested",
          fmt::format(
              "lock '{}' is held already by the command around this one: waiting would never end",
              name),
          "add --reentrant to hold it a second time, inside the first");
    case LockRefused::Why::upgrading:
      return Error(
          conflict, "upgrading",
          fmt::format("lock '{}': {} already waits to turn its shared hold into an exclusive one",
                      name, describe_holder(refused.holder, std::nullopt)),
          "two that wait for each other would wait for ever: release the shared hold first");
    case LockRefused::Why::revoked:
      return Error(ExitCode::lost, "revoked",
                   fmt::format("the hold of lock '{}' was taken away by an operator", name));
    case LockRefused::Why::gone:
      return Error(ExitCode::lost, "gone",
                   fmt::format("this request for lock '{}' was given up or released before", name),
                   options.request_id.empty() ? "" : "use a new --request-id for a new request");
    case LockRefused::Why::servers:
      return kept_otherwise(fmt::format("lock '{}'", name), refused);
    case LockRefused::Why::limit:
      if (refused.limit == kKeptByServers)
        return kept_otherwise(fmt::format("lock '{}'", name), refused);
      return Error(
          ExitCode::data, "limit",
          fmt::format("lock '{}' is in use with {}, not with {}", name,
                      limit_text(refused.limit, refused.pool),
                      options.pool.empty()
                          ? options.slots ? fmt::format("--slots {}", *options.slots) : "no slots"
                          : "--pool " + options.pool),
          refused.limit > 0 && (options.slots || !options.pool.empty())
              ? "add --resize to change it while others hold or wait"
              : "wait until nobody holds or waits, or use another name");
  }
  return internal_error("unknown refusal");
}

std::string resource_of(const LockRequest& request, int slot) {
  const auto i = static_cast<size_t>(slot);
  return slot >= 0 && i < request.pool.size() ? request.pool[i] : "";
}

Task<LockAnswer> take_lock(Context& context, LockService& lock, const LockOptions& options,
                           LockRequest request) {
  Waiting waiting;
  waiting.what = fmt::format("lock '{}'", lock.name());
  waiting.patience = options.patience();
  return take(context, lock, std::move(request), std::move(waiting));
}

}  // namespace dcoord::cli
