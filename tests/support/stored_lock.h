#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

namespace dcoord::testing {

/// Reads packed little-endian records, as the scripts write them by struct.pack.
class Record {
 public:
  explicit Record(std::string bytes) : bytes_(std::move(bytes)) {}
  template <class T>
  T take() {
    T value{};
    if (at_ + sizeof value > bytes_.size()) throw std::runtime_error("a record is too short");
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void skip(size_t bytes) { at_ += bytes; }
  std::string text(size_t length) {
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }
  std::string rest() const { return bytes_.substr(at_); }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

/// A lock's hash as lua/lib/lock_layout.lua lays it out.
struct StoredLock {
  static constexpr unsigned kExclusive = 1, kShared = 2, kOffered = 4, kRevoked = 8, kNested = 16,
                            kResting = 32;
  struct Entry {
    unsigned flags = 0;
    uint32_t slot = 0;
    double ends = 0, since = 0, fence = 0, ticket = 0, ttl = 0;
    std::string parent;
    bool is(unsigned bit) const { return (flags & bit) != 0; }
  };

  bool exists = false;  ///< more than a ring of ended tokens
  double fence = 0, expires = 0, min_end = 0, max_end = 0, last_ticket = 0;
  uint32_t limit = 0, holders = 0, offers = 0, nested = 0, exclusive = 0, waiters = 0;
  double acquired = 0, contended = 0, lost = 0;
  std::map<std::string, Entry> entries;
  long long holds = 0, waits = 0;
  std::string slots, ring;
};

StoredLock read_lock(const std::map<std::string, std::string>& hash);

/// What its counts and its entries say of each other that cannot be; "" if all is well. `line` and
/// `records`: how many stand in line and have a record as waiters.
std::string contradiction(const StoredLock& lock, int64_t line, int64_t records);

/// Two that hold by the server's clock though they must not; "" if there are none.
std::string overlap(const StoredLock& lock, double now_ms);

}  // namespace dcoord::testing
