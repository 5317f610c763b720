#include "chaos/sim/model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <unordered_map>

#include "chaos/sim/model_commands.h"

namespace dcoord::testing::sim {

bool SortedSet::put(const std::string& member, double score) {
  const auto [at, fresh] = scores.emplace(member, score);
  if (!fresh) {
    order.erase({at->second, member});
    at->second = score;
  }
  order.emplace(score, member);
  return fresh;
}

bool SortedSet::drop(const std::string& member) {
  const auto at = scores.find(member);
  if (at == scores.end()) return false;
  order.erase({at->second, member});
  scores.erase(at);
  return true;
}

std::string double_text(double number) {
  char text[64];
  const int n = std::snprintf(text, sizeof text, "%.17g", number);
  return std::string(text, static_cast<size_t>(n));
}

Entry* Model::entry_of(const std::string& key) {
  const auto at = data.find(key);
  if (at == data.end()) return nullptr;
  if (at->second.expires_ms != 0 && at->second.expires_ms <= now_ms()) {
    data.erase(at);
    return nullptr;
  }
  return &at->second;
}

void Model::expire() {
  std::erase_if(data, [&](const auto& item) {
    return item.second.expires_ms != 0 && item.second.expires_ms <= now_ms();
  });
}

Reply Model::call(const Words& words) {
  static const auto table = [] {
    std::unordered_map<std::string, const CommandEntry*> found;
    for (const CommandEntry& entry : command_table()) found[entry.name] = &entry;
    return found;
  }();
  if (words.empty()) return Reply::error("ERR empty command");
  const auto at = table.find(words[0]);
  if (at == table.end()) return Reply::error("ERR unknown command '" + words[0] + "'");
  const auto given = static_cast<int>(words.size());
  const int arity = at->second->arity;
  if (arity >= 0 ? given != arity : given < -arity)
    return Reply::error("ERR wrong number of arguments for '" + words[0] + "' command");
  try {
    return at->second->run(*this, words);
  } catch (const CommandError& error) {
    return Reply::error(error.what());
  }
}

std::vector<std::string> Model::commands() {
  std::vector<std::string> names;
  for (const CommandEntry& entry : command_table()) names.emplace_back(entry.name);
  return names;
}

bool Model::writes(const std::string& command) {
  const auto& table = command_table();
  return std::any_of(table.begin(), table.end(), [&](const CommandEntry& entry) {
    return entry.writes && command == entry.name;
  });
}

}  // namespace dcoord::testing::sim
