#include "primitives/barrier.h"

#include <fmt/format.h>

#include <algorithm>

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

int whole(const Reply& reply) { return static_cast<int>(reply.number()); }

std::string flags_of(const BarrierRequest& request) {
  std::string flags;
  if (!request.arrives) flags += 'n';
  if (request.leads) flags += 'l';
  return flags;
}

const std::string& party_of(const BarrierRequest& request) {
  return request.arrives ? request.id : request.token;
}

BarrierPassed decode_passed(const Reply& r) {
  BarrierPassed passed;
  passed.generation = r.at(1).number();
  if (const int index = whole(r.at(2)); index >= 0) passed.index = index;
  passed.leader = r.at(3).number() == 1;
  passed.parties = whole(r.at(4));
  passed.waited = Millis(r.at(5).number());
  return passed;
}

BarrierBroken decode_broken(const Reply& r) {
  return {r.at(1).number(), r.at(2).text(), decode_holder(r.at(3).text())};
}

/// How many elements of a reply come before the messages that could not be sent.
size_t fixed_part(std::string_view word) {
  if (word == "passed") return 6;
  if (word == "wait") return 7;
  if (word == "broken") return 4;
  if (word == "arrived") return 5;
  if (word == "complete" || word == "reset") return 3;
  return word == "parties" ? 2 : 1;
}

BarrierAnswer decode_wait(const Reply& r, TimePoint now) {
  const std::string_view word = r.word();
  if (word == "passed") return decode_passed(r);
  if (word == "wait") {
    return BarrierWaiting{now + Millis(r.at(1).number()), r.at(2).number(), whole(r.at(4)),
                          whole(r.at(5))};
  }
  if (word == "broken") return decode_broken(r);
  if (word == "parties") return BarrierRefused{BarrierRefused::Why::parties, whole(r.at(1))};
  if (word == "gone") return BarrierRefused{BarrierRefused::Why::gone};
  throw unexpected_reply(scripts::barrier_wait, r);
}

BarrierView decode_barrier_view(std::string name, const Reply& r) {
  BarrierView view;
  view.name = std::move(name);
  view.server_time = Millis(r.at(1).number());
  if (r.word() == "absent") return view;
  if (r.word() != "barrier") throw unexpected_reply(scripts::barrier_show, r);
  view.generation = r.at(2).number();
  view.parties = whole(r.at(3));
  view.complete = r.at(4).number() == 1;
  view.arrived = whole(r.at(5));
  view.waiting = whole(r.at(6));
  view.only_waiting = whole(r.at(7));
  view.tripped = r.at(8).number();
  view.broken = r.at(9).number();
  view.dropped = r.at(10).number();
  view.last = static_cast<BarrierView::Outcome>(r.at(11).number());
  view.last_at = Millis(r.at(12).number());
  for (size_t i = 13; i < r.size(); i += 7) {
    BarrierParty party;
    party.arrived = r.at(i).text() == "arrived";
    party.index = whole(r.at(i + 1));
    party.stays = r.at(i + 2).number() == 1;
    party.waits = r.at(i + 3).number() == 1;
    party.since = Millis(r.at(i + 4).number());
    party.id = r.at(i + 5).text();
    party.who = decode_holder(r.at(i + 6).text());
    view.members.push_back(std::move(party));
  }
  std::sort(view.members.begin(), view.members.end(),
            [](const BarrierParty& a, const BarrierParty& b) {
              return a.arrived != b.arrived ? a.arrived : a.index < b.index;
            });
  return view;
}

}  // namespace

Barrier::Barrier(Loop& loop, redis::ScriptRunner& runner, const Keys& keys, std::string name)
    : loop_(loop),
      scripts_(runner),
      keys_(keys),
      name_(std::move(name)),
      barrier_keys_{keys_.barrier(name_), keys_.barrier_parties(name_), keys_.barrier_waking(name_),
                    keys_.barrier_settled(name_)} {}

Task<Answer> Barrier::run(const redis::Script& script, std::vector<std::string> args, bool index,
                          Patience patience) {
  std::vector<std::string> keys = barrier_keys_;
  if (index) keys.push_back(keys_.index_of(name_, "barrier"));
  std::string what = fmt::format("barrier '{}'", name_);
  while (true) {
    Answer answer = co_await run_script(scripts_, script, keys, args, patience, what);
    const std::string_view word = answer.reply.word();
    co_await deliver(scripts_, answer.reply, fixed_part(word), patience);
    if (word != "again") co_return answer;
  }
}

Task<BarrierAnswer> Barrier::ask(BarrierRequest request, long long known, Patience patience) {
  std::vector<std::string> args{request.token,
                                party_of(request),
                                std::to_string(request.parties),
                                flags_of(request),
                                std::to_string(known),
                                mailbox(request.token),
                                encode(request.who),
                                name_};
  const Answer answer = co_await run(scripts::barrier_wait, std::move(args), true, patience);
  co_return decode_wait(answer.reply, loop_.now());
}

Task<BarrierAnswer> Barrier::wait(BarrierRequest request, TimePoint until, Patience first,
                                  std::function<void(const BarrierWaiting&)> on_wait) {
  Patience patience = first;
  // However little of the wait is left, an ask that is under way gets the time to be answered.
  const Duration answer_time = first.until - loop_.now();
  long long known = 0;
  while (true) {
    BarrierAnswer answer = co_await ask(request, known, patience);
    const auto* waiting = std::get_if<BarrierWaiting>(&answer);
    if (waiting == nullptr) co_return answer;
    known = waiting->generation;
    if (on_wait) on_wait(*waiting);
    co_await wait_for_look(loop_, scripts_, mailbox(request.token),
                           std::min(waiting->look_at, until));
    patience = {std::max(until, add(loop_.now(), answer_time)), kNever};
    if (loop_.now() >= until) co_return answer;
  }
}

Task<BarrierFarewell> Barrier::leave(BarrierRequest request, long long known, std::string broken,
                                     Patience patience) {
  std::vector<std::string> args{request.token,         party_of(request), flags_of(request),
                                std::to_string(known), std::move(broken), encode(request.who)};
  const Answer answer = co_await run(scripts::barrier_leave, std::move(args), false, patience);
  const Reply& r = answer.reply;
  if (r.word() == "passed") co_return decode_passed(r);
  if (r.word() == "broken") co_return decode_broken(r);
  if (r.word() != "left") throw unexpected_reply(scripts::barrier_leave, r);
  co_return BarrierLeft{};
}

Task<std::variant<BarrierArrived, BarrierRefused>> Barrier::arrive(BarrierRequest request,
                                                                   Patience patience) {
  std::vector<std::string> args{request.token, request.id, std::to_string(request.parties),
                                encode(request.who), name_};
  const Answer answer = co_await run(scripts::barrier_arrive, std::move(args), true, patience);
  const Reply& r = answer.reply;
  using Why = BarrierRefused::Why;
  if (r.word() == "arrived") {
    co_return BarrierArrived{r.at(1).number(), whole(r.at(2)), whole(r.at(3)), whole(r.at(4))};
  }
  if (r.word() == "complete") {
    co_return BarrierRefused{Why::complete, whole(r.at(2)), r.at(1).number()};
  }
  if (r.word() == "parties") co_return BarrierRefused{Why::parties, whole(r.at(1))};
  if (r.word() == "gone") co_return BarrierRefused{Why::gone};
  throw unexpected_reply(scripts::barrier_arrive, r);
}

Task<BarrierReset> Barrier::reset(std::string token, Holder who, Patience patience) {
  std::vector<std::string> args{std::move(token), encode(who)};
  const Answer answer = co_await run(scripts::barrier_reset, std::move(args), false, patience);
  const Reply& r = answer.reply;
  if (r.word() != "reset") throw unexpected_reply(scripts::barrier_reset, r);
  co_return BarrierReset{r.at(1).number(), whole(r.at(2))};
}

Task<BarrierView> Barrier::show(int members, Patience patience) {
  std::vector<std::string> keys{barrier_keys_[0], barrier_keys_[1]};
  std::vector<std::string> args{std::to_string(members)};
  std::string what = fmt::format("barrier '{}'", name_);
  const Answer answer = co_await run_script(scripts_, scripts::barrier_show, std::move(keys),
                                            std::move(args), patience, std::move(what));
  co_return decode_barrier_view(name_, answer.reply);
}

Task<std::vector<BarrierView>> list_barriers(redis::ScriptRunner& runner, const Keys& keys,
                                             int members, Patience patience) {
  std::function<redis::Call(const std::string&)> show = [&](const std::string& name) {
    redis::Call call;
    call.script = &scripts::barrier_show;
    call.keys = {keys.barrier(name), keys.barrier_parties(name)};
    call.args = {std::to_string(members)};
    return call;
  };
  std::string kind = "barrier";
  const std::vector<Listed> listed =
      co_await list_all(runner, keys, std::move(kind), std::move(show), patience);
  std::vector<BarrierView> views;
  views.reserve(listed.size());
  for (const Listed& one : listed) views.push_back(decode_barrier_view(one.name, one.reply));
  co_return views;
}

}  // namespace dcoord::primitives
