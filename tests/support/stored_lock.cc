#include "support/stored_lock.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace dcoord::testing {
namespace {

using Entry = StoredLock::Entry;

long long histogram_count(const std::string& bytes) {
  Record r(bytes);
  r.skip(16);
  long long count = 0;
  for (int i = 0; i < 24; ++i) count += r.take<uint32_t>();
  return count;
}

void read_state(Record r, StoredLock& s) {
  s.exists = true;
  r.take<uint8_t>();
  for (double* field : {&s.fence, &s.expires, &s.min_end, &s.max_end}) *field = r.take<double>();
  r.take<double>();
  for (uint32_t* count : {&s.limit, &s.holders, &s.offers, &s.nested, &s.exclusive, &s.waiters})
    *count = r.take<uint32_t>();
  r.take<uint8_t>();
  s.last_ticket = r.take<double>();
  for (int n = 0; n < 4; ++n) r.take<double>();
  for (double* field : {&s.acquired, &s.contended, &s.lost}) *field = r.take<double>();
}

Entry read_entry(Record r) {
  Entry e;
  e.flags = r.take<uint8_t>();
  e.slot = r.take<uint32_t>();
  for (double* field : {&e.ends, &e.since, &e.fence, &e.ticket, &e.ttl}) *field = r.take<double>();
  e.parent = r.text(r.take<uint16_t>());
  return e;
}

std::string slots_contradiction(const StoredLock& s) {
  std::set<uint32_t> used;
  for (const auto& [token, e] : s.entries) {
    if (!e.is(StoredLock::kNested) && !used.insert(e.slot).second)
      return fmt::format("slot {} is held twice", e.slot);
  }
  for (const auto& [token, e] : s.entries) used.insert(e.slot);
  const auto taken = std::count(s.slots.begin(), s.slots.end(), '1');
  return taken == static_cast<long>(used.size())
             ? ""
             : fmt::format("{} slots are marked, {} are held", taken, used.size());
}

}  // namespace

StoredLock read_lock(const std::map<std::string, std::string>& hash) {
  StoredLock s;
  for (const auto& [field, value] : hash) {
    if (field == "s") {
      read_state(Record(value), s);
    } else if (field[0] == 'h') {
      s.entries[field.substr(1)] = read_entry(Record(value));
    } else if (field == "d") {
      s.holds = histogram_count(value);
    } else if (field == "w") {
      s.waits = histogram_count(value);
    } else if (field == "b") {
      s.slots = value;
    } else if (field == "t") {
      s.ring = value;
    }
  }
  return s;
}

std::string contradiction(const StoredLock& s, int64_t line, int64_t records) {
  if (!s.exists) return "";
  const auto count = [&](unsigned with, unsigned without) {
    return std::count_if(s.entries.begin(), s.entries.end(), [&](const auto& e) {
      return (with == 0 || e.second.is(with)) && !e.second.is(without);
    });
  };
  const struct {
    const char* what;
    long long counted, there;
  } pairs[] = {
      {"holders", s.holders, count(0, StoredLock::kOffered)},
      {"offers", s.offers, count(StoredLock::kOffered, 0)},
      {"exclusive", s.exclusive, count(StoredLock::kExclusive, 0)},
      {"nested", s.nested, count(StoredLock::kNested, 0)},
      {"in line", s.waiters, line},
      {"waiters", s.waiters, records},
      {"acquired", static_cast<long long>(s.acquired),
       s.holds + static_cast<long long>(s.lost) +
           count(0, StoredLock::kOffered | StoredLock::kResting)},
      {"contended", static_cast<long long>(s.contended), s.waits},
  };
  for (const auto& pair : pairs) {
    if (pair.counted != pair.there)
      return fmt::format("{}: {} are counted, {} are there", pair.what, pair.counted, pair.there);
  }
  for (const auto& [token, e] : s.entries) {
    if (e.fence > s.fence) return "an entry has a fence that was never given";
    if (e.ends > s.max_end && e.ttl == 0) return "an entry ends behind the latest end";
  }
  return s.limit > 0 ? slots_contradiction(s) : "";
}

std::string overlap(const StoredLock& s, double now_ms) {
  int exclusive = 0, shared = 0, slots = 0;
  bool chained = false;
  for (const auto& [token, e] : s.entries) {
    if (e.ends <= now_ms) continue;
    if (e.is(StoredLock::kNested)) {
      chained = true;
    } else if (e.is(StoredLock::kExclusive)) {
      ++exclusive;
    } else if (e.is(StoredLock::kShared)) {
      ++shared;
    } else {
      ++slots;
    }
  }
  if (exclusive > 1) return fmt::format("{} hold it exclusively", exclusive);
  if (!chained && exclusive > 0 && shared > 0) return "a writer and a reader hold it";
  if (s.limit > 0 && slots > static_cast<int>(s.limit))
    return fmt::format("{} hold {} slots", slots, s.limit);
  return "";
}

}  // namespace dcoord::testing
