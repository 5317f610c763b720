#pragma once

#include <string>
#include <string_view>

namespace dcoord::primitives {

/// Buckets of names: all keys of one named thing share a hash tag, and each bucket has an index.
/// Part of the key schema, which lua/README.md describes: changing it makes every lock of the fleet
/// another lock.
inline constexpr int kBuckets = 256;

/// FNV-1a (32 bits) of the name, modulo kBuckets.
int bucket_of(std::string_view name);

/// Every Redis key name is made here and nowhere else.
class Keys {
 public:
  explicit Keys(std::string key_namespace) : namespace_(std::move(key_namespace)) {}

  std::string lock(std::string_view name) const { return key(name, "lock"); }
  std::string lock_line(std::string_view name) const { return key(name, "lockq"); }
  std::string lock_waiters(std::string_view name) const { return key(name, "lockw"); }
  std::string elect(std::string_view name) const { return key(name, "elect"); }
  std::string elect_line(std::string_view name) const { return key(name, "electq"); }
  std::string elect_waiters(std::string_view name) const { return key(name, "electw"); }
  std::string elect_changes(std::string_view name) const { return key(name, "electc"); }
  std::string queue(std::string_view name) const { return key(name, "queue"); }
  /// The other keys of a queue, by what they are: "r" ready, "l" lanes, "b" bodies, "t" timers,
  /// "d" dead, "q" line, "w" waiters, "p" and "o" producers, "i" ids.
  std::string queue_part(std::string_view name, std::string_view part) const {
    return key(name, "queue" + std::string(part));
  }
  std::string barrier(std::string_view name) const { return key(name, "barrier"); }
  std::string barrier_parties(std::string_view name) const { return key(name, "barrierp"); }
  std::string barrier_waking(std::string_view name) const { return key(name, "barrierw"); }
  std::string barrier_settled(std::string_view name) const { return key(name, "barriers"); }
  std::string state(std::string_view name) const { return key(name, "state"); }
  std::string state_watching(std::string_view name) const { return key(name, "statew"); }
  std::string state_calling(std::string_view name) const { return key(name, "statec"); }
  std::string breaker(std::string_view name) const { return key(name, "breaker"); }
  std::string breaker_reporters(std::string_view name) const { return key(name, "breakerr"); }
  std::string events(std::string_view topic) const { return key(topic, "event"); }
  /// The other keys of a topic: "t" what is known of it, "p" and "o" producers.
  std::string event_part(std::string_view topic, std::string_view part) const {
    return key(topic, "event" + std::string(part));
  }
  /// Of a group that reads a topic: "g" the group, "f" when its leases end.
  std::string event_group(std::string_view topic, std::string_view part,
                          std::string_view group) const;
  /// When a group of a pattern began; in the bucket of the group.
  std::string event_beginning(std::string_view group, std::string_view pattern) const;
  /// A stream that tells of new topics, for those that follow patterns.
  std::string event_news() const { return key("topics", "eventn"); }
  /// Of a run: its jobs, who waits, who waits for whom.
  std::string jobs(std::string_view run) const { return key(run, "job"); }
  std::string job_waiters(std::string_view run) const { return key(run, "jobw"); }
  std::string job_watch(std::string_view run) const { return key(run, "jobx"); }
  /// Where a request is told to look again; in the slot of the thing it waits for.
  std::string mailbox(std::string_view name, std::string_view token) const;
  /// Of all kinds: what scripts answered about things of that name, when they are traced.
  std::string trace(std::string_view name) const { return key(name, "trace"); }
  /// The index of one bucket's things of a kind: "lock", "elect", "queue", "barrier", "state",
  /// "breaker", "event" (of topics), "job" (of runs).
  std::string index(int bucket, std::string_view kind) const;
  std::string index_of(std::string_view name, std::string_view kind) const {
    return index(bucket_of(name), kind);
  }

 private:
  std::string key(std::string_view name, std::string_view kind) const;
  std::string namespace_;
};

/// What a key that Keys made is of: its kind, "lock" say, and its name; "" for any other.
struct KeyParts {
  std::string_view kind, name;
};
KeyParts parts_of(std::string_view key);

/// Throws Error (64) unless `name` is 1 to 255 bytes of UTF-8 without control characters; `what`
/// says what it names: "lock name".
void check_name(std::string_view name, std::string_view what);

}  // namespace dcoord::primitives
