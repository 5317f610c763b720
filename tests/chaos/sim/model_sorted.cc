// Sorted sets.
#include <algorithm>
#include <limits>

#include "chaos/sim/model_commands.h"

namespace dcoord::testing::sim {
namespace {

struct Member {
  std::string name;
  double score;
};

/// "(5", "5", "-inf": a bound and whether it is left out.
struct ScoreBound {
  explicit ScoreBound(const std::string& text) : open(text.starts_with('(')) {
    try {
      at = score_number(open ? text.substr(1) : text);
    } catch (const CommandError&) {
      throw CommandError("ERR min or max is not a float");
    }
  }
  bool open;
  double at;
  bool below(double score) const { return open ? at < score : at <= score; }
  bool above(double score) const { return open ? at > score : at >= score; }
};

/// "[x", "(x", "-", "+".
struct LexBound {
  explicit LexBound(const std::string& text)
      : least(text == "-"), most(text == "+"), open(text.starts_with('(')) {
    if (!least && !most && (text.empty() || (text[0] != '[' && text[0] != '(')))
      throw CommandError("ERR min or max not valid string range item");
    if (!least && !most) at = text.substr(1);
  }
  bool least, most, open;
  std::string at;
  bool below(const std::string& name) const {
    return least || (!most && (open ? at < name : at <= name));
  }
  bool above(const std::string& name) const {
    return most || (!least && (open ? at > name : at >= name));
  }
};

Reply listed(const std::vector<Member>& members, bool scores) {
  std::vector<Reply> all;
  for (const Member& member : members) {
    all.push_back(Reply::string(member.name));
    if (scores) all.push_back(Reply::string(double_text(member.score)));
  }
  return Reply::array(std::move(all));
}

/// WITHSCORES and LIMIT offset count, from word 4 on.
struct RangeOptions {
  explicit RangeOptions(const Words& w) {
    for (size_t i = 4; i < w.size(); ++i) {
      if (w[i] == "WITHSCORES") {
        scores = true;
      } else if (w[i] == "LIMIT" && i + 2 < w.size()) {
        offset = whole_number(w[i + 1]);
        count = whole_number(w[i + 2]);
        i += 2;
      } else {
        throw CommandError("ERR syntax error");
      }
    }
  }
  bool scores = false;
  int64_t offset = 0, count = -1;

  Reply cut(std::vector<Member> members) const {
    const auto skip =
        std::min<size_t>(members.size(), static_cast<size_t>(std::max<int64_t>(0, offset)));
    members.erase(members.begin(), members.begin() + static_cast<long>(skip));
    if (count >= 0 && members.size() > static_cast<size_t>(count))
      members.resize(static_cast<size_t>(count));
    return listed(members, scores);
  }
};

template <class F>
std::vector<Member> those(Model& m, const std::string& key, F wanted) {
  std::vector<Member> members;
  if (const SortedSet* set = typed<SortedSet>(m, key)) {
    for (const auto& [score, name] : set->order) {
      if (wanted(score, name)) members.push_back({name, score});
    }
  }
  return members;
}

std::vector<Member> by_score(Model& m, const std::string& key, const std::string& low,
                             const std::string& high) {
  const ScoreBound from(low), to(high);
  return those(m, key, [&](double score, const std::string&) {
    return from.below(score) && to.above(score);
  });
}

std::vector<Member> by_lex(Model& m, const std::string& key, const std::string& low,
                           const std::string& high) {
  const LexBound from(low), to(high);
  return those(m, key,
               [&](double, const std::string& name) { return from.below(name) && to.above(name); });
}

Reply zadd(Model& m, const Words& w) {
  bool only_new = false, only_old = false;
  size_t first = 2;
  for (; first < w.size(); ++first) {
    if (w[first] == "NX")
      only_new = true;
    else if (w[first] == "XX")
      only_old = true;
    else
      break;
  }
  if (first == w.size() || (w.size() - first) % 2 != 0) return Reply::error("ERR syntax error");
  std::vector<double> scores;
  for (size_t i = first; i < w.size(); i += 2) scores.push_back(score_number(w[i]));
  if (typed<SortedSet>(m, w[1]) == nullptr && only_old) return Reply::integer(0);
  SortedSet& set = made<SortedSet>(m, w[1]);
  int64_t added = 0;
  for (size_t i = first, n = 0; i < w.size(); i += 2, ++n) {
    const bool there = set.scores.contains(w[i + 1]);
    if (there ? only_new : only_old) continue;
    added += set.put(w[i + 1], scores[n]);
  }
  if (set.scores.empty()) m.data.erase(w[1]);
  return Reply::integer(added);
}

int64_t remove_all(Model& m, const std::string& key, const std::vector<Member>& members) {
  SortedSet* set = typed<SortedSet>(m, key);
  if (set == nullptr) return 0;
  int64_t n = 0;
  for (const Member& member : members) n += set->drop(member.name);
  if (set->scores.empty()) m.data.erase(key);
  return n;
}

Reply zrem(Model& m, const Words& w) {
  std::vector<Member> members;
  for (size_t i = 2; i < w.size(); ++i) members.push_back({w[i], 0});
  return Reply::integer(remove_all(m, w[1], members));
}

Reply zremrangebyscore(Model& m, const Words& w) {
  return Reply::integer(remove_all(m, w[1], by_score(m, w[1], w[2], w[3])));
}

Reply zcard(Model& m, const Words& w) {
  const SortedSet* set = typed<SortedSet>(m, w[1]);
  return Reply::integer(set == nullptr ? 0 : static_cast<int64_t>(set->scores.size()));
}

Reply score_of(const SortedSet* set, const std::string& member) {
  if (set == nullptr) return Reply::nil();
  const auto at = set->scores.find(member);
  return at == set->scores.end() ? Reply::nil() : Reply::string(double_text(at->second));
}

Reply zscore(Model& m, const Words& w) { return score_of(typed<SortedSet>(m, w[1]), w[2]); }

Reply zmscore(Model& m, const Words& w) {
  const SortedSet* set = typed<SortedSet>(m, w[1]);
  std::vector<Reply> all;
  for (size_t i = 2; i < w.size(); ++i) all.push_back(score_of(set, w[i]));
  return Reply::array(std::move(all));
}

Reply zrank(Model& m, const Words& w) {
  const SortedSet* set = typed<SortedSet>(m, w[1]);
  if (set == nullptr || !set->scores.contains(w[2])) return Reply::nil();
  const auto at = set->order.find({set->scores.at(w[2]), w[2]});
  return Reply::integer(std::distance(set->order.begin(), at));
}

Reply zcount(Model& m, const Words& w) {
  return Reply::integer(static_cast<int64_t>(by_score(m, w[1], w[2], w[3]).size()));
}

Reply zlexcount(Model& m, const Words& w) {
  return Reply::integer(static_cast<int64_t>(by_lex(m, w[1], w[2], w[3]).size()));
}

Reply zrange(Model& m, const Words& w) {
  const bool scores = w.size() > 4 && w[4] == "WITHSCORES";
  if (w.size() > 4 && !scores) return Reply::error("ERR syntax error");
  int64_t from = whole_number(w[2]), to = whole_number(w[3]);
  const std::vector<Member> all = those(m, w[1], [](double, const std::string&) { return true; });
  const auto n = static_cast<int64_t>(all.size());
  if (from < 0) from = std::max<int64_t>(0, from + n);
  if (to < 0) to += n;
  std::vector<Member> members;
  for (int64_t i = from; i <= std::min(to, n - 1); ++i)
    members.push_back(all[static_cast<size_t>(i)]);
  return listed(members, scores);
}

Reply zrangebyscore(Model& m, const Words& w) {
  return RangeOptions(w).cut(by_score(m, w[1], w[2], w[3]));
}

Reply zrevrangebyscore(Model& m, const Words& w) {
  auto members = by_score(m, w[1], w[3], w[2]);
  std::reverse(members.begin(), members.end());
  return RangeOptions(w).cut(std::move(members));
}

Reply zrangebylex(Model& m, const Words& w) {
  return RangeOptions(w).cut(by_lex(m, w[1], w[2], w[3]));
}

/// ZUNIONSTORE key n key...
Reply zunionstore(Model& m, const Words& w) {
  const auto n = static_cast<size_t>(whole_number(w[2]));
  if (w.size() != 3 + n) return Reply::error("ERR syntax error");
  SortedSet sum;
  for (size_t i = 3; i < w.size(); ++i) {
    const SortedSet* set = typed<SortedSet>(m, w[i]);
    for (const auto& [name, score] : set == nullptr ? SortedSet().scores : set->scores) {
      const auto at = sum.scores.find(name);
      sum.put(name, at == sum.scores.end() ? score : at->second + score);
    }
  }
  const auto size = static_cast<int64_t>(sum.scores.size());
  if (size == 0)
    m.data.erase(w[1]);
  else
    m.data.insert_or_assign(w[1], Entry{std::move(sum), 0});
  return Reply::integer(size);
}

/// All in one page.
Reply zscan(Model& m, const Words& w) {
  std::string prefix;
  for (size_t i = 3; i + 1 < w.size(); ++i) {
    if (w[i] == "MATCH") prefix = w[i + 1].substr(0, w[i + 1].find('*'));
  }
  const auto members =
      those(m, w[1], [&](double, const std::string& name) { return name.starts_with(prefix); });
  return Reply::array({Reply::string("0"), listed(members, true)});
}

}  // namespace

std::vector<CommandEntry> sorted_set_commands() {
  return {{"ZADD", -4, true, zadd},
          {"ZREM", -3, true, zrem},
          {"ZREMRANGEBYSCORE", 4, true, zremrangebyscore},
          {"ZCARD", 2, false, zcard},
          {"ZSCORE", 3, false, zscore},
          {"ZMSCORE", -3, false, zmscore},
          {"ZRANK", 3, false, zrank},
          {"ZCOUNT", 4, false, zcount},
          {"ZLEXCOUNT", 4, false, zlexcount},
          {"ZRANGE", -4, false, zrange},
          {"ZRANGEBYSCORE", -4, false, zrangebyscore},
          {"ZREVRANGEBYSCORE", -4, false, zrevrangebyscore},
          {"ZRANGEBYLEX", -4, false, zrangebylex},
          {"ZUNIONSTORE", -4, true, zunionstore},
          {"ZSCAN", -3, false, zscan}};
}

}  // namespace dcoord::testing::sim
