#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "primitives/protocol.h"
#include "primitives/state.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

/// The front of what lib/state_layout packs; who made the change follows.
struct [[gnu::packed]] StoredState {
  uint8_t layout, present;
  double version, changes, at, fence, deadline;
  uint16_t who_size;
};
static_assert(sizeof(StoredState) == 44 && std::endian::native == std::endian::little);

/// Whether there is such a value; then `value` gets what its record tells.
bool decode_listed(std::string_view record, long long now, ListedValue& value) {
  StoredState stored;
  if (record.size() < sizeof stored) throw internal_error("the record of a value is too short");
  std::memcpy(&stored, record.data(), sizeof stored);
  const auto deadline = static_cast<long long>(stored.deadline);
  if (stored.present == 0 || (deadline > 0 && deadline <= now)) return false;
  value.version = static_cast<long long>(stored.version);
  value.at = Millis(static_cast<long long>(stored.at));
  if (deadline > 0) value.left = Millis(deadline - now);
  const HolderProcess writer = process_of(record.substr(sizeof stored));
  value.host = writer.host;
  value.pid = writer.pid;
  return true;
}

/// Calls of state/list for names, which are ordered by their buckets: those of a bucket share a
/// slot. Fifty a call hold the server for less than a millisecond; bytes may be many, so they come
/// one by one.
class Looks {
 public:
  Looks(const std::vector<std::string>& names, const Keys& keys, bool bytes)
      : names_(names), keys_(keys), bytes_(bytes) {}

  /// The next ones; none when all were asked for. So many at a time that the server does not wait
  /// for us, and that replies, which take more room than what is kept of them, are not many.
  std::vector<redis::Call> next() {
    const size_t most = bytes_ ? 1 : 50, at_once = bytes_ ? 100 : 500;
    std::vector<redis::Call> calls;
    int bucket = -1;
    for (; asked_ < names_.size(); ++asked_) {
      const int at = bucket_of(names_[asked_]);
      if (calls.empty() || bucket != at || calls.back().keys.size() == most) {
        if (calls.size() == at_once) break;
        redis::Call& call = calls.emplace_back();
        call.script = &scripts::state_list;
        call.args = {bytes_ ? "v" : ""};
        call.keys.reserve(most);
        bucket = at;
      }
      calls.back().keys.push_back(keys_.state(names_[asked_]));
    }
    return calls;
  }

 private:
  const std::vector<std::string>& names_;
  const Keys& keys_;
  const bool bytes_;
  size_t asked_ = 0;
};

/// In the order of their names. Those of many values begin alike: what comes after that is compared
/// as a number first.
void sort_by_name(std::vector<ListedValue>& values) {
  if (values.size() < 2) return;
  const auto by_name = [](const ListedValue& one, const ListedValue& other) {
    return one.name < other.name;
  };
  const auto [first, last] = std::minmax_element(values.begin(), values.end(), by_name);
  const size_t alike = static_cast<size_t>(
      std::mismatch(first->name.begin(), first->name.end(), last->name.begin(), last->name.end())
          .first -
      first->name.begin());
  struct Place {
    uint64_t key;
    size_t index;
  };
  std::vector<Place> order(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t key = 0;
    std::memcpy(&key, values[i].name.data() + alike,
                std::min(sizeof key, values[i].name.size() - alike));
    order[i] = {__builtin_bswap64(key), i};
  }
  std::sort(order.begin(), order.end(), [&](const Place& one, const Place& other) {
    return one.key != other.key ? one.key < other.key
                                : values[one.index].name < values[other.index].name;
  });
  std::vector<ListedValue> sorted;
  sorted.reserve(values.size());
  for (const Place& place : order) sorted.push_back(std::move(values[place.index]));
  values = std::move(sorted);
}

}  // namespace

Task<std::vector<ListedValue>> list_values(redis::ScriptRunner& runner, const Keys& keys,
                                           std::string prefix, bool bytes, Patience patience) {
  std::string kind = "state";
  std::function<bool(const std::string&)> wanted = [&](const std::string& name) {
    return name.starts_with(prefix);
  };
  std::vector<std::string> names = co_await list_names(runner, keys, kind, patience, wanted);
  Looks looks(names, keys, bytes);
  std::vector<ListedValue> values;
  values.reserve(names.size());
  std::vector<std::string> absent;
  auto name = names.begin();
  while (true) {
    std::vector<redis::Call> calls = looks.next();
    if (calls.empty()) break;
    const std::vector<Answer> answers = co_await runner.run_all(std::move(calls), patience);
    for (const Answer& answer : answers) {
      const Reply& r = answer.reply;
      check_reply(scripts::state_list, r, "state");
      const long long now = r.at(1).number();
      for (size_t i = 2; i < r.size(); i += bytes ? 2 : 1, ++name) {
        ListedValue value;
        if (r.at(i).is_nil() || !decode_listed(r.at(i).text(), now, value)) {
          absent.push_back(std::move(*name));
          continue;
        }
        value.name = std::move(*name);
        if (bytes) value.bytes = r.at(i + 1).text();
        values.push_back(std::move(value));
      }
    }
  }
  std::function<std::string(const std::string&)> key_of = [&](const std::string& gone) {
    return keys.state(gone);
  };
  co_await prune_index(runner, keys, std::move(kind), std::move(absent), std::move(key_of),
                       patience);
  sort_by_name(values);
  co_return values;
}

}  // namespace dcoord::primitives
