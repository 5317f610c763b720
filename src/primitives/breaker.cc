#include "primitives/breaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/duration.h"
#include "primitives/protocol.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

/// In the order in which they are stored.
std::array<long long, kBreakerSettings> numbers_of(const BreakerSettings& s) {
  return {s.failures,        s.rate,
          s.min_calls,       to_ms(s.window),
          to_ms(s.recovery), to_ms(s.longest_recovery),
          s.probes,          s.reporters};
}

void add_settings(std::vector<std::string>& args, const BreakerSettings& settings) {
  for (const long long number : numbers_of(settings)) args.push_back(std::to_string(number));
}

void add_wanted(std::vector<std::string>& args, const BreakerWanted& wanted) {
  args.push_back(wanted.reconfigure ? "1" : "0");
  args.push_back(wanted.given);
  add_settings(args, wanted.settings);
}

/// What all replies tell from element 3 on.
BreakerView decode_breaker_view(std::string name, const Reply& r) {
  BreakerView view;
  view.name = std::move(name);
  view.known = true;
  view.state = static_cast<BreakerState>(r.at(3).number());
  const long long next = r.at(4).number();
  view.next_try = next < 0 ? std::nullopt : std::optional(Millis(next));
  view.why = static_cast<BreakerWhy>(r.at(5).number());
  view.failures = r.at(6).number();
  view.calls = r.at(7).number();
  view.age = Millis(r.at(8).number());
  view.row = r.at(9).number();
  view.who = decode_holder(r.at(10).text());
  BreakerSettings& s = view.settings;
  s.failures = r.at(11).number();
  s.rate = r.at(12).number();
  s.min_calls = r.at(13).number();
  s.window = Millis(r.at(14).number());
  s.recovery = Millis(r.at(15).number());
  s.longest_recovery = Millis(r.at(16).number());
  s.probes = r.at(17).number();
  s.reporters = r.at(18).number();
  return view;
}

BreakerView decode_status(std::string name, const Reply& r) {
  if (r.word() == "absent") {
    BreakerView nothing;
    nothing.name = std::move(name);
    return nothing;
  }
  if (r.word() != "breaker") throw unexpected_reply(scripts::breaker_status, r);
  BreakerView view = decode_breaker_view(std::move(name), r);
  view.server_time = Millis(r.at(2).number());
  view.window_calls = r.at(19).number();
  view.window_failures = r.at(20).number();
  view.probes_out = r.at(21).number();
  view.probes_succeeded = r.at(22).number();
  view.opened = r.at(23).number();
  view.all_calls = r.at(24).number();
  view.all_failures = r.at(25).number();
  view.reporter_count = r.at(26).number();
  for (size_t i = 27; i + 1 < r.size(); i += 2)
    view.reporters.emplace_back(r.at(i).text(), Millis(std::stoll(r.at(i + 1).text())));
  return view;
}

}  // namespace

Breaker::Breaker(redis::ScriptRunner& runner, const Keys& keys, std::string name)
    : scripts_(runner), keys_(keys), name_(std::move(name)) {}

Task<Answer> Breaker::ask(const redis::Script& script, std::vector<std::string> args,
                          Patience patience) {
  std::vector<std::string> keys{keys_.breaker(name_), keys_.breaker_reporters(name_)};
  // Only what reads needs no index.
  if (&script != &scripts::breaker_status) keys.push_back(keys_.index_of(name_, "breaker"));
  std::string what = fmt::format("breaker '{}'", name_);
  co_return co_await run_script(scripts_, script, std::move(keys), std::move(args), patience,
                                std::move(what));
}

Task<BreakerAnswer> Breaker::allow(std::string token, BreakerWanted wanted, Duration lease,
                                   Patience patience) {
  std::vector<std::string> args{std::move(token), std::to_string(to_ms(lease)), name_};
  add_wanted(args, wanted);
  const Answer answer = co_await ask(scripts::breaker_allow, std::move(args), patience);
  const Reply& r = answer.reply;
  BreakerAnswer result;
  if (r.word() == "allowed")
    result.what = BreakerAnswer::What::allowed;
  else if (r.word() == "probe")
    result.what = BreakerAnswer::What::probe;
  else if (r.word() != "refused")
    throw unexpected_reply(scripts::breaker_allow, r);
  result.epoch = std::to_string(r.at(1).number());
  result.view = decode_breaker_view(name_, r);
  co_return result;
}

Task<BreakerRecorded> Breaker::record(std::string token, std::string epoch, BreakerOutcome outcome,
                                      std::string reporter, Holder who, BreakerWanted wanted,
                                      Patience patience) {
  const char* const word = outcome == BreakerOutcome::success   ? "success"
                           : outcome == BreakerOutcome::failure ? "failure"
                                                                : "ignored";
  std::vector<std::string> args{std::move(token),    std::move(epoch), word,
                                std::move(reporter), encode(who),      name_};
  add_wanted(args, wanted);
  const Answer answer = co_await ask(scripts::breaker_record, std::move(args), patience);
  const Reply& r = answer.reply;
  if (r.word() != "counted" && r.word() != "late")
    throw unexpected_reply(scripts::breaker_record, r);
  BreakerRecorded recorded;
  recorded.counted = r.word() == "counted";
  recorded.changed = r.at(2).number() == 1;
  recorded.view = decode_breaker_view(name_, r);
  co_return recorded;
}

Task<BreakerView> Breaker::status(int reporters, Patience patience) {
  std::vector<std::string> args{std::to_string(reporters)};
  const Answer answer = co_await ask(scripts::breaker_status, std::move(args), patience);
  co_return decode_status(name_, answer.reply);
}

Task<BreakerView> Breaker::force(std::string token, std::string what, long long length, Holder who,
                                 Patience patience) {
  std::vector<std::string> args{std::move(token), std::move(what), std::to_string(length),
                                encode(who), name_};
  add_settings(args, BreakerSettings());
  const Answer answer = co_await ask(scripts::breaker_force, std::move(args), patience);
  if (answer.reply.word() == "done") co_return decode_breaker_view(name_, answer.reply);
  if (answer.reply.word() != "absent") throw unexpected_reply(scripts::breaker_force, answer.reply);
  BreakerView nothing;
  nothing.name = name_;
  co_return nothing;
}

Task<BreakerView> Breaker::trip(std::string token, Holder who, Patience patience) {
  return force(std::move(token), "trip", 0, std::move(who), patience);
}

Task<BreakerView> Breaker::hold_open(std::string token, Duration length, Holder who,
                                     Patience patience) {
  return force(std::move(token), "hold", length == kForever ? -1 : to_ms(length), std::move(who),
               patience);
}

Task<BreakerView> Breaker::reset(std::string token, Holder who, Patience patience) {
  return force(std::move(token), "reset", 0, std::move(who), patience);
}

Task<std::vector<BreakerView>> list_breakers(redis::ScriptRunner& runner, const Keys& keys,
                                             Patience patience) {
  std::function<redis::Call(const std::string&)> status = [&](const std::string& name) {
    redis::Call call;
    call.script = &scripts::breaker_status;
    call.keys = {keys.breaker(name), keys.breaker_reporters(name)};
    call.args = {"0"};
    return call;
  };
  std::string kind = "breaker";
  const std::vector<Listed> listed =
      co_await list_all(runner, keys, std::move(kind), std::move(status), patience);
  std::vector<BreakerView> views;
  views.reserve(listed.size());
  for (const Listed& one : listed) views.push_back(decode_status(one.name, one.reply));
  co_return views;
}

const char* breaker_state_word(BreakerState state) {
  return state == BreakerState::closed ? "closed"
         : state == BreakerState::open ? "open"
                                       : "half-open";
}

}  // namespace dcoord::primitives
