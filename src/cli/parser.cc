#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace dcoord::cli {
namespace {

/// Stands before every value that CLI11 gets, so that all are the same to it. It splits "[a,b]",
/// turns "[[]]" into
/// "[]", takes an empty value (`--holder="$UNSET"`) for none and eats the next word, each in some
/// of its versions.
constexpr char kOpaque = '=';

/// What CLI11 gets.
struct Input {
  std::vector<std::string> words;    ///< the last first, as it wants them
  std::vector<const Option*> named;  ///< the options that occur
  bool understood = true;            ///< false: an unknown option
};

Input prepare(const Words& words, const OptionSet& globals, const OptionSet& verb) {
  Input input;
  const auto add_value = [&](std::string_view value) {
    input.words.push_back(kOpaque + std::string(value));
  };
  Scanner scanner(words, {&globals, &verb});
  while (const auto piece = scanner.next()) {
    if (piece->kind == Piece::Kind::unknown) {
      input.understood = false;
      return input;
    }
    if (piece->kind == Piece::Kind::positional) {
      add_value(piece->text);
      continue;
    }
    const auto& option = *piece->option;
    input.named.push_back(&option);
    const bool is_flag = option.value_name.empty();
    auto name = option_name(option);
    if (is_flag && piece->value) name += '=' + std::string(*piece->value);
    input.words.push_back(std::move(name));
    if (!is_flag && piece->value) add_value(*piece->value);
  }
  std::reverse(input.words.begin(), input.words.end());
  return input;
}

/// Registers what occurs, and the positional arguments. An option costs CLI11 14,000 instructions:
/// registering all would take longer than everything else that a command does.
std::vector<std::pair<CLI::Option*, Option*>> register_options(CLI::App& app, const Input& input,
                                                               OptionSet& globals,
                                                               OptionSet& verb) {
  std::vector<std::pair<CLI::Option*, Option*>> registered;
  for (auto* set : {&globals, &verb}) {
    for (auto& option : set->all()) {
      const bool occurs =
          std::find(input.named.begin(), input.named.end(), &option) != input.named.end();
      if (!occurs && !option.positional) continue;
      auto* added = app.add_option(option_name(option),
                                   CLI::callback_t([](const CLI::results_t&) { return true; }));
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      if (option.value_name.empty() && !option.positional) added->expected(0);
      if (option.positional && option.repeatable) added->allow_extra_args();
      registered.emplace_back(added, &option);
    }
  }
  return registered;
}

std::vector<std::string> values_of(const CLI::Option& result, const Option& option) {
  auto values = result.results();
  if (option.value_name.empty() && !option.positional) return values;
  for (auto& value : values) value.erase(0, 1);  // kOpaque
  return values;
}

}  // namespace

Parsed parse(const Words& words, OptionSet& globals, OptionSet& verb) {
  Parsed parsed;
  auto input = prepare(words, globals, verb);
  if (!input.understood) return parsed;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  const auto registered = register_options(app, input, globals, verb);
  try {
    app.parse(std::move(input.words));
  } catch (const CLI::Error&) {
    return parsed;  // its texts and codes are not ours
  }
  parsed.complete = app.remaining().empty();
  // parse_order has an entry for each occurrence: only the last one counts for the order.
  const auto& order = app.parse_order();
  for (auto at = order.begin(); at != order.end(); ++at) {
    if (std::find(at + 1, order.end(), *at) != order.end()) continue;
    for (const auto& [result, option] : registered) {
      if (result == *at) parsed.given.push_back({option, values_of(*result, *option)});
    }
  }
  return parsed;
}

}  // namespace dcoord::cli
