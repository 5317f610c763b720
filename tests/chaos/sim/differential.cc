// Holds the model against a real server: random operations, the same answers.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "chaos/sim/tools.h"
#include "support/server.h"

namespace dcoord::testing::sim {
namespace {

/// Random commands over few keys, members and numbers, so that they meet.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Words next() {
    const std::string key = one({"a", "b", "c", "d", "e", "f"});
    switch (pick(34)) {
      case 0:
        return {"HSET", key, member(), text(), member(), text()};
      case 1:
        return {"HDEL", key, member(), member()};
      case 2:
        return {"HGET", key, member()};
      case 3:
        return {"HMGET", key, member(), member(), member()};
      case 4:
        return {"HGETALL", key};
      case 5:
        return {"HVALS", key};
      case 6:
        return {"HLEN", key};
      case 7:
        return {"HINCRBY", key, member(), one({"1", "-7", "9223372036854775807", "x"})};
      case 8:
        return {one({"RPUSH", "LPUSH"}), key, text(), text()};
      case 9:
        return {"LPOP", key};
      case 10:
        return {"LPOP", key, one({"1", "2", "5"})};
      case 11:
        return {"LRANGE", key, number(), number()};
      case 12:
        return {"LINDEX", key, number()};
      case 13:
        return {"LLEN", key};
      case 14:
      case 15:
        return {"ZADD", key, score(), member(), score(), member()};
      case 16:
        return {"ZADD", key, one({"NX", "XX"}), score(), member()};
      case 17:
        if (pick(3) == 0) return {"ZADD", "lex", "0", member(), "0", member()};
        return {"ZREM", one({"lex", key}), member(), member()};
      case 18:
        return {"ZREMRANGEBYSCORE", key, bound(), bound()};
      case 19:
        return {"ZCARD", key};
      case 20:
        return {"ZSCORE", key, member()};
      case 21:
        return {"ZMSCORE", key, member(), member()};
      case 22:
        return {"ZRANK", key, member()};
      case 23:
        return {"ZCOUNT", key, bound(), bound()};
      case 24:
        return {"ZLEXCOUNT", "lex", lex(), lex()};
      case 25:
        return {"ZRANGE", key, number(), number(), "WITHSCORES"};
      case 26:
        return {one({"ZRANGEBYSCORE", "ZREVRANGEBYSCORE"}),
                key,
                bound(),
                bound(),
                "WITHSCORES",
                "LIMIT",
                one({"0", "1", "3"}),
                one({"0", "1", "2", "100", "-1"})};
      case 27:
        return {"ZRANGEBYLEX",        "lex", lex(), lex(), "LIMIT", one({"0", "1"}),
                one({"1", "2", "-1"})};
      case 28:
        return {"ZUNIONSTORE", key, "2", one({"a", "b", "c"}), one({"a", "d", "e"})};
      case 29:
        return {one({"DEL", "UNLINK"}), key};
      case 30:
        return {"EXISTS", key, one({"a", "b"})};
      case 31:
        return {"PEXPIRE", key, one({"500000", "900000", "-1", "x"})};
      case 32:
        return {one({"PERSIST", "PTTL"}), key};
      default:
        return {"RENAME", key, one({"a", "b", "c", "d"})};
    }
  }

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  std::string one(const std::vector<std::string>& of) { return of[pick(of.size())]; }
  std::string member() { return one({"m1", "m2", "m3", "m4", std::string("z\0y", 3), ""}); }
  std::string text() {
    return one({"", "1", "-5", "text", "9223372036854775807", std::string("\0\xff", 2)});
  }
  std::string number() { return one({"0", "1", "2", "-1", "-2", "5", "-9"}); }
  std::string score() {
    return one(
        {"0", "1", "-1", "0.5", "1790000000000001", "10000000000001", "1e13", "nonsense", "inf"});
  }
  std::string bound() {
    return one({"-inf", "+inf", "(1", "1", "0.5", "(1790000000000001", "-1", "oops"});
  }
  std::string lex() { return one({"-", "+", "[m1", "(m2", "[m3", "(z", "m1"}); }

  std::mt19937 random_;
};

std::string flat(const Reply& reply) {
  if (reply.is_nil()) return "nil";
  if (reply.is_error()) return "error " + reply.text().substr(0, reply.text().find(' '));
  if (!reply.is_array())
    return reply.type() == Reply::Type::integer ? fmt::format(":{}", reply.number()) : reply.text();
  std::string all = "[";
  for (const Reply& e : reply.elements()) all += flat(e) + ",";
  return all + "]";
}

/// What two servers may answer differently is made the same: the order of a hash, the time that is
/// left.
std::string comparable(const Words& words, const Reply& reply) {
  if ((words[0] == "HGETALL" || words[0] == "HVALS") && reply.is_array()) {
    const size_t step = words[0] == "HVALS" ? 1 : 2;
    std::vector<std::string> parts;
    for (size_t i = 0; i + step <= reply.size(); i += step)
      parts.push_back(flat(reply.at(i)) + (step == 2 ? "=" + flat(reply.at(i + 1)) : ""));
    std::sort(parts.begin(), parts.end());
    return fmt::format("{}", fmt::join(parts, ","));
  }
  if (words[0] == "PTTL" && reply.number() > 0) return reply.number() > 600000 ? "long" : "short";
  return flat(reply);
}

}  // namespace

int differential(long long operations, unsigned seed) {
  int differences = 0;
  for (const std::string& program : server_programs()) {
    Server server(program);
    Model model;
    Generator generator(seed);
    for (long long done = 0; done < operations; ++done) {
      const Words words = generator.next();
      const std::string real = comparable(words, server.command(words));
      const std::string ours = comparable(words, model.call(words));
      if (real == ours) continue;
      fmt::print("{} differs after {}: {}\n  server {}\n  model  {}\n", program, done,
                 fmt::join(words, " "), real, ours);
      if (++differences > 5) return 1;
    }
    fmt::print("{}: {} random operations, {} differences\n", program, operations, differences);
  }
  return differences == 0 ? 0 : 1;
}

}  // namespace dcoord::testing::sim
