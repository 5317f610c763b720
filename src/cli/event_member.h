#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "cli/event_source.h"
#include "primitives/event_group.h"

namespace dcoord::cli {

/// A member of a group: takes its share of the events, one by one or many at once.
class EventMember : public EventSource {
 public:
  struct Options {
    std::string group, member;
    std::string since;
    Duration lease{};
    Duration retry_delay{};
    int max_attempts = 0;
    bool take_back = false;  ///< `member` names this one alone: what it has is of an earlier run
    int at_once = 1;
  };
  EventMember(Context& context, TopicSet topics, Options options);

  Task<std::optional<Delivery>> next(TimePoint until) override;

  /// The delivery is over: handled, or to be given to somebody again after a pause that grows with
  /// its attempts. The servers are told with the next call of next(), or by finish().
  void handled(const Delivery& delivery);
  void failed(const Delivery& delivery) { failed_.push_back(delivery); }
  /// Tells the servers, and gives back what was not handed out.
  Task<void> finish();

  /// Raises the end of the lease of a delivery; nothing: another has it by now.
  Task<std::optional<TimePoint>> extend(const Delivery& delivery, TimePoint until,
                                        Millis* server_time);

 private:
  struct Share {
    explicit Share(primitives::TopicGroup g, std::string s)
        : group(std::move(g)), since(std::move(s)) {}
    primitives::TopicGroup group;
    std::string since;         // where the group begins if it is not there
    primitives::EventId last;  // that the group was given, as far as is known
  };

  Task<void> find_topics(redis::Patience patience);
  Task<bool> take(redis::Patience patience);
  Task<bool> take_from(Share& share, redis::Patience patience);
  Task<void> report(redis::Patience patience);
  Task<void> report_failed(redis::Patience patience);
  std::vector<std::string> candidates(const std::vector<primitives::EventTakeAnswer>& answers,
                                      const std::vector<std::string>& topics);
  void note(Share& share, const primitives::EventTakeAnswer& answer);
  primitives::EventTake request() const;
  redis::Patience patience(TimePoint until);

  Context& context_;
  primitives::Keys keys_;
  TopicSet topics_;
  const Options o_;
  std::map<std::string, std::string> begins_;  // of patterns: where the group began
  std::map<std::string, Share> shares_;
  std::set<std::string> joined_;  // topics of which this member has taken back what it had
  std::string last_;              // topic that was taken from last: the next one's turn comes
  std::deque<Delivery> taken_;    // not handed out
  std::string done_topic_;
  std::vector<std::string> done_;  // handled, of that topic
  std::vector<Delivery> failed_;
  TimePoint look_{};      // when something may be due again
  long long missed_ = 0;  // to be told with the next event
  bool answered_ = false;
};

}  // namespace dcoord::cli
