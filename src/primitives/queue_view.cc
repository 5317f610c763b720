// What there is to see of queues, and what an operator does with it.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "primitives/protocol.h"
#include "primitives/queue.h"
#include "primitives/queue_internal.h"
#include "redis/scripts.h"

namespace dcoord::primitives {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

std::string encode(const DeathCause& cause) {
  return (cause.exit_code ? std::to_string(*cause.exit_code) : "") + '\n' + cause.text;
}

DeathCause decode_death_cause(std::string_view text) {
  DeathCause cause;
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return cause;
  if (end > 0) cause.exit_code = std::atoi(std::string(text.substr(0, end)).c_str());
  cause.text = text.substr(end + 1);
  return cause;
}

QueueView decode_queue_view(std::string name, const Reply& r) {
  QueueView view;
  view.name = std::move(name);
  view.server_time = Millis(r.at(1).number());
  if (r.word() == "absent") return view;
  if (r.word() != "queue") throw unexpected_reply(scripts::queue_show, r);
  view.exists = true;
  size_t i = 2;
  for (long long* value :
       {&view.ready, &view.delayed, &view.in_flight, &view.dead, &view.overdue, &view.waiting})
    *value = r.at(i++).number();
  const long long oldest_us = r.at(i++).number();
  if (oldest_us > 0) {
    view.oldest = std::max<Duration>(Duration::zero(), view.server_time - Millis(oldest_us / 1000));
  }
  for (long long* value : {&view.pushed, &view.done, &view.returned, &view.buried})
    *value = r.at(i++).number();
  view.since = Millis(r.at(i++).number());
  view.pushed_per_minute = r.at(i++).number();
  view.done_per_minute = r.at(i++).number();
  const auto groups = static_cast<size_t>(r.at(i++).number());
  for (size_t n = 0; n < groups; ++n, i += 3) {
    view.groups.push_back(
        {r.at(i).text(), static_cast<int>(r.at(i + 1).number()), r.at(i + 2).number()});
  }
  return view;
}

Task<QueueView> Queue::show(Patience patience) {
  const Answer answer = co_await run(scripts::queue_show, parts(8), {}, patience);
  co_return decode_queue_view(name_, answer.reply);
}

Task<std::vector<PeekedItem>> Queue::peek(Part part, long long from, int most, Patience patience) {
  std::vector<std::string> keys{parts_[1], parts_[2], parts_[3], parts_[5], parts_[4]};
  std::vector<std::string> args{part == Part::ready   ? "ready"
                                : part == Part::lanes ? "lanes"
                                : part == Part::due   ? "due"
                                                      : "dead",
                                std::to_string(from), std::to_string(std::min(most, kMostTaken))};
  const Answer answer =
      co_await run(scripts::queue_peek, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  if (r.word() != "items") throw unexpected_reply(scripts::queue_peek, r);
  std::vector<PeekedItem> items;
  for (size_t i = 2; i < r.size(); i += 7) {
    PeekedItem item;
    item.id = r.at(i).text();
    item.attempts = static_cast<int>(r.at(i + 1).number());
    item.priority = static_cast<int>(r.at(i + 2).number());
    item.lane = r.at(i + 3).text();
    item.since = Millis(r.at(i + 4).number());
    item.returned = part == Part::due && r.at(i + 5).text() == "returned";
    item.cause = decode_death_cause(r.at(i + 5).text());
    item.payload = r.at(i + 6).text();
    items.push_back(std::move(item));
  }
  co_return items;
}

namespace {

/// Where an item stands among all that are ready: by group, and in most by lane, priority and age.
enum Group { kHigh, kReturned, kListed, kDelayed, kLow, kLanes };
struct Ranked {
  Group group;
  PeekedItem item;
};

Group group_of(const PeekedItem& item, bool due) {
  if (!item.lane.empty()) return kLanes;
  if (item.priority != kNormalPriority) return item.priority > kNormalPriority ? kHigh : kLow;
  return !due ? kListed : item.returned ? kReturned : kDelayed;
}

bool comes_before(const Ranked& a, const Ranked& b) {
  if (a.group != b.group || a.group == kListed || a.group == kDelayed) return a.group < b.group;
  const auto order = [](const PeekedItem& item) {
    return std::make_tuple(std::string_view(item.lane), -item.priority, std::stoll(item.id));
  };
  return order(a.item) < order(b.item);
}

}  // namespace

Task<std::vector<PeekedItem>> Queue::next(long long most, Patience patience) {
  std::vector<Ranked> all;
  for (const Part part : {Part::due, Part::lanes, Part::ready}) {
    for (long long from = 0; from < most;) {
      // What is due is in the order of its moments: which comes first, all of it decides.
      const long long some =
          part == Part::due ? kMostTaken : std::min<long long>(most - from, kMostTaken);
      Task<std::vector<PeekedItem>> peeking = peek(part, from, static_cast<int>(some), patience);
      std::vector<PeekedItem> page = co_await peeking;
      if (page.empty()) break;
      from += part == Part::due ? most : static_cast<long long>(page.size());
      for (PeekedItem& item : page) {
        const Group group = group_of(item, part == Part::due);
        all.push_back({group, std::move(item)});
      }
    }
  }
  std::stable_sort(all.begin(), all.end(), comes_before);
  std::vector<PeekedItem> items;
  for (size_t i = 0; i < all.size() && static_cast<long long>(i) < most; ++i)
    items.push_back(std::move(all[i].item));
  co_return items;
}

Task<long long> Queue::purge(Part part, std::vector<std::string> ids, Patience patience) {
  long long purged = 0;
  std::vector<std::string> args{part == Part::dead      ? "dead"
                                : part == Part::delayed ? "delayed"
                                                        : "ready"};
  args.insert(args.end(), ids.begin(), ids.end());
  while (true) {
    const Answer answer = co_await run(scripts::queue_purge, parts_, args, patience);
    if (answer.reply.word() != "purged") throw unexpected_reply(scripts::queue_purge, answer.reply);
    co_await deliver(scripts_, answer.reply, 3, patience);
    const long long now = answer.reply.at(1).number();
    purged += now;
    if (answer.reply.at(2).number() <= 0 || now == 0) co_return purged;
  }
}

Task<long long> Queue::revive(std::vector<std::string> ids, Patience patience) {
  long long revived = 0;
  while (true) {
    const Answer answer = co_await run(scripts::queue_revive, parts(8), ids, patience);
    if (answer.reply.word() != "revived")
      throw unexpected_reply(scripts::queue_revive, answer.reply);
    const long long now = answer.reply.at(1).number();
    revived += now;
    co_await deliver(scripts_, answer.reply, 3, patience);
    if (!ids.empty() || now == 0 || answer.reply.at(2).number() <= 0) co_return revived;
  }
}

Task<std::vector<QueueView>> list_queues(redis::ScriptRunner& runner, const Keys& keys,
                                         Patience patience) {
  constexpr int kPage = 1000;  // names a call, so that none holds the server for long
  std::vector<QueueView> views;
  std::vector<int> buckets(kBuckets);
  for (int i = 0; i < kBuckets; ++i) buckets[static_cast<size_t>(i)] = i;
  for (int page = 0; !buckets.empty(); ++page) {
    std::vector<std::vector<std::string>> reads;
    for (const int bucket : buckets) {
      reads.push_back({"ZRANGE", keys.index(bucket, "queue"), std::to_string(page * kPage),
                       std::to_string((page + 1) * kPage - 1)});
    }
    const std::vector<Answer> indexes = co_await runner.run_commands(std::move(reads), patience);
    std::vector<std::string> names;
    std::vector<redis::Call> calls;
    std::vector<int> full;
    for (size_t i = 0; i < indexes.size(); ++i) {
      if (indexes[i].reply.size() == static_cast<size_t>(kPage)) full.push_back(buckets[i]);
      for (const Reply& entry : indexes[i].reply.elements()) {
        names.push_back(entry.text());
        redis::Call call;
        call.script = &scripts::queue_show;
        call.keys.push_back(keys.queue(names.back()));
        for (const char* part : {"r", "l", "b", "t", "d", "q", "w"})
          call.keys.push_back(keys.queue_part(names.back(), part));
        calls.push_back(std::move(call));
      }
    }
    const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].reply.is_error())
        throw internal_error(fmt::format("queue '{}': {}", names[i], answers[i].reply.text()));
      QueueView view = decode_queue_view(names[i], answers[i].reply);
      if (view.exists) views.push_back(std::move(view));
    }
    buckets = std::move(full);
  }
  std::sort(views.begin(), views.end(),
            [](const QueueView& a, const QueueView& b) { return a.name < b.name; });
  co_return views;
}

}  // namespace dcoord::primitives
