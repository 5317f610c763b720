#include "cli/event_member.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "base/token.h"
#include "cli/context.h"

namespace dcoord::cli {

using namespace primitives;
using namespace std::chrono_literals;

namespace {

constexpr Duration kLongestPause = 5min;

}  // namespace

EventMember::EventMember(Context& context, TopicSet topics, Options options)
    : context_(context),
      keys_(context.config().key_namespace),
      topics_(std::move(topics)),
      o_(std::move(options)) {}

redis::Patience EventMember::patience(TimePoint until) {
  const Config& config = context_.config();
  redis::Patience patience = context_.patience(config.connect_timeout + config.command_timeout);
  if (answered_) patience = {std::max(until, patience.until), kNever};
  return patience;
}

EventTake EventMember::request() const {
  EventTake request;
  request.token = random_token();
  request.count = o_.at_once;
  request.lease = o_.lease;
  request.max_attempts = o_.max_attempts;
  request.member = o_.member;
  return request;
}

Task<std::optional<Delivery>> EventMember::next(TimePoint until) {
  while (true) {
    if (!taken_.empty()) {
      Delivery delivery = std::move(taken_.front());
      taken_.pop_front();
      co_return delivery;
    }
    Task<void> reporting = report_failed(patience(until));
    co_await reporting;
    Task<void> finding = find_topics(patience(until));
    co_await finding;
    Task<bool> taking = take(patience(until));
    const bool took = co_await taking;
    answered_ = true;
    if (took) continue;
    if (context_.loop().now() >= until) co_return std::nullopt;
    std::vector<redis::ScriptRunner::StreamPlace> places;
    for (const auto& [topic, share] : shares_)
      places.push_back({keys_.events(topic), share.last.text()});
    Task<std::set<std::string>> waiting = topics_.wait(std::move(places), std::min(until, look_));
    co_await waiting;
  }
}

Task<void> EventMember::find_topics(redis::Patience patience) {
  // The same for all members, whenever they meet a topic: it may have begun before.
  for (const std::string& pattern : topics_.patterns()) {
    if (begins_.contains(pattern)) continue;
    Task<long long> beginning =
        group_beginning(context_.scripts(), keys_, o_.group, pattern, o_.since, patience);
    const long long ms = co_await beginning;
    begins_[pattern] = fmt::format("at {}", ms);
  }
  Task<std::vector<TopicSet::Found>> looking = topics_.look(patience);
  const std::vector<TopicSet::Found> found = co_await looking;
  for (const TopicSet::Found& some : found) {
    const std::string since = some.pattern.empty() ? o_.since : begins_.at(some.pattern);
    for (const std::string& name : some.names) {
      TopicGroup group(context_.scripts(), keys_, name, o_.group);
      shares_.emplace(name, Share(std::move(group), since));
    }
  }
}

/// Takes from the next topic that has something, if there is one.
Task<bool> EventMember::take(redis::Patience patience) {
  look_ = add(context_.loop().now(), 10s);
  std::vector<std::string> topics;
  for (const auto& [topic, share] : shares_) topics.push_back(topic);
  const auto turn = std::upper_bound(topics.begin(), topics.end(), last_);
  std::rotate(topics.begin(), turn, topics.end());
  if (topics.size() > 1 && joined_.size() == topics.size()) {
    Task<void> reporting = report(patience);
    co_await reporting;
    EventTake look = request();
    Task<std::vector<EventTakeAnswer>> looking =
        look_at_groups(context_.scripts(), keys_, topics, o_.group, look, patience);
    const std::vector<EventTakeAnswer> answers = co_await looking;
    topics = candidates(answers, topics);
  }
  for (const std::string& topic : topics) {
    Task<bool> taking = take_from(shares_.at(topic), patience);
    const bool took = co_await taking;
    if (took) co_return true;
  }
  co_return false;
}

std::vector<std::string> EventMember::candidates(const std::vector<EventTakeAnswer>& answers,
                                                 const std::vector<std::string>& topics) {
  std::vector<std::string> ready;
  for (size_t i = 0; i < answers.size(); ++i) {
    note(shares_.at(topics[i]), answers[i]);
    if (std::holds_alternative<EventsReady>(answers[i])) ready.push_back(topics[i]);
  }
  return ready;
}

Task<bool> EventMember::take_from(Share& share, redis::Patience patience) {
  const std::string topic = share.group.topic();
  if (topic != done_topic_) {
    Task<void> reporting = report(patience);
    co_await reporting;
  }
  EventTake asked = request();
  asked.since = share.since;
  asked.take_back = o_.take_back && !joined_.contains(topic);
  asked.done = done_;
  Task<EventTakeAnswer> taking = share.group.take(std::move(asked), patience);
  EventTakeAnswer answer = co_await taking;
  done_.clear();
  joined_.insert(topic);
  note(share, answer);
  auto* const taken = std::get_if<EventsTaken>(&answer);
  if (taken == nullptr) co_return false;
  last_ = topic;
  for (GroupEvent& one : taken->events) {
    Delivery delivery;
    delivery.event = std::move(one.event);
    delivery.attempt = one.attempt;
    delivery.receipt = one.receipt;
    delivery.valid_end = taken->valid_end;
    if (one.trimmed) {
      warn_of_missed(topic, 1, "the one that is taken next");
      ++missed_;
      done_topic_ = topic;
      done_.push_back(one.receipt);
      continue;
    }
    delivery.missed = std::exchange(missed_, 0);
    taken_.push_back(std::move(delivery));
  }
  co_return !taken_.empty();
}

/// Tells what was lost to the group, and keeps what is known of where it stands.
void EventMember::note(Share& share, const EventTakeAnswer& answer) {
  const std::string topic = share.group.topic();
  const GroupNotes& notes =
      std::visit([](const auto& one) -> const GroupNotes& { return one.notes; }, answer);
  if (notes.anew) warn_of_anew(topic);
  if (notes.missed > 0) {
    warn_of_missed(topic, notes.missed, "anybody of the group had them");
    missed_ += notes.missed;
  }
  if (notes.given_up > 0) {
    log::warning(fmt::format("gave up {} event{} of topic '{}' after {} attempts", notes.given_up,
                             notes.given_up == 1 ? "" : "s", topic, o_.max_attempts));
  }
  if (const auto* none = std::get_if<EventsNone>(&answer)) {
    share.last = none->last;
    look_ = std::min(look_, add(context_.loop().now(), none->look_again));
  } else if (const auto* taken = std::get_if<EventsTaken>(&answer)) {
    for (const GroupEvent& one : taken->events) share.last = std::max(share.last, one.event.id);
  }
  // Should the server lose the group, it goes on where it stood.
  if (share.last != EventId()) share.since = share.last.text();
}

void EventMember::handled(const Delivery& delivery) {
  done_topic_ = delivery.event.topic;
  done_.push_back(delivery.receipt);
}

Task<void> EventMember::report_failed(redis::Patience patience) {
  while (!failed_.empty()) {
    const Delivery& delivery = failed_.back();
    Duration pause = o_.retry_delay;
    for (int i = 1; i < delivery.attempt && pause < kLongestPause; ++i) pause *= 2;
    pause = std::min(pause, std::max(kLongestPause, o_.retry_delay));
    std::vector<std::string> receipts{delivery.receipt};
    Task<long long> settling = shares_.at(delivery.event.topic)
                                   .group.settle(random_token(), std::move(receipts),
                                                 TopicGroup::Fate::retry, pause, patience);
    co_await settling;
    failed_.pop_back();
  }
}

/// Acknowledges what is handled.
Task<void> EventMember::report(redis::Patience patience) {
  if (done_.empty()) co_return;
  Task<long long> settling =
      shares_.at(done_topic_)
          .group.settle(random_token(), done_, TopicGroup::Fate::done, Duration::zero(), patience);
  co_await settling;
  done_.clear();
}

Task<void> EventMember::finish() {
  const redis::Patience patience{add(context_.loop().now(), 2s), kNever};
  Task<void> reporting = report(patience);
  co_await reporting;
  Task<void> failing = report_failed(patience);
  co_await failing;
  while (!taken_.empty()) {
    const std::string topic = taken_.front().event.topic;
    std::vector<std::string> receipts;
    while (!taken_.empty() && taken_.front().event.topic == topic) {
      receipts.push_back(taken_.front().receipt);
      taken_.pop_front();
    }
    Task<long long> settling = shares_.at(topic).group.settle(
        random_token(), std::move(receipts), TopicGroup::Fate::untried, Duration::zero(), patience);
    co_await settling;
  }
}

Task<std::optional<TimePoint>> EventMember::extend(const Delivery& delivery, TimePoint until,
                                                   Millis* server_time) {
  std::vector<std::string> receipts{delivery.receipt};
  Task<TopicGroup::Extended> extending =
      shares_.at(delivery.event.topic)
          .group.extend(std::move(receipts), o_.lease, redis::Patience{until, kNever});
  const TopicGroup::Extended extended = co_await extending;
  *server_time = extended.server_time;
  co_return extended.ends.at(0);
}

}  // namespace dcoord::cli
