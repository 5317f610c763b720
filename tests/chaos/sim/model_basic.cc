// Keys, hashes, lists and the stream.
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "chaos/sim/model_commands.h"

namespace dcoord::testing::sim {

int64_t whole_number(const std::string& text) {
  int64_t n = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, n);
  if (error != std::errc() || at != end || text.empty())
    throw CommandError("ERR value is not an integer or out of range");
  return n;
}

double score_number(const std::string& text) {
  if (text == "+inf" || text == "inf") return HUGE_VAL;
  if (text == "-inf") return -HUGE_VAL;
  char* end = nullptr;
  const double n = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || std::isnan(n) || std::isspace(text[0]) != 0)
    throw CommandError("ERR value is not a valid float");
  return n;
}

namespace {

Reply time(Model& m, const Words&) {
  return Reply::array({Reply::string(std::to_string(m.now_us / 1000000)),
                       Reply::string(std::to_string(m.now_us % 1000000))});
}

/// SET key value NX PX ms, as far as a naive lock needs it.
Reply set_new(Model& m, const Words& w) {
  if (w[3] != "NX" || w[4] != "PX") return Reply::error("ERR syntax error");
  if (m.entry_of(w[1]) != nullptr) return Reply::nil();
  m.data[w[1]] = Entry{w[2], m.now_ms() + whole_number(w[5])};
  return Reply::status("OK");
}

Reply del(Model& m, const Words& w) {
  int64_t n = 0;
  for (size_t i = 1; i < w.size(); ++i) {
    if (m.entry_of(w[i]) != nullptr) n += static_cast<int64_t>(m.data.erase(w[i]));
  }
  return Reply::integer(n);
}

Reply exists(Model& m, const Words& w) {
  int64_t n = 0;
  for (size_t i = 1; i < w.size(); ++i) n += m.entry_of(w[i]) != nullptr;
  return Reply::integer(n);
}

Reply expire_at(Model& m, const std::string& key, int64_t at) {
  Entry* entry = m.entry_of(key);
  if (entry == nullptr) return Reply::integer(0);
  if (at <= m.now_ms())
    m.data.erase(key);
  else
    entry->expires_ms = at;
  return Reply::integer(1);
}

Reply pexpire(Model& m, const Words& w) {
  return expire_at(m, w[1], m.now_ms() + whole_number(w[2]));
}
Reply pexpireat(Model& m, const Words& w) { return expire_at(m, w[1], whole_number(w[2])); }

Reply persist(Model& m, const Words& w) {
  Entry* entry = m.entry_of(w[1]);
  if (entry == nullptr || entry->expires_ms == 0) return Reply::integer(0);
  entry->expires_ms = 0;
  return Reply::integer(1);
}

Reply pttl(Model& m, const Words& w) {
  const Entry* entry = m.entry_of(w[1]);
  if (entry == nullptr) return Reply::integer(-2);
  return Reply::integer(entry->expires_ms == 0 ? -1 : entry->expires_ms - m.now_ms());
}

Reply rename(Model& m, const Words& w) {
  Entry* entry = m.entry_of(w[1]);
  if (entry == nullptr) return Reply::error("ERR no such key");
  if (w[1] == w[2]) return Reply::status("OK");
  Entry moved = std::move(*entry);
  m.data.erase(w[1]);
  m.data.insert_or_assign(w[2], std::move(moved));
  return Reply::status("OK");
}

Reply optional_text(const Hash* hash, const std::string& field) {
  if (hash == nullptr) return Reply::nil();
  const auto at = hash->find(field);
  return at == hash->end() ? Reply::nil() : Reply::string(at->second);
}

Reply hget(Model& m, const Words& w) { return optional_text(typed<Hash>(m, w[1]), w[2]); }

Reply hmget(Model& m, const Words& w) {
  const Hash* hash = typed<Hash>(m, w[1]);
  std::vector<Reply> all;
  for (size_t i = 2; i < w.size(); ++i) all.push_back(optional_text(hash, w[i]));
  return Reply::array(std::move(all));
}

Reply hset(Model& m, const Words& w) {
  if (w.size() % 2 != 0) return Reply::error("ERR wrong number of arguments for 'hset' command");
  Hash& hash = made<Hash>(m, w[1]);
  int64_t n = 0;
  for (size_t i = 2; i < w.size(); i += 2) n += hash.insert_or_assign(w[i], w[i + 1]).second;
  return Reply::integer(n);
}

Reply hdel(Model& m, const Words& w) {
  Hash* hash = typed<Hash>(m, w[1]);
  if (hash == nullptr) return Reply::integer(0);
  size_t n = 0;
  for (size_t i = 2; i < w.size(); ++i) n += hash->erase(w[i]);
  if (hash->empty()) m.data.erase(w[1]);
  return Reply::integer(static_cast<int64_t>(n));
}

Reply pairs_of(const Hash* hash, bool names) {
  std::vector<Reply> all;
  if (hash != nullptr) {
    for (const auto& [field, value] : *hash) {
      if (names) all.push_back(Reply::string(field));
      all.push_back(Reply::string(value));
    }
  }
  return Reply::array(std::move(all));
}

Reply hgetall(Model& m, const Words& w) { return pairs_of(typed<Hash>(m, w[1]), true); }
Reply hvals(Model& m, const Words& w) { return pairs_of(typed<Hash>(m, w[1]), false); }

Reply hlen(Model& m, const Words& w) {
  const Hash* hash = typed<Hash>(m, w[1]);
  return Reply::integer(hash == nullptr ? 0 : static_cast<int64_t>(hash->size()));
}

Reply hincrby(Model& m, const Words& w) {
  const int64_t by = whole_number(w[3]);
  Hash* hash = typed<Hash>(m, w[1]);
  int64_t old = 0;
  const Reply stored = optional_text(hash, w[2]);
  if (!stored.is_nil()) {
    try {
      old = whole_number(stored.text());
    } catch (const CommandError&) {
      return Reply::error("ERR hash value is not an integer");
    }
  }
  int64_t sum = 0;
  if (__builtin_add_overflow(old, by, &sum))
    return Reply::error("ERR increment or decrement would overflow");
  made<Hash>(m, w[1])[w[2]] = std::to_string(sum);
  return Reply::integer(sum);
}

/// All in one page, which a server may do, too.
Reply hscan(Model& m, const Words& w) {
  std::string prefix;
  for (size_t i = 3; i + 1 < w.size(); ++i) {
    if (w[i] == "MATCH") prefix = w[i + 1].substr(0, w[i + 1].find('*'));
  }
  std::vector<Reply> all;
  const Hash* hash = typed<Hash>(m, w[1]);
  for (const auto& [field, value] : hash == nullptr ? Hash() : *hash) {
    if (!field.starts_with(prefix)) continue;
    all.push_back(Reply::string(field));
    all.push_back(Reply::string(value));
  }
  return Reply::array({Reply::string("0"), Reply::array(std::move(all))});
}

Reply push(Model& m, const Words& w, bool front) {
  List& list = made<List>(m, w[1]);
  for (size_t i = 2; i < w.size(); ++i) {
    if (front)
      list.push_front(w[i]);
    else
      list.push_back(w[i]);
  }
  return Reply::integer(static_cast<int64_t>(list.size()));
}
Reply lpush(Model& m, const Words& w) { return push(m, w, true); }
Reply rpush(Model& m, const Words& w) { return push(m, w, false); }

Reply lpop(Model& m, const Words& w) {
  List* list = typed<List>(m, w[1]);
  if (list == nullptr) return Reply::nil();
  const int64_t most = w.size() > 2 ? whole_number(w[2]) : 1;
  if (most < 0) return Reply::error("ERR value is out of range, must be positive");
  std::vector<Reply> popped;
  while (!list->empty() && static_cast<int64_t>(popped.size()) < most) {
    popped.push_back(Reply::string(std::move(list->front())));
    list->pop_front();
  }
  if (list->empty()) m.data.erase(w[1]);
  return w.size() > 2 ? Reply::array(std::move(popped)) : popped.front();
}

std::pair<int64_t, int64_t> range(int64_t from, int64_t to, size_t size) {
  const auto n = static_cast<int64_t>(size);
  if (from < 0) from = std::max<int64_t>(0, from + n);
  if (to < 0) to += n;
  return {from, std::min(to, n - 1)};
}

Reply lrange(Model& m, const Words& w) {
  const List* list = typed<List>(m, w[1]);
  std::vector<Reply> all;
  if (list != nullptr) {
    const auto [from, to] = range(whole_number(w[2]), whole_number(w[3]), list->size());
    for (int64_t i = from; i <= to; ++i)
      all.push_back(Reply::string((*list)[static_cast<size_t>(i)]));
  }
  return Reply::array(std::move(all));
}

Reply lindex(Model& m, const Words& w) {
  const List* list = typed<List>(m, w[1]);
  int64_t at = whole_number(w[2]);
  if (list == nullptr) return Reply::nil();
  if (at < 0) at += static_cast<int64_t>(list->size());
  if (at < 0 || at >= static_cast<int64_t>(list->size())) return Reply::nil();
  return Reply::string((*list)[static_cast<size_t>(at)]);
}

Reply llen(Model& m, const Words& w) {
  const List* list = typed<List>(m, w[1]);
  return Reply::integer(list == nullptr ? 0 : static_cast<int64_t>(list->size()));
}

/// XADD key MAXLEN n * field value...
Reply xadd(Model& m, const Words& w) {
  if (w[2] != "MAXLEN" || w[4] != "*") return Reply::error("ERR syntax error");
  Stream& stream = made<Stream>(m, w[1]);
  StreamEntry entry;
  entry.ms = static_cast<uint64_t>(m.now_ms());
  if (!stream.empty() && stream.back().ms >= entry.ms)
    entry.ms = stream.back().ms, entry.seq = stream.back().seq + 1;
  entry.fields.assign(w.begin() + 5, w.end());
  std::string id = std::to_string(entry.ms) + "-" + std::to_string(entry.seq);
  stream.push_back(std::move(entry));
  const auto most = static_cast<size_t>(whole_number(w[3]));
  if (stream.size() > most)
    stream.erase(stream.begin(), stream.begin() + static_cast<long>(stream.size() - most));
  return Reply::string(std::move(id));
}

}  // namespace

std::vector<CommandEntry> key_commands() {
  return {{"TIME", 1, false, time},          {"DEL", -2, true, del},
          {"SET", 6, true, set_new},         {"UNLINK", -2, true, del},
          {"EXISTS", -2, false, exists},     {"PEXPIRE", 3, true, pexpire},
          {"PEXPIREAT", 3, true, pexpireat}, {"PERSIST", 2, true, persist},
          {"PTTL", 2, false, pttl},          {"RENAME", 3, true, rename}};
}

std::vector<CommandEntry> hash_commands() {
  return {{"HGET", 3, false, hget}, {"HMGET", -3, false, hmget},    {"HSET", -4, true, hset},
          {"HDEL", -3, true, hdel}, {"HGETALL", 2, false, hgetall}, {"HVALS", 2, false, hvals},
          {"HLEN", 2, false, hlen}, {"HINCRBY", 4, true, hincrby},  {"HSCAN", -3, false, hscan}};
}

std::vector<CommandEntry> list_commands() {
  return {{"LPUSH", -3, true, lpush},   {"RPUSH", -3, true, rpush},   {"LPOP", -2, true, lpop},
          {"LRANGE", 4, false, lrange}, {"LINDEX", 3, false, lindex}, {"LLEN", 2, false, llen},
          {"XADD", -7, true, xadd}};
}

const std::vector<CommandEntry>& command_table() {
  static const std::vector<CommandEntry> table = [] {
    std::vector<CommandEntry> all;
    for (const auto& part :
         {key_commands(), hash_commands(), list_commands(), sorted_set_commands()})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }();
  return table;
}

}  // namespace dcoord::testing::sim
