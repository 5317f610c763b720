#include "cli/manual.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>

namespace dcoord::cli {

const std::vector<HelpTopic>& help_topics() {
  static const std::vector<HelpTopic> list{
      {"exit-codes", "", "what each exit code means"},
      {"guarantees", "dcoord-guarantees.7", "what is promised, and what is not"},
      {"recipes", "dcoord-recipes.7", "what it is good for, to be copied"},
      {"toml", "dcoord.toml.5", "the configuration file"},
      {"url", "dcoord-url.7", "how servers are named"},
  };
  return list;
}

const HelpTopic* find_topic(std::string_view name) {
  for (const auto& topic : help_topics()) {
    if (topic.name == name) return &topic;
  }
  return nullptr;
}

std::string manual_page(std::string_view page) {
  char self[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  if (length <= 0) return "";
  // PREFIX/bin/dcoord and PREFIX/share/man
  std::string prefix(self, static_cast<size_t>(length));
  for (int i = 0; i < 2; ++i) prefix.resize(std::min(prefix.rfind('/'), prefix.size()));
  const char section = page.empty() ? '1' : page.back();
  for (const char* ending : {".gz", ""}) {
    auto file = fmt::format("{}/share/man/man{}/{}{}", prefix, section, page, ending);
    if (access(file.c_str(), R_OK) == 0) return file;
  }
  return "";
}

void open_manual(const std::string& file) {
  std::fflush(stdout);
  execlp("man", "man", file.c_str(), static_cast<char*>(nullptr));
}

}  // namespace dcoord::cli
