// Scripts with random arguments over keys that may be of any type.
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <sstream>

#include "chaos/sim/lua.h"
#include "chaos/sim/tools.h"
#include "support/checkers.h"

namespace dcoord::testing::sim {
namespace {

/// How many keys and arguments a script's header names, and of which form each argument is.
struct Shape {
  size_t keys = 0;
  std::vector<std::string> arguments;
  bool more = false;  ///< the last may be repeated
};

Shape shape_of(const std::string& name) {
  std::ifstream file(lua_folder() + "/" + name + ".lua");
  Shape shape;
  const std::regex entry(R"(^\s+(KEYS|ARGV)\[(\d+)(\.\.)?\]\s+(.*)$)");
  for (std::string line; std::getline(file, line) && line.find("]]") != 0;) {
    std::smatch found;
    if (!std::regex_match(line, found, entry)) continue;
    if (found[1] == "KEYS") {
      shape.keys = std::stoul(found[2]);
    } else {
      shape.arguments.push_back(found[4]);
      shape.more = found[3].matched;
    }
  }
  return shape;
}

class Fuzzer {
 public:
  explicit Fuzzer(unsigned seed) : random_(seed), scripts_(lua_folder()) {
    for (const std::string& name : scripts_.names()) {
      if (name != "index/prune") shapes_[name] = shape_of(name);  // as many names as keys
    }
  }

  int run(long long runs) {
    std::vector<std::string> names;
    for (const auto& [name, shape] : shapes_) names.push_back(name);
    for (long long i = 0; i < runs; ++i) {
      if (i % 40 == 0) model_.data.clear();
      model_.now_us += static_cast<int64_t>(pick(3000000));
      one(names[pick(names.size())]);
    }
    fmt::print(
        "{} runs of {} scripts: {} answers, {} refused as misuse, {} met a key of another type; {} "
        "failures\n",
        runs, names.size(), answers_, misuses_, wrong_types_, failures_);
    return failures_ == 0 ? 0 : 1;
  }

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  std::string of(const std::vector<std::string>& all) { return all[pick(all.size())]; }

  /// Mostly what the header asks for. Tokens always have 32 characters: dcoord sees to that.
  std::string argument(const std::string& about) {
    static const std::string a(32, 'a'), b(32, 'b');
    const bool token = about.find("token") != std::string::npos ||
                       about.find("id of this request") != std::string::npos;
    if (token && about.find("fencing") == std::string::npos) return of({a, b});
    if (pick(12) == 0)
      return of({"", "0", "-1", "text", std::string(300, 'x'), std::string("\0\xff\n", 3), "0x10",
                 " 7 ", "[", "%"});
    if (about.find("token") != std::string::npos || about.find("receipt") != std::string::npos)
      return of({a, b});
    if (about.find("mailbox") != std::string::npos) return "sim:{1}:mail:" + a;
    if (about.find("ms") != std::string::npos || about.find("how ") != std::string::npos ||
        about.find("number") != std::string::npos || about.find("position") != std::string::npos ||
        about.find("limit") != std::string::npos || about.find("decimal") != std::string::npos ||
        about.find("attempts") != std::string::npos || about.find("priority") != std::string::npos)
      return of({"0", "1", "2", "5", "30000", "1000"});
    if (about.find("flags") != std::string::npos)
      return of({"", "x", "xw", "s", "sw", "g", "f", "k", "l", "n", "ws", "a", "v"});
    return of({"", "mail", "who", "name", "retry", "dead", "ready", "set", "delete", "s one\ns two",
               "b"});
  }

  void one(const std::string& name) {
    const Shape& shape = shapes_.at(name);
    const std::string noun = name.substr(0, name.find('/'));
    Words keys, args;
    for (size_t i = 0; i < shape.keys; ++i)
      keys.push_back(fmt::format("k:{}:{}:{}", noun, i, pick(2)));
    for (const std::string& about : shape.arguments) args.push_back(argument(about));
    for (size_t n = shape.more ? pick(4) : 0; n > 0; --n)
      args.push_back(argument(shape.arguments.back()));
    const bool spoilt = pick(20) == 0 && !keys.empty();
    if (spoilt) {
      const std::string& key = keys[pick(keys.size())];
      model_.data[key] = Entry{std::string("text"), 0};
    }
    const auto before = model_.data;
    const Reply reply = scripts_.run(model_, name, keys, args);
    judge(name, args, reply, before);
    if (spoilt) model_.data.clear();
  }

  void judge(const std::string& name, const Words& args, const Reply& reply,
             const std::map<std::string, Entry>& before) {
    const ScriptTrace& trace = scripts_.trace();
    std::string bad;
    if (!trace.lua_error.empty()) bad = trace.lua_error;
    if (!trace.foreign_key.empty()) bad = "a key that it was not given: " + trace.foreign_key;
    const bool refused = reply.is_error() &&
                         (reply.text().starts_with("MISUSE") || reply.text().starts_with("LAYOUT"));
    if (refused && !trace.commands.empty())
      bad = "it wrote before it refused: " + trace.commands[0][0];
    if (reply.is_error() && !refused && !reply.text().starts_with("WRONGTYPE") && bad.empty())
      bad = reply.text();
    (void)before;
    answers_ += !reply.is_error();
    misuses_ += refused;
    wrong_types_ += reply.is_error() && reply.text().starts_with("WRONGTYPE");
    if (bad.empty()) return;
    ++failures_;
    const std::string kind = name + bad.substr(0, 60);
    if (told_[kind]++ > 0) return;
    std::string words;
    for (const std::string& arg : args) words += fmt::format(" '{}'", arg.substr(0, 40));
    fmt::print("{}{}\n  {}\n", name, words, bad);
  }

  std::mt19937 random_;
  Scripts scripts_;
  Model model_;
  std::map<std::string, Shape> shapes_;
  std::map<std::string, int> told_;
  long long answers_ = 0, misuses_ = 0, wrong_types_ = 0, failures_ = 0;
};

}  // namespace

int fuzz_scripts(long long runs, unsigned seed) { return Fuzzer(seed).run(runs); }

int check_file(const std::string& path, const std::vector<std::string>& names) {
  static const std::map<std::string, Violations (*)(const History&)> kCheckers{
      {"exclusion", check_exclusion}, {"fence", check_fence},      {"fifo", check_fifo},
      {"queue", check_queue},         {"state", check_state},      {"barrier", check_barrier},
      {"jobs", check_jobs},           {"liveness", check_liveness}};
  std::ifstream file(path);
  std::ostringstream lines;
  lines << file.rdbuf();
  const History history = parse_history(lines.str());
  Violations found;
  if (names.empty()) found = check_all(history);
  for (const std::string& name : names) {
    const Violations more = kCheckers.at(name)(history);
    found.insert(found.end(), more.begin(), more.end());
  }
  fmt::print("{}", text(found));
  fmt::print("{} operations, {} violations\n", history.size(), found.size());
  return found.empty() ? 0 : 1;
}

}  // namespace dcoord::testing::sim
