#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "primitives/keys.h"
#include "redis/script_runner.h"

namespace dcoord::primitives {

/// One script publishes at most so many events, reads so many.
inline constexpr int kMostPublished = 2000, kMostRead = 500;

/// An event's id, or a place in a topic: behind that event. Ids rise; their numbers count the
/// topic's events without a gap.
struct EventId {
  long long ms = 0;      ///< wall clock of the server
  long long number = 0;  ///< 1 for a topic's first
  std::string text() const { return std::to_string(ms) + "-" + std::to_string(number); }
  auto operator<=>(const EventId&) const = default;
};
/// "1732450000000-57"; nothing for what is no id.
std::optional<EventId> parse_event_id(std::string_view text);

/// What was published; loop.h has another Event.
struct TopicEvent {
  std::string topic;
  EventId id;
  std::string publisher;  ///< text of another client: print it escaped
  std::string data;
};

/// How much of its past a topic keeps from now on; nothing: as before.
struct EventKeep {
  std::optional<long long> count;  ///< 0: however many
  std::optional<Duration> age;     ///< zero: for ever
};

/// Events on their way; positions as of a PushBatch.
struct PublishBatch {
  long long position = 0;
  bool follows = false;
  std::vector<std::string> events;  ///< 1 to kMostPublished
};

struct Published {
  enum class What {
    published,
    again,  ///< it was published before
    gap,    ///< what stands before was not published: nothing was done
  };
  What what = What::published;
  EventId first;         ///< the ids follow each other; {0, 0}: not known any more
  long long count = 0;   ///< how many this call (or its first time) published
  long long behind = 0;  ///< the producer's position now
  bool new_topic = false;
};

/// A topic began anew: what it has is older than what is known of it. The server lost data, or the
/// topic was forgotten.
struct TopicAnew {
  EventId last;
};
struct EventsRead {
  std::vector<TopicEvent> events;
  bool more = false;  ///< there may be more of them
};
using ReadAnswer = std::variant<EventsRead, TopicAnew>;

struct TopicView {
  std::string name;
  bool exists = false;
  Millis server_time{};
  long long kept = 0;
  std::string first_id;  ///< of those that are kept; "" if none is
  EventId last;          ///< its number is how many were published
  long long most = 0;    ///< how many are kept; 0: however many
  Duration age{};        ///< for how long; zero: for ever
  Millis since{};
  std::vector<std::string> groups;
};

/// A topic over its scripts. Holds no state of its own; every call may throw what
/// ScriptRunner::run throws.
class Topic {
 public:
  Topic(redis::ScriptRunner& scripts, const Keys& keys, std::string name)
      : scripts_(scripts), keys_(keys), name_(std::move(name)) {}

  /// Publishes batches in one pipeline, answers in the same order; `producer` is a token, `who` a
  /// word for people.
  Task<std::vector<Published>> publish(std::string producer, std::string who, EventKeep keep,
                                       std::vector<PublishBatch> batches, redis::Patience patience);

  Task<TopicView> show(redis::Patience patience);
  /// Removes it, with its groups. False when there was nothing.
  Task<bool> forget(redis::Patience patience);

  const std::string& name() const { return name_; }
  /// Of its stream: what wait_entries takes and tells.
  std::string stream() const { return keys_.events(name_); }

 private:
  redis::ScriptRunner& scripts_;
  const Keys& keys_;
  std::string name_;
};

/// What of a topic to read.
struct ReadRequest {
  std::string topic;
  EventId after;
  int most = kMostRead;
};
/// Reads topics in one pipeline, answers in the same order. Fewer events than asked for come when
/// they are large; none: there is none.
Task<std::vector<ReadAnswer>> read_topics(redis::ScriptRunner& runner, const Keys& keys,
                                          std::vector<ReadRequest> requests,
                                          redis::Patience patience);

/// Where to begin reading topics, in one pipeline: "start" (all that is kept), "now", "back N"
/// (what is N ms old), "at N" (what came since that moment, ms), or an id.
Task<std::vector<EventId>> begin_topics(redis::ScriptRunner& runner, const Keys& keys,
                                        std::vector<std::string> topics, std::string since,
                                        redis::Patience patience);

/// Those with events, in the order of their names.
Task<std::vector<TopicView>> list_topics(redis::ScriptRunner& runner, const Keys& keys,
                                         redis::Patience patience);
/// Their names, from the indexes alone.
Task<std::vector<std::string>> topic_names(redis::ScriptRunner& runner, const Keys& keys,
                                           redis::Patience patience);

}  // namespace dcoord::primitives
