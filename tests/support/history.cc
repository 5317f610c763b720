#include "support/history.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace dcoord::testing {
namespace {

void read_pairs(std::istringstream& words, Operation& operation) {
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::runtime_error("no KEY=VALUE: " + word);
    operation.with[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

Operation::Outcome parse_outcome(const std::string& word) {
  if (word == "done") return Operation::Outcome::done;
  if (word == "refused") return Operation::Outcome::refused;
  if (word == "unknown") return Operation::Outcome::unknown;
  throw std::runtime_error("no outcome: " + word);
}

}  // namespace

const std::string& Operation::value(const std::string& key) const {
  static const std::string none;
  const auto found = with.find(key);
  return found == with.end() ? none : found->second;
}

int64_t Operation::number(const std::string& key, int64_t otherwise) const {
  const std::string& text = value(key);
  return text.empty() ? otherwise : std::stoll(text);
}

bool has(const Violations& violations, std::string_view name) {
  return std::any_of(violations.begin(), violations.end(),
                     [&](const Violation& v) { return v.name == name; });
}

std::string text(const Violations& violations) {
  std::string all;
  for (const Violation& v : violations) all += v.name + ": " + v.text + "\n";
  return all;
}

History parse_history(std::string_view lines) {
  History history;
  std::map<std::string, size_t> open;
  std::istringstream input{std::string(lines)};
  for (std::string line; std::getline(input, line);) {
    std::istringstream words(line);
    std::string verb, id, outcome;
    if (!(words >> verb)) continue;
    Operation operation;
    if (verb == "begin" &&
        words >> operation.id >> operation.process >> operation.what >> operation.invoke) {
      read_pairs(words, operation);
      open[operation.id] = history.size();
      history.push_back(std::move(operation));
      continue;
    }
    const bool ends = verb == "end" && words >> id && open.contains(id);
    if (!ends || !(words >> history[open[id]].returned >> outcome))
      throw std::runtime_error("no line of a history: " + line);
    Operation& ended = history[open[id]];
    ended.outcome = parse_outcome(outcome);
    read_pairs(words, ended);
  }
  std::stable_sort(history.begin(), history.end(),
                   [](const Operation& a, const Operation& b) { return a.invoke < b.invoke; });
  return history;
}

}  // namespace dcoord::testing
