#include "primitives/event_group.h"

#include <fmt/format.h>

#include <utility>

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

GroupNotes decode_notes(const Reply& r, size_t at) {
  return {r.at(at).number(), r.at(at + 1).number(), r.at(at + 2).number() == 1};
}

EventTakeAnswer decode_take(const std::string& topic, const Answer& answer) {
  const Reply& r = answer.reply;
  if (r.word() == "ready") return EventsReady{decode_notes(r, 1)};
  if (r.word() == "empty") {
    return EventsNone{
        Millis(r.at(1).number()), {r.at(5).number(), r.at(6).number()}, decode_notes(r, 2)};
  }
  if (r.word() != "taken") throw unexpected_reply(scripts::event_take, r);
  EventsTaken taken;
  taken.valid_end = answer.sent + Millis(r.at(1).number());
  taken.notes = decode_notes(r, 3);
  const auto count = static_cast<size_t>(r.at(2).number());
  for (size_t n = 0, i = 6; n < count; ++n, i += 5) {
    GroupEvent one;
    one.receipt = r.at(i).text();
    one.event.topic = topic;
    const auto id = parse_event_id(r.at(i + 1).text());
    if (!id) throw unexpected_reply(scripts::event_take, r);
    one.event.id = *id;
    one.attempt = static_cast<int>(r.at(i + 2).number());
    one.trimmed = r.at(i + 4).is_nil();
    if (!one.trimmed) {
      one.event.publisher = r.at(i + 3).text();
      one.event.data = r.at(i + 4).text();
    }
    taken.events.push_back(std::move(one));
  }
  return taken;
}

redis::Call take_call(const Keys& keys, const std::string& topic, const std::string& group,
                      const EventTake& request) {
  redis::Call call;
  call.script = &scripts::event_take;
  call.keys = {keys.events(topic), keys.event_part(topic, "t"), keys.event_group(topic, "g", group),
               keys.event_group(topic, "f", group)};
  call.args = {request.token,
               std::to_string(to_ms(request.lease)),
               std::to_string(request.count),
               request.take_back ? "c" : "",
               request.since,
               std::to_string(request.max_attempts),
               request.member,
               group};
  call.args.insert(call.args.end(), request.done.begin(), request.done.end());
  return call;
}

}  // namespace

Task<EventTakeAnswer> TopicGroup::take(EventTake request, Patience patience) {
  redis::Call call = take_call(keys_, topic_, group_, request);
  const Answer answer = co_await scripts_.run(std::move(call), patience);
  check_reply(scripts::event_take, answer.reply, what());
  co_return decode_take(topic_, answer);
}

Task<long long> TopicGroup::settle(std::string request, std::vector<std::string> receipts,
                                   Fate fate, Duration delay, Patience patience) {
  std::vector<std::string> keys{keys_.event_group(topic_, "g", group_),
                                keys_.event_group(topic_, "f", group_)};
  const char* const word = fate == Fate::done ? "done" : fate == Fate::retry ? "retry" : "untried";
  std::vector<std::string> args{std::move(request), word, std::to_string(to_ms(delay))};
  args.insert(args.end(), receipts.begin(), receipts.end());
  const Answer answer = co_await run_script(scripts_, scripts::event_settle, std::move(keys),
                                            std::move(args), patience, what());
  if (answer.reply.word() == "again") co_return -1;
  if (answer.reply.word() != "settled") throw unexpected_reply(scripts::event_settle, answer.reply);
  co_return answer.reply.at(1).number();
}

Task<TopicGroup::Extended> TopicGroup::extend(std::vector<std::string> receipts, Duration lease,
                                              Patience patience) {
  std::vector<std::string> keys{keys_.event_group(topic_, "f", group_)};
  std::vector<std::string> args{std::to_string(to_ms(lease))};
  args.insert(args.end(), receipts.begin(), receipts.end());
  // Receipts and when their leases end are kept as those of a queue.
  const Answer answer = co_await run_script(scripts_, scripts::queue_extend, std::move(keys),
                                            std::move(args), patience, what());
  const Reply& r = answer.reply;
  if (r.word() != "extended") throw unexpected_reply(scripts::queue_extend, r);
  Extended extended;
  extended.server_time = Millis(r.at(1).number());
  for (size_t i = 2; i < r.size(); ++i) {
    const Millis left(r.at(i).number());
    extended.ends.push_back(left > Millis(0) ? std::optional(answer.sent + left) : std::nullopt);
  }
  co_return extended;
}

Task<GroupView> TopicGroup::show(Patience patience) {
  std::vector<std::string> keys{keys_.event_part(topic_, "t"),
                                keys_.event_group(topic_, "g", group_),
                                keys_.event_group(topic_, "f", group_)};
  std::vector<std::string> args;
  const Answer answer = co_await run_script(scripts_, scripts::event_group, std::move(keys),
                                            std::move(args), patience, what());
  const Reply& r = answer.reply;
  GroupView view;
  view.name = group_;
  if (r.word() == "absent") co_return view;
  if (r.word() != "group") throw unexpected_reply(scripts::event_group, r);
  view.exists = true;
  view.last = {r.at(1).number(), r.at(2).number()};
  size_t i = 3;
  for (long long* value : {&view.lag, &view.in_flight, &view.waiting, &view.taken, &view.handled,
                           &view.returned, &view.given_up, &view.missed})
    *value = r.at(i++).number();
  for (; i + 3 < r.size(); i += 4) {
    view.members.push_back({r.at(i).text(), r.at(i + 1).text(),
                            static_cast<int>(r.at(i + 2).number()), Millis(r.at(i + 3).number())});
  }
  co_return view;
}

Task<bool> TopicGroup::forget(Patience patience) {
  std::vector<std::string> keys{keys_.event_part(topic_, "t"), keys_.index_of(topic_, "event"),
                                keys_.event_group(topic_, "g", group_),
                                keys_.event_group(topic_, "f", group_)};
  std::vector<std::string> args{topic_, group_};
  const Answer answer = co_await run_script(scripts_, scripts::event_forget, std::move(keys),
                                            std::move(args), patience, what());
  if (answer.reply.word() != "forgotten")
    throw unexpected_reply(scripts::event_forget, answer.reply);
  co_return answer.reply.at(1).number() > 0;
}

Task<std::vector<EventTakeAnswer>> look_at_groups(redis::ScriptRunner& runner, const Keys& keys,
                                                  std::vector<std::string> topics,
                                                  std::string group, EventTake request,
                                                  Patience patience) {
  request.count = 0;
  std::vector<redis::Call> calls;
  for (const std::string& topic : topics) calls.push_back(take_call(keys, topic, group, request));
  const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
  std::vector<EventTakeAnswer> results;
  for (size_t i = 0; i < answers.size(); ++i) {
    check_reply(scripts::event_take, answers[i].reply, fmt::format("topic '{}'", topics[i]));
    results.push_back(decode_take(topics[i], answers[i]));
  }
  co_return results;
}

Task<long long> group_beginning(redis::ScriptRunner& runner, const Keys& keys, std::string group,
                                std::string pattern, std::string since, Patience patience) {
  std::vector<std::string> names{keys.event_beginning(group, pattern)};
  std::vector<std::string> args{std::move(since)};
  std::string what = fmt::format("group '{}'", group);
  const Answer answer = co_await run_script(runner, scripts::event_begin, std::move(names),
                                            std::move(args), patience, std::move(what));
  if (answer.reply.word() != "began") throw unexpected_reply(scripts::event_begin, answer.reply);
  co_return answer.reply.at(1).number();
}

}  // namespace dcoord::primitives
