#pragma once

#include <deque>
#include <map>
#include <string>

#include "cli/event_source.h"

namespace dcoord::cli {

/// Follows topics by itself: every event of each, in order, and over all of them in the order of
/// their times.
class EventFollower : public EventSource {
 public:
  /// `since` as begin_topics takes it; a topic that appears later is followed from its start.
  EventFollower(Context& context, TopicSet topics, std::string since);
  Task<std::optional<Delivery>> next(TimePoint until) override;

 private:
  struct Feed {
    primitives::EventId after;
    std::deque<Delivery> events;  // read, not handed out
    bool more = true;             // there may be more to read
  };

  Task<void> find_topics(redis::Patience patience);
  Task<bool> read(redis::Patience patience);
  void take(const std::string& topic, Feed& feed, primitives::ReadAnswer answer);
  std::optional<Delivery> oldest();
  Task<void> wait(TimePoint until);

  Context& context_;
  primitives::Keys keys_;
  TopicSet topics_;
  const std::string since_;
  std::map<std::string, Feed> feeds_;
  bool answered_ = false;
};

}  // namespace dcoord::cli
