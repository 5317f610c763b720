#include "cli/environment.h"

#include <algorithm>

namespace dcoord::cli {
namespace {

constexpr std::string_view kPrefix = "DCOORD_";

/// What a command is told about what is held for it. A nested dcoord inherits them all.
constexpr std::string_view kForChildren[] = {
    "DCOORD_LOCK_NAME",       "DCOORD_TOKEN",       "DCOORD_OWNER",
    "DCOORD_FENCE",           "DCOORD_HELD",        "DCOORD_SLOT",
    "DCOORD_RESOURCE",        "DCOORD_UNPROTECTED", "DCOORD_ITEM_ID",
    "DCOORD_ATTEMPT",         "DCOORD_TOPIC",       "DCOORD_RUN",
    "DCOORD_QUEUE",           "DCOORD_JOB",         "DCOORD_BARRIER",
    "DCOORD_ELECTION",        "DCOORD_EVENT_ID",    "DCOORD_LOST_REASON",
    "DCOORD_RECEIPT",         "DCOORD_BREAKER",     "DCOORD_BREAKER_STATE",
    "DCOORD_BREAKER_RETRY_MS"};

}  // namespace

Environment::Environment(char** variables) : variables_(variables) {
  for (char** entry = variables_; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with(kPrefix)) continue;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || equals + 1 == text.size()) continue;
    own_.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
}

std::optional<std::string_view> Environment::get(std::string_view name) const {
  if (name.starts_with(kPrefix)) {
    for (const auto& variable : own_) {
      if (variable.name == name) return variable.value;
    }
    return std::nullopt;
  }
  for (char** entry = variables_; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool same =
        text.size() > name.size() + 1 && text[name.size()] == '=' && text.starts_with(name);
    if (same) return text.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::string variable_name(std::string_view noun, std::string_view option) {
  std::string name(kPrefix);
  const auto append = [&name](std::string_view text) {
    for (const char c : text) {
      name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  };
  append(noun);
  if (!noun.empty()) name += '_';
  append(option);
  return name;
}

bool is_for_children(std::string_view name) {
  return std::find(std::begin(kForChildren), std::end(kForChildren), name) !=
         std::end(kForChildren);
}

}  // namespace dcoord::cli
