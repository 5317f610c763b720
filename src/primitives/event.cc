#include "primitives/event.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
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

std::string about(const std::string& topic) { return fmt::format("topic '{}'", topic); }

Published decode_published(const Reply& r) {
  using What = Published::What;
  const std::string_view word = r.word();
  Published p;
  if (word == "gap") {
    p.what = What::gap;
    p.behind = r.at(1).number();
    return p;
  }
  if (word != "published" && word != "again") throw unexpected_reply(scripts::event_publish, r);
  p.what = word == "again" ? What::again : What::published;
  p.first = {r.at(1).number(), r.at(2).number()};
  p.count = r.at(3).number();
  p.behind = r.at(4).number();
  p.new_topic = p.what == What::published && r.at(5).number() == 1;
  return p;
}

EventId read_id(const std::string& text) {
  const auto id = parse_event_id(text);
  if (!id) throw internal_error("a script told an event's id '" + text + "'");
  return *id;
}

ReadAnswer decode_read(const std::string& topic, const Reply& r) {
  if (r.word() == "reset") return TopicAnew{{r.at(1).number(), r.at(2).number()}};
  if (r.word() != "events") throw unexpected_reply(scripts::event_read, r);
  EventsRead read;
  read.events.reserve(static_cast<size_t>(r.at(1).number()));
  read.more = r.at(2).number() == 1;
  for (size_t i = 3; i + 2 < r.size(); i += 3) {
    read.events.push_back({topic, read_id(r.at(i).text()), r.at(i + 1).text(), r.at(i + 2).text()});
  }
  return read;
}

TopicView decode_topic_view(std::string name, const Reply& r) {
  TopicView view;
  view.name = std::move(name);
  view.server_time = Millis(r.at(1).number());
  if (r.word() == "absent") return view;
  if (r.word() != "topic") throw unexpected_reply(scripts::event_show, r);
  view.exists = true;
  view.kept = r.at(2).number();
  view.first_id = r.at(3).text();
  view.last = {r.at(4).number(), r.at(5).number()};
  view.most = r.at(6).number();
  view.age = Millis(r.at(7).number());
  view.since = Millis(r.at(8).number());
  for (size_t i = 9; i < r.size(); ++i) view.groups.push_back(r.at(i).text());
  return view;
}

redis::Call show_call(const Keys& keys, const std::string& name) {
  redis::Call call;
  call.script = &scripts::event_show;
  call.keys = {keys.events(name), keys.event_part(name, "t")};
  return call;
}

}  // namespace

std::optional<EventId> parse_event_id(std::string_view text) {
  EventId id;
  const char* const end = text.data() + text.size();
  const auto [dash, error] = std::from_chars(text.data(), end, id.ms);
  if (error != std::errc() || dash == end || *dash != '-' || id.ms < 0) return std::nullopt;
  const auto [stop, failure] = std::from_chars(dash + 1, end, id.number);
  if (failure != std::errc() || stop != end || id.number < 0) return std::nullopt;
  return id;
}

Task<std::vector<Published>> Topic::publish(std::string producer, std::string who, EventKeep keep,
                                            std::vector<PublishBatch> batches, Patience patience) {
  const std::vector<std::string> keys{keys_.events(name_), keys_.event_part(name_, "t"),
                                      keys_.event_part(name_, "p"), keys_.event_part(name_, "o"),
                                      keys_.index_of(name_, "event")};
  std::vector<redis::Call> calls;
  calls.reserve(batches.size());
  for (PublishBatch& batch : batches) {
    redis::Call call;
    call.script = &scripts::event_publish;
    call.keys = keys;
    call.args.reserve(7 + batch.events.size());
    call.args = {producer,
                 std::to_string(batch.position),
                 batch.follows ? "f" : "",
                 keep.count ? std::to_string(*keep.count) : "",
                 keep.age ? std::to_string(to_ms(*keep.age)) : "",
                 who,
                 name_};
    std::move(batch.events.begin(), batch.events.end(), std::back_inserter(call.args));
    calls.push_back(std::move(call));
  }
  const std::string what = about(name_);
  std::vector<Answer> answers;
  if (calls.size() == 1)
    answers.push_back(co_await scripts_.run(std::move(calls.front()), patience));
  else
    answers = co_await scripts_.run_all(std::move(calls), patience);
  std::vector<Published> results;
  bool is_new = false;
  for (const Answer& answer : answers) {
    check_reply(scripts::event_publish, answer.reply, what);
    results.push_back(decode_published(answer.reply));
    is_new = is_new || results.back().new_topic;
  }
  if (is_new) {
    // A hint for those that follow patterns: they look by themselves, too, but not so soon.
    std::vector<std::vector<std::string>> news{
        {"XADD", keys_.event_news(), "MAXLEN", "1000", "*", "topic", name_}};
    try {
      co_await scripts_.run_commands(std::move(news), patience);
    } catch (const Error&) {  // what was published is published
    }
  }
  co_return results;
}

Task<TopicView> Topic::show(Patience patience) {
  redis::Call call = show_call(keys_, name_);
  const Answer answer = co_await scripts_.run(std::move(call), patience);
  check_reply(scripts::event_show, answer.reply, about(name_));
  co_return decode_topic_view(name_, answer.reply);
}

Task<bool> Topic::forget(Patience patience) {
  const TopicView view = co_await show(patience);
  std::vector<std::string> keys{keys_.event_part(name_, "t"), keys_.index_of(name_, "event"),
                                keys_.events(name_), keys_.event_part(name_, "p"),
                                keys_.event_part(name_, "o")};
  for (const std::string& group : view.groups) {
    keys.push_back(keys_.event_group(name_, "g", group));
    keys.push_back(keys_.event_group(name_, "f", group));
  }
  std::vector<std::string> args{name_, ""};
  const Answer answer = co_await run_script(scripts_, scripts::event_forget, std::move(keys),
                                            std::move(args), patience, about(name_));
  if (answer.reply.word() != "forgotten")
    throw unexpected_reply(scripts::event_forget, answer.reply);
  co_return answer.reply.at(1).number() > 0;
}

Task<std::vector<ReadAnswer>> read_topics(redis::ScriptRunner& runner, const Keys& keys,
                                          std::vector<ReadRequest> requests, Patience patience) {
  std::vector<redis::Call> calls;
  for (const ReadRequest& request : requests) {
    redis::Call call;
    call.script = &scripts::event_read;
    call.keys = {keys.events(request.topic), keys.event_part(request.topic, "t")};
    call.args = {std::to_string(request.after.ms), std::to_string(request.after.number),
                 std::to_string(request.most)};
    calls.push_back(std::move(call));
  }
  const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
  std::vector<ReadAnswer> results;
  for (size_t i = 0; i < answers.size(); ++i) {
    check_reply(scripts::event_read, answers[i].reply, about(requests[i].topic));
    results.push_back(decode_read(requests[i].topic, answers[i].reply));
  }
  co_return results;
}

Task<std::vector<EventId>> begin_topics(redis::ScriptRunner& runner, const Keys& keys,
                                        std::vector<std::string> topics, std::string since,
                                        Patience patience) {
  std::vector<EventId> begins;
  if (const auto id = parse_event_id(since)) {
    begins.assign(topics.size(), *id);
    co_return begins;
  }
  std::vector<redis::Call> calls;
  for (const std::string& topic : topics) {
    redis::Call call;
    call.script = &scripts::event_since;
    call.keys = {keys.events(topic), keys.event_part(topic, "t")};
    call.args = {since};
    calls.push_back(std::move(call));
  }
  const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
  for (size_t i = 0; i < answers.size(); ++i) {
    const Reply& reply = answers[i].reply;
    check_reply(scripts::event_since, reply, about(topics[i]));
    if (reply.word() != "from") throw unexpected_reply(scripts::event_since, reply);
    begins.push_back({reply.at(1).number(), reply.at(2).number()});
  }
  co_return begins;
}

Task<std::vector<TopicView>> list_topics(redis::ScriptRunner& runner, const Keys& keys,
                                         Patience patience) {
  std::function<redis::Call(const std::string&)> show = [&](const std::string& name) {
    return show_call(keys, name);
  };
  std::string kind = "event";
  const std::vector<Listed> listed =
      co_await list_all(runner, keys, std::move(kind), std::move(show), patience);
  std::vector<TopicView> views;
  for (const Listed& one : listed) views.push_back(decode_topic_view(one.name, one.reply));
  co_return views;
}

Task<std::vector<std::string>> topic_names(redis::ScriptRunner& runner, const Keys& keys,
                                           Patience patience) {
  std::vector<std::vector<std::string>> reads;
  for (int bucket = 0; bucket < kBuckets; ++bucket)
    reads.push_back({"ZRANGE", keys.index(bucket, "event"), "0", "-1"});
  const std::vector<Answer> indexes = co_await runner.run_commands(std::move(reads), patience);
  std::vector<std::string> names;
  for (const Answer& index : indexes) {
    if (index.reply.is_error()) throw internal_error("ZRANGE answered " + index.reply.text());
    for (const Reply& name : index.reply.elements()) names.push_back(name.text());
  }
  co_return names;
}

}  // namespace dcoord::primitives
