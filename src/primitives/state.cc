#include "primitives/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/duration.h"
#include "base/error.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

StateValue decode_value(std::string name, const Reply& r) {
  StateValue value;
  value.name = std::move(name);
  value.present = r.word() == "value";
  if (!value.present && r.word() != "absent") throw unexpected_reply(scripts::state_get, r);
  value.version = r.at(1).text();
  value.changes = r.at(2).number();
  value.at = Millis(r.at(3).number());
  value.writer = decode_holder(r.at(value.present ? 6 : 4).text());
  if (!value.present) return value;
  if (const auto left = r.at(4).number(); left >= 0) value.left = Millis(left);
  value.bytes = r.at(7).text();
  return value;
}

StateAnswer decode_written(const redis::Script& script, const Reply& r) {
  using Why = StateRefused::Why;
  const std::string_view word = r.word();
  if (word == "set") return StateWritten{r.at(1).text(), r.size() > 2 ? r.at(2).text() : ""};
  if (word == "fenced") return StateRefused{Why::fenced, r.at(2).text(), r.at(1).text()};
  if (word == "unlocked") return StateRefused{Why::unlocked, "", ""};
  if (word == "differs") return StateRefused{Why::differs, r.at(1).text(), "", r.at(2).text()};
  if (word == "bound") return StateRefused{Why::bound, r.at(1).text(), r.at(2).text()};
  constexpr std::pair<std::string_view, Why> kWords[] = {{"absent", Why::absent},
                                                         {"exists", Why::exists},
                                                         {"version", Why::version},
                                                         {"no_integer", Why::no_integer},
                                                         {"overflow", Why::overflow}};
  for (const auto& [known, why] : kWords) {
    if (word == known) return StateRefused{why, r.at(1).text(), ""};
  }
  throw unexpected_reply(script, r);
}

std::string text_of(const std::optional<long long>& number) {
  return number ? std::to_string(*number) : "";
}

}  // namespace

State::State(Loop& loop, redis::ScriptRunner& runner, const Keys& keys, std::string name)
    : loop_(loop), scripts_(runner), keys_(keys), name_(std::move(name)) {}

Task<StateValue> State::get(Patience patience) {
  std::vector<std::string> keys{keys_.state(name_)};
  std::vector<std::string> args{"v"};
  std::string what = fmt::format("state '{}'", name_);
  const Answer answer = co_await run_script(scripts_, scripts::state_get, std::move(keys),
                                            std::move(args), patience, std::move(what));
  co_return decode_value(name_, answer.reply);
}

Task<Answer> State::write(const redis::Script& script, std::vector<std::string> args,
                          std::string lock, Patience patience) {
  std::vector<std::string> keys{keys_.state(name_), keys_.state_watching(name_),
                                keys_.state_calling(name_), keys_.index_of(name_, "state")};
  if (!lock.empty()) keys.push_back(keys_.lock(lock));
  std::string what = fmt::format("state '{}'", name_);
  std::optional<Error> error;
  try {
    co_return co_await run_script(scripts_, script, std::move(keys), std::move(args), patience,
                                  std::move(what));
  } catch (const Error& e) {
    error.emplace(e);
  }
  if (!lock.empty() &&
      std::string_view(error->what()).find("CROSSSLOT") != std::string_view::npos) {
    throw usage_error(
        fmt::format(
            "--while-locked: value '{}' and lock '{}' are in different slots of the cluster", name_,
            lock),
        "give value and lock the same name, or use --fence, which needs no lock");
  }
  throw *error;
}

Task<StateAnswer> State::set(StateChange change, StateGuard guard, Patience patience) {
  std::string flags;
  if (change.if_absent) flags += 'a';
  if (change.if_value) flags += 'v';
  std::vector<std::string> args{guard.token,
                                std::move(change.bytes),
                                change.deletes ? "delete" : "set",
                                std::to_string(to_ms(change.ttl)),
                                std::move(flags),
                                change.if_version,
                                change.if_value.value_or(""),
                                guard.fence,
                                guard.lock.empty() ? "" : guard.lock_token,
                                encode(guard.who),
                                name_};
  const Answer answer = co_await write(scripts::state_set, std::move(args), guard.lock, patience);
  if (answer.reply.word() == "set") co_await deliver(scripts_, answer.reply, 2, patience);
  StateAnswer result = decode_written(scripts::state_set, answer.reply);
  if (auto* written = std::get_if<StateWritten>(&result)) written->number.clear();
  co_return result;
}

Task<StateAnswer> State::incr(StateIncrement increment, StateGuard guard, Patience patience) {
  std::vector<std::string> args{guard.token,
                                std::to_string(increment.by),
                                text_of(increment.least),
                                text_of(increment.most),
                                std::to_string(to_ms(increment.ttl)),
                                guard.fence,
                                guard.lock.empty() ? "" : guard.lock_token,
                                encode(guard.who),
                                name_};
  const Answer answer = co_await write(scripts::state_incr, std::move(args), guard.lock, patience);
  if (answer.reply.word() == "set") co_await deliver(scripts_, answer.reply, 3, patience);
  co_return decode_written(scripts::state_incr, answer.reply);
}

Task<std::optional<StateValue>> State::next(std::string known, std::string token, TimePoint until,
                                            Patience first) {
  const std::vector<std::string> keys{keys_.state(name_), keys_.state_watching(name_),
                                      keys_.state_calling(name_)};
  const std::string mailbox = keys_.mailbox(name_, token);
  const std::string what = fmt::format("state '{}'", name_);
  const Duration answer_time = first.until - loop_.now();
  Patience patience = first;
  while (true) {
    std::vector<std::string> args{known, mailbox};
    const Answer answer =
        co_await run_script(scripts_, scripts::state_watch, keys, std::move(args), patience, what);
    const Reply& r = answer.reply;
    const bool waits = r.word() == "wait";
    co_await deliver(scripts_, r, waits ? 2 : r.word() == "value" ? 8 : 5, patience);
    if (!waits) co_return decode_value(name_, r);
    if (loop_.now() >= until) co_return std::nullopt;
    const TimePoint look = std::min(loop_.now() + Millis(r.at(1).number()), until);
    co_await wait_for_look(loop_, scripts_, mailbox, look);
    patience = {std::max(until, add(loop_.now(), answer_time)), kNever};
  }
}

}  // namespace dcoord::primitives
