#include "redis/script_commands.h"

#include <algorithm>
#include <cctype>
#include <set>

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

std::vector<std::string_view> commands_of(std::string_view script) {
  for (unsigned long i = 0; i < scripts::kCount; ++i) {
    if (scripts::kAll[i]->name == script) return split(scripts::kCommands[i]);
  }
  return {};
}

std::vector<std::string_view> commands_of_all() {
  std::set<std::string_view> commands;
  for (unsigned long i = 0; i < scripts::kCount; ++i) {
    for (const std::string_view command : split(scripts::kCommands[i])) commands.insert(command);
  }
  return {commands.begin(), commands.end()};
}

std::string acl_name(std::string_view command) {
  std::string name(command);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace dcoord::redis
