#include "redis/script_commands.h"

#include <algorithm>

#include "redis/scripts.h"

namespace dcoord::redis {

namespace scripts {
extern const char* const kCommands[];  // generated beside kAll: of each, separated by spaces
}

namespace {

std::vector<std::string_view> split(std::string_view words) {
  std::vector<std::string_view> all;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    all.push_back(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return all;
}

}  // namespace

std::vector<std::string_view> commands_of(const Script& script) {
  for (unsigned long i = 0; i < scripts::kCount; ++i) {
    if (scripts::kAll[i] == &script) return split(scripts::kCommands[i]);
  }
  return {};
}

}  // namespace dcoord::redis
