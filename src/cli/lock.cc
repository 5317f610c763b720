#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/context.h"
#include "cli/force.h"
#include "cli/held.h"
#include "cli/lock_verbs.h"
#include "cli/quorum_options.h"
#include "primitives/lock.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

/// The token of the hold that a verb is about: --token, or that of this lock in the environment.
std::string held_token(const std::string& name, const std::string& given) {
  if (!given.empty()) return request_token(given);
  if (const auto held = HeldLocks::from_environment().token_of(name)) return *held;
  const char* env_name = std::getenv("DCOORD_LOCK_NAME");
  const char* env_token = std::getenv("DCOORD_TOKEN");
  if (env_name != nullptr && env_token != nullptr && env_name == name && *env_token != '\0')
    return env_token;
  throw usage_error(
      fmt::format("no token for lock '{}'", name),
      "give --token, or run this where `lock acquire` or `lock run` left DCOORD_TOKEN");
}

Verb renew_verb() {
  struct Options {
    std::string name, token, request_id;
    Duration ttl = std::chrono::seconds(30);
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "renew";
  verb.summary = "raise the end of a lease that `lock acquire` took";
  verb.usage = "NAME [--token TOKEN] [-t DUR]";
  verb.examples = {"dcoord lock renew deploy -t 5m"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "lock", o->name, "name of the lock");
    set.text("--token", "TOKEN", o->token,
             "the hold's token, instead of the one in the environment")
        .from_environment = false;
    set.duration("-t,--ttl", o->ttl, "length of the lease from now on; never lowers its end");
    set.text("--request-id", "ID", o->request_id,
             "accepted everywhere; renewing again is always safe")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "lock name");
    check_ttl(o->ttl, "--ttl");
    const std::string token = held_token(o->name, o->token);
    const Keys keys(context.config().key_namespace);
    const auto lock = open_lock(context, keys, o->name, LockKind::lock);
    const auto result = co_await lock->renew(token, o->ttl, context.patience());
    if (const auto* renewed = std::get_if<LockRenewed>(&result)) {
      const auto left =
          std::chrono::duration_cast<Millis>(renewed->valid_end - context.loop().now()).count();
      if (context.json()) {
        output::Record record;
        record.add("name", o->name).add("lease_ms", left);
        context.printer().print(record);
      }
      co_return to_int(ExitCode::ok);
    }
    const bool revoked = std::get<LockLost>(result).revoked;
    throw Error(ExitCode::no, revoked ? "revoked" : "not_held",
                revoked
                    ? fmt::format("the hold of lock '{}' was taken away by an operator", o->name)
                    : fmt::format("this token does not hold lock '{}' (any more)", o->name));
  });
  return verb;
}

Verb release_verb() {
  struct Options {
    std::string name, token, holder, request_id;
    bool force = false, at_once = false;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "release";
  verb.summary = "release what `lock acquire` took, or take it from another holder";
  verb.usage = "NAME [--token TOKEN | --force|--break --holder ID]";
  verb.examples = {"dcoord lock release deploy",
                   "dcoord lock release deploy --force --holder 3fa9c1d20b77"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "lock", o->name, "name of the lock");
    set.text("--token", "TOKEN", o->token,
             "the hold's token, instead of the one in the environment")
        .from_environment = false;
    set.flag("--force", o->force,
             "take it from the holder that --holder names: its command is stopped first")
        .from_environment = false;
    set.flag("--break", o->at_once,
             "the same at once: the next one gets in while its command may still run")
        .from_environment = false;
    auto& holder = set.text("--holder", "ID", o->holder,
                            "with --force or --break: the id that `lock show` lists");
    holder.kind = "holder";
    holder.from_environment = false;
    set.text("--request-id", "ID", o->request_id,
             "accepted everywhere; releasing again is always safe")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "lock name");
    const bool of_another = o->force || o->at_once;
    if (!of_another && !o->holder.empty())
      throw usage_error("--holder goes with --force or --break");
    if (of_another && !o->token.empty())
      throw usage_error("--force and --break take --holder, not --token");
    const Keys keys(context.config().key_namespace);
    if (of_another) {
      const auto lock = open_lock(context, keys, o->name, LockKind::lock);
      Task<int> taking =
          take_away(context, *lock, fmt::format("lock '{}'", o->name),
                    "dcoord lock show " + output::shell_quote(o->name), o->holder, o->at_once);
      co_return co_await taking;
    }
    const std::string token = held_token(o->name, o->token);
    const auto lock = open_lock(context, keys, o->name, LockKind::lock);
    const LockReleased released =
        co_await lock->release(token, Duration::zero(), false, context.patience());
    if (released.what == LockReleased::What::gone) {
      throw Error(ExitCode::no, "not_held",
                  fmt::format("this token does not hold lock '{}' (any more)", o->name));
    }
    if (context.json()) {
      output::Record record;
      record.add("name", o->name)
          .add("released", released.what == LockReleased::What::left ? "left" : "released")
          .add("held_ms", to_ms(released.held));
      context.printer().print(record);
    }
    co_return to_int(ExitCode::ok);
  });
  verb.several_steps = [o] { return o->force; };
  return verb;
}

Verb show_verb() {
  auto name = std::make_shared<std::string>();
  Verb verb;
  verb.name = "show";
  verb.summary = "who holds a lock and who waits; exit 0 held, 1 free or stale";
  verb.usage = "NAME";
  verb.examples = {"dcoord lock show deploy", "dcoord lock show deploy --json"};
  verb.declare = [name](OptionSet& set) {
    set.positional("NAME", "lock", *name, "name of the lock");
  };
  batchable(verb, [name](Context& context) -> Task<int> {
    check_name(*name, "lock name");
    const Keys keys(context.config().key_namespace);
    const auto lock = open_lock(context, keys, *name, LockKind::lock);
    const LockView view = co_await lock->show(1000, context.patience());
    context.printer().print(view);
    co_return to_int(view.state == LockView::State::held ? ExitCode::ok : ExitCode::no);
  });
  return verb;
}

Verb forget_verb() {
  struct Options {
    std::string name, request_id;
  };
  auto o = std::make_shared<Options>();
  Verb verb;
  verb.name = "forget";
  verb.summary =
      "remove what is stored of a lock that nobody holds: a mistyped name, old statistics";
  verb.usage = "NAME";
  verb.examples = {"dcoord lock forget depoly"};
  verb.declare = [o](OptionSet& set) {
    set.positional("NAME", "lock", o->name, "name of the lock");
    set.text("--request-id", "ID", o->request_id,
             "accepted everywhere; forgetting again is always safe")
        .from_environment = false;
  };
  batchable(verb, [o](Context& context) -> Task<int> {
    check_name(o->name, "lock name");
    const Keys keys(context.config().key_namespace);
    const auto lock = open_lock(context, keys, o->name, LockKind::lock);
    const LockService::Forgotten result = co_await lock->forget(context.patience());
    using What = LockService::Forgotten::What;
    if (result.what == What::held) {
      throw Error(ExitCode::refused, "lock_held",
                  fmt::format("lock '{}' is held by {}", o->name,
                              describe_holder(result.holder, std::nullopt)));
    }
    if (result.what == What::waited) {
      throw Error(ExitCode::refused, "lock_waited",
                  fmt::format("somebody waits for lock '{}'", o->name));
    }
    co_return to_int(result.what == What::forgotten ? ExitCode::ok : ExitCode::no);
  });
  return verb;
}

}  // namespace

Noun lock_noun() {
  Noun noun;
  noun.name = "lock";
  noun.summary = "run a command while holding a lock";
  noun.examples = {"dcoord lock run backup -- ./backup.sh",
                   "dcoord lock run deploy -w 10m -- make deploy",
                   "eval \"$(dcoord lock acquire migrate --bind-pid $$)\""};
  noun.verbs = {lock_run_verb(), lock_acquire_verb(), renew_verb(),
                release_verb(),  show_verb(),         forget_verb()};
  return noun;
}

}  // namespace dcoord::cli
