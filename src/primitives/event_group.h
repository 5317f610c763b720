#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "primitives/event.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// What a member of a group asks for.
struct EventTake {
  std::string token;  ///< names the request; the same token gets the same events
  int count = 1;      ///< kMostRead at most
  Duration lease = std::chrono::seconds(30);
  bool take_back = false;         ///< what this member has in flight is of an earlier run of it
  std::string since = "now";      ///< where a group that is not there yet begins, as Topic::begin
  int max_attempts = 0;           ///< an event that was tried so often is given up; 0: none is
  std::string member;             ///< for people, and take_back
  std::vector<std::string> done;  ///< receipts that are handled, in the same step
};

/// An event that is in flight to a member.
struct GroupEvent {
  std::string receipt;
  int attempt = 1;
  bool trimmed = false;  ///< since it was taken first: there is nothing to handle
  TopicEvent event;
};

/// What happened to events that nobody of the group gets any more.
struct GroupNotes {
  long long missed = 0;    ///< trimmed before anybody had handled them
  long long given_up = 0;  ///< tried too often
  bool anew = false;       ///< the topic began anew
};

struct EventsTaken {
  std::vector<GroupEvent> events;
  TimePoint valid_end;  ///< of their leases, counted from when the request was sent
  GroupNotes notes;
};
struct EventsReady {  ///< of look_at_groups
  GroupNotes notes;
};
struct EventsNone {
  Duration look_again{};  ///< then something may be due that another member has now
  EventId last;           ///< that the group was given: wait for what comes behind it
  GroupNotes notes;
};
using EventTakeAnswer = std::variant<EventsTaken, EventsReady, EventsNone>;

struct GroupView {
  std::string name;
  bool exists = false;
  EventId last;
  long long lag = 0, in_flight = 0, waiting = 0;
  long long taken = 0, handled = 0, returned = 0, given_up = 0, missed = 0;
  struct Member {
    std::string name;
    std::string id;  ///< of the event that it has
    int attempt = 1;
    Millis lease_left{};
  };
  std::vector<Member> members;
};

/// A group of members among whom the events of a topic are shared out: each is handled by one,
/// again by another if that one fails. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class TopicGroup {
 public:
  TopicGroup(redis::ScriptRunner& scripts, const Keys& keys, std::string topic, std::string group)
      : scripts_(scripts), keys_(keys), topic_(std::move(topic)), group_(std::move(group)) {}

  Task<EventTakeAnswer> take(EventTake request, redis::Patience patience);
  enum class Fate { done, retry, untried };
  /// How many were in flight still; -1 when this request was answered before.
  Task<long long> settle(std::string request, std::vector<std::string> receipts, Fate fate,
                         Duration delay, redis::Patience patience);
  struct Extended {
    Millis server_time{};
    std::vector<std::optional<TimePoint>> ends;  ///< nothing: not in flight any more
  };
  /// Raises the ends of leases.
  Task<Extended> extend(std::vector<std::string> receipts, Duration lease,
                        redis::Patience patience);
  Task<GroupView> show(redis::Patience patience);
  /// Removes it. False when there was nothing.
  Task<bool> forget(redis::Patience patience);

  const std::string& topic() const { return topic_; }
  const std::string& group() const { return group_; }
  std::string stream() const { return keys_.events(topic_); }

 private:
  std::string what() const { return "group '" + group_ + "' of topic '" + topic_ + "'"; }

  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string topic_, group_;
};

/// Takes nothing, but tells (EventsReady) which of the groups have something to take: one pipeline.
Task<std::vector<EventTakeAnswer>> look_at_groups(redis::ScriptRunner& runner, const Keys& keys,
                                                  std::vector<std::string> topics,
                                                  std::string group, EventTake request,
                                                  redis::Patience patience);

/// When a group that follows a pattern began, ms since the epoch; the first to ask decides.
/// `since` as Topic::begin: "start", "now" or "back N".
Task<long long> group_beginning(redis::ScriptRunner& runner, const Keys& keys, std::string group,
                                std::string pattern, std::string since, redis::Patience patience);

}  // namespace dcoord::primitives
