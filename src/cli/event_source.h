#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "primitives/event.h"

namespace dcoord::cli {

class Context;

/// An event on its way to whoever subscribes.
struct Delivery {
  primitives::TopicEvent event;
  long long missed = 0;  ///< so many before it were trimmed before they could be read
  int attempt = 1;       ///< of a group
  std::string receipt;   ///< of a group
  TimePoint valid_end = kNever;
};

/// Where a subscriber's events come from: topics that it follows by itself, or a group's share.
class EventSource {
 public:
  virtual ~EventSource() = default;
  /// The next event; nothing when `until` came first. Once the servers have answered, a lost
  /// connection is tried again until then.
  virtual Task<std::optional<Delivery>> next(TimePoint until) = 0;
};

/// The topics of a subscription: those that are named, or those that match patterns, as they
/// appear.
class TopicSet {
 public:
  /// Topics that have appeared since the last call. All that are named are among those of the
  /// first.
  struct Found {
    std::vector<std::string> names;
    std::string pattern;  ///< that they match; "" for those that are named
    bool later = false;   ///< they were not there at the first call
  };
  TopicSet(Context& context, std::vector<std::string> names, bool patterns);

  Task<std::vector<Found>> look(redis::Patience patience);
  /// Empty if the topics are named.
  std::vector<std::string> patterns() const {
    return patterns_ ? words_ : std::vector<std::string>();
  }
  /// Waits for entries behind the places of the topics, for new topics, or until a moment. Returns
  /// the streams that have some; none: any may.
  Task<std::set<std::string>> wait(std::vector<redis::ScriptRunner::StreamPlace> places,
                                   TimePoint until);

 private:
  Task<void> read_news(redis::Patience patience, std::vector<std::string>& names);

  Context& context_;
  primitives::Keys keys_;
  std::vector<std::string> words_;
  bool patterns_;
  bool looked_ = false;
  std::set<std::string> known_;
  std::string news_;  // id of the last news that was read
  bool has_news_ = false;
  TimePoint look_at_all_{};  // when to read all names again
};

/// Tells on stderr that events were lost to this subscriber.
void warn_of_missed(const std::string& topic, long long missed, const std::string& before);
void warn_of_anew(const std::string& topic);

}  // namespace dcoord::cli
