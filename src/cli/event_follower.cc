#include "cli/event_follower.h"

#include <algorithm>
#include <utility>

#include "cli/context.h"

namespace dcoord::cli {

using namespace primitives;
using namespace std::chrono_literals;

namespace {

// A topic that was lost together with a server is noticed by looking.
constexpr Duration kLook = 10s;
constexpr size_t kReadAtOnce = 5000;  // of all topics together

}  // namespace

EventFollower::EventFollower(Context& context, TopicSet topics, std::string since)
    : context_(context),
      keys_(context.config().key_namespace),
      topics_(std::move(topics)),
      since_(std::move(since)) {}

Task<std::optional<Delivery>> EventFollower::next(TimePoint until) {
  while (true) {
    const Config& config = context_.config();
    redis::Patience patience = context_.patience(config.connect_timeout + config.command_timeout);
    if (answered_) patience = {std::max(until, patience.until), kNever};
    // What has been read is handed out first, unless a topic might have something older.
    Task<bool> reading = read(patience);
    while (co_await reading) reading = read(patience);
    if (auto event = oldest()) co_return event;
    Task<void> finding = find_topics(patience);
    co_await finding;
    answered_ = true;
    const bool to_read = std::any_of(feeds_.begin(), feeds_.end(),
                                     [](const auto& entry) { return entry.second.more; });
    if (to_read) continue;
    if (context_.loop().now() >= until) co_return std::nullopt;
    Task<void> waiting = wait(until);
    co_await waiting;
  }
}

Task<void> EventFollower::find_topics(redis::Patience patience) {
  Task<std::vector<TopicSet::Found>> looking = topics_.look(patience);
  const std::vector<TopicSet::Found> found = co_await looking;
  for (const TopicSet::Found& some : found) {
    std::vector<std::string> fresh;
    for (const std::string& name : some.names) {
      if (feeds_.find(name) == feeds_.end()) fresh.push_back(name);
    }
    Task<std::vector<EventId>> beginning =
        begin_topics(context_.scripts(), keys_, fresh, some.later ? "start" : since_, patience);
    const std::vector<EventId> begins = co_await beginning;
    for (size_t i = 0; i < fresh.size(); ++i) feeds_[fresh[i]].after = begins[i];
  }
}

/// Reads the topics of which nothing is left but may be. False when there is none such.
Task<bool> EventFollower::read(redis::Patience patience) {
  std::vector<ReadRequest> requests;
  const size_t share = std::max<size_t>(10, kReadAtOnce / std::max<size_t>(1, feeds_.size()));
  for (const auto& [topic, feed] : feeds_) {
    if (!feed.more || !feed.events.empty()) continue;
    requests.push_back({topic, feed.after, static_cast<int>(std::min<size_t>(share, kMostRead))});
  }
  if (requests.empty()) co_return false;
  Task<std::vector<ReadAnswer>> reading =
      read_topics(context_.scripts(), keys_, requests, patience);
  std::vector<ReadAnswer> answers = co_await reading;
  for (size_t i = 0; i < answers.size(); ++i)
    take(requests[i].topic, feeds_[requests[i].topic], std::move(answers[i]));
  co_return true;
}

void EventFollower::take(const std::string& topic, Feed& feed, ReadAnswer answer) {
  if (const auto* anew = std::get_if<TopicAnew>(&answer)) {
    warn_of_anew(topic);
    feed.after = anew->last;
    return;
  }
  auto& read = std::get<EventsRead>(answer);
  feed.more = read.more;
  for (TopicEvent& event : read.events) {
    Delivery delivery;
    if (event.id.number <= feed.after.number) {
      warn_of_anew(topic);
    } else if (event.id.number > feed.after.number + 1) {
      delivery.missed = event.id.number - feed.after.number - 1;
      warn_of_missed(topic, delivery.missed, event.id.text());
    }
    feed.after = event.id;
    delivery.event = std::move(event);
    feed.events.push_back(std::move(delivery));
  }
}

std::optional<Delivery> EventFollower::oldest() {
  Feed* first = nullptr;
  for (auto& [topic, feed] : feeds_) {
    if (feed.events.empty()) continue;
    if (first == nullptr || feed.events.front().event.id.ms < first->events.front().event.id.ms)
      first = &feed;
  }
  if (first == nullptr) return std::nullopt;
  Delivery delivery = std::move(first->events.front());
  first->events.pop_front();
  return delivery;
}

Task<void> EventFollower::wait(TimePoint until) {
  std::vector<redis::ScriptRunner::StreamPlace> places;
  places.reserve(feeds_.size());
  for (const auto& [topic, feed] : feeds_)
    places.push_back({keys_.events(topic), feed.after.text()});
  const TimePoint look = std::min(until, add(context_.loop().now(), kLook));
  Task<std::set<std::string>> waiting = topics_.wait(std::move(places), look);
  const std::set<std::string> streams = co_await waiting;
  for (auto& [topic, feed] : feeds_)
    feed.more = streams.empty() || streams.count(keys_.events(topic)) > 0;
}

}  // namespace dcoord::cli
