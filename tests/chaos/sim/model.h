#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "redis/reply.h"

namespace dcoord::testing::sim {

using redis::Reply;
using Words = std::vector<std::string>;

/// A sorted set: by score, then by the bytes of the member.
struct SortedSet {
  std::map<std::string, double> scores;
  std::set<std::pair<double, std::string>> order;

  bool put(const std::string& member, double score);  ///< true: it is new
  bool drop(const std::string& member);
};

struct StreamEntry {
  uint64_t ms = 0, seq = 0;
  Words fields;
};

using Hash = std::map<std::string, std::string>;
using List = std::deque<std::string>;
using Stream = std::vector<StreamEntry>;
using Value = std::variant<std::string, Hash, SortedSet, List, Stream>;

struct Entry {
  Value value;
  int64_t expires_ms = 0;  ///< 0: never
};

/// The part of a Redis server that the scripts use: what they call, over data that can be copied.
/// Held against real servers by `dcoord_sim differential`.
class Model {
 public:
  int64_t now_us = 1'790'000'000'000'000;  ///< its clock; whoever owns it moves it
  std::map<std::string, Entry> data;

  /// Runs a command; errors are replies, as a server's.
  Reply call(const Words& words);

  /// Drops what has expired; so does call() for the keys that it touches.
  void expire();
  int64_t now_ms() const { return now_us / 1000; }

  /// The commands that it knows.
  static std::vector<std::string> commands();
  static bool writes(const std::string& command);

  template <class T>
  T* find(const std::string& key) {
    Entry* entry = entry_of(key);
    return entry == nullptr ? nullptr : std::get_if<T>(&entry->value);
  }
  Entry* entry_of(const std::string& key);
};

/// As a server writes a double: whole numbers without a point.
std::string double_text(double number);

}  // namespace dcoord::testing::sim
