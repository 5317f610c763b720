#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace dcoord::cli {
namespace {

/// Whether some word can name the option. Registering one costs CLI11 14,000 instructions, so that
/// registering all would take longer than everything else that a command does.
bool may_occur(const Option& option, const Words& words) {
  if (option.positional) return true;
  const std::string name = "--" + option.long_name;
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    if (word.size() < 2 || word[0] != '-') return false;
    if (word[1] == '-') return !option.long_name.empty() && word.starts_with(name);
    return option.short_name != 0 && word.find(option.short_name) != std::string_view::npos;
  });
}

std::string registered_name(const Option& option) {
  if (option.positional) return option.long_name;
  std::string name = option.long_name.empty() ? std::string() : "--" + option.long_name;
  if (option.short_name != 0) {
    if (!name.empty()) name += ',';
    name += {'-', option.short_name};
  }
  return name;
}

/// The words as CLI11 wants them, the last first. It takes an empty attached value
/// (`--holder="$UNSET"`) for none and eats the next word instead, so that one becomes a word of its
/// own.
std::vector<std::string> reversed(const Words& words, const OptionSet& globals,
                                  const OptionSet& verb) {
  std::vector<std::string> result(words.begin(), words.end());
  size_t added = 0;
  Scanner scanner(words, {&globals, &verb});
  while (const auto piece = scanner.next()) {
    const bool empty_attached = piece->kind == Piece::Kind::option &&
                                !piece->option->value_name.empty() && piece->value &&
                                piece->value->empty() && words[piece->word].ends_with('=');
    if (!empty_attached) continue;
    const size_t at = piece->word + added++;
    result[at].pop_back();
    result.insert(result.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::string());
  }
  std::reverse(result.begin(), result.end());
  return result;
}

}  // namespace

Parsed parse(const Words& words, OptionSet& globals, OptionSet& verb) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::pair<CLI::Option*, Option*>> registered;
  for (auto* set : {&globals, &verb}) {
    for (auto& option : set->all()) {
      if (!may_occur(option, words)) continue;
      auto* added = app.add_option(registered_name(option),
                                   CLI::callback_t([](const CLI::results_t&) { return true; }));
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      if (option.value_name.empty() && !option.positional) added->expected(0);
      registered.emplace_back(added, &option);
    }
  }
  Parsed parsed;
  try {
    app.parse(reversed(words, globals, verb));
  } catch (const CLI::Error&) {
    return parsed;  // its texts and codes are not ours
  }
  parsed.complete = app.remaining().empty();
  // parse_order has an entry for each occurrence: only the last one counts for the order.
  const auto& order = app.parse_order();
  for (size_t i = 0; i < order.size(); ++i) {
    if (std::find(order.begin() + static_cast<std::ptrdiff_t>(i) + 1, order.end(), order[i]) !=
        order.end()) {
      continue;
    }
    for (const auto& [added, option] : registered) {
      if (added == order[i]) parsed.given.push_back({option, added->results()});
    }
  }
  return parsed;
}

}  // namespace dcoord::cli
