#include "cli/environment.h"

#include <algorithm>

namespace dcoord::cli {
namespace {

constexpr std::string_view kPrefix = "DCOORD_";

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

const std::vector<ToldVariable>& told_variables() {
  static const std::vector<ToldVariable> list{
      {"DCOORD_LOCK_NAME", "name of the lock that is held"},
      {"DCOORD_TOKEN", "token of the innermost hold"},
      {"DCOORD_OWNER", "id of the outermost dcoord, which all nested ones share"},
      {"DCOORD_FENCE", "fencing token: rises with every grant"},
      {"DCOORD_HELD", "all locks that the dcoords around the command hold, with their tokens"},
      {"DCOORD_WITHIN", "beginnings of the tokens of the elections and jobs that it runs under"},
      {"DCOORD_SLOT", "with slots: number of the slot, from 0"},
      {"DCOORD_RESOURCE", "with a pool: name of the slot"},
      {"DCOORD_UNPROTECTED", "1 if the command runs without the lock (--if-unavailable run)"},
      {"DCOORD_LOST_REASON", "for --on-lost: why the lease was lost"},
      {"DCOORD_ELECTION", "name of the election"},
      {"DCOORD_CANDIDATE", "id of this candidate"},
      {"DCOORD_TERM", "number of the term, which rises by one"},
      {"DCOORD_JOB", "name of the job"},
      {"DCOORD_RUN", "the job's run; also read where --run is not given"},
      {"DCOORD_ATTEMPT", "how often this was tried, from 1"},
      {"DCOORD_QUEUE", "name of the queue"},
      {"DCOORD_ITEM_ID", "id of the item"},
      {"DCOORD_RECEIPT", "receipt of the item's delivery"},
      {"DCOORD_TOPIC", "topic of the event"},
      {"DCOORD_EVENT_ID", "id of the event"},
      {"DCOORD_BREAKER", "name of the circuit breaker"},
      {"DCOORD_BREAKER_STATE",
       "what the breaker is in: closed, half-open; or open, for --fallback"},
      {"DCOORD_BREAKER_RETRY_MS", "for --fallback: ms until the breaker lets somebody try"},
      {"DCOORD_EVENT_TIME", "when it was published"},
      {"DCOORD_PUBLISHER", "who published it, HOST:PID"},
      {"DCOORD_MISSED", "how many events before it were trimmed before they could be read"},
      {"DCOORD_KEY", "name of the value that changed"},
      {"DCOORD_VALUE", "the value, up to 64 KiB of it"},
      {"DCOORD_VERSION", "version of the value"},
      {"DCOORD_CHANGE", "what became of the value"},
      {"DCOORD_FOLDED", "how many changes this one stands for"},
      {"DCOORD_WRITER", "who changed the value, HOST:PID"},
  };
  return list;
}

bool is_for_children(std::string_view name) {
  const auto& list = told_variables();
  return std::any_of(list.begin(), list.end(),
                     [&](const ToldVariable& variable) { return variable.name == name; });
}

}  // namespace dcoord::cli
