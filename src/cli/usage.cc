#include "cli/usage.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/help.h"
#include "cli/suggest.h"
#include "output/printer.h"
#include "redis/url.h"

namespace dcoord::cli {
namespace {

/// What all checks look at.
struct Line {
  const Argv& argv;
  const Invocation& invocation;
  const OptionSet& globals;
  const OptionSet& options;

  const Noun& noun() const { return *invocation.noun; }
  const Verb& verb() const { return *invocation.verb; }
  std::string usage() const { return usage_line(noun(), verb()); }
};

/// The command line as it was typed up to `end`, for a shell, without passwords.
std::string typed(const Line& line, size_t end) {
  std::vector<std::string> words;
  for (const auto word : line.argv.words) words.emplace_back(word);
  Scanner scanner(line.argv.words, {&line.globals, &line.options});
  while (const auto piece = scanner.next()) {
    if (piece->kind != Piece::Kind::option || !piece->value) continue;
    const auto& name = piece->option->long_name;
    if (name != "pass" && name != "url") continue;
    for (size_t i = piece->word; i <= piece->word + 1 && i < words.size(); ++i) {
      const auto at = line.argv.words[i].data();
      const auto* value = piece->value->data();
      if (value < at || value > at + line.argv.words[i].size()) continue;
      words[i] =
          std::string(at, value) + (name == "pass" ? "***" : redis::redact_url(*piece->value));
    }
  }
  std::string text = "dcoord";
  for (size_t i = 0; i < std::min(end, words.size()); ++i)
    text += ' ' + output::shell_quote(words[i]);
  return text;
}

[[noreturn]] void unknown_option(const Line& line, const Piece& piece) {
  const bool is_long = piece.text.starts_with("--");
  const auto name = fmt::format("{}{}", is_long ? "" : "-", piece.text);
  std::string hint =
      fmt::format("{} --help lists the options", command_name(line.noun(), line.verb()));
  std::vector<std::string> names;
  for (const auto* set : {&line.options, &line.globals}) {
    for (const auto& option : set->all()) {
      if (!option.positional && !option.long_name.empty()) names.push_back(option.long_name);
    }
  }
  if (const auto near = is_long ? suggest(piece.text.substr(2), names) : std::nullopt) {
    hint = fmt::format("did you mean '--{}'?", *near);
  }
  throw usage_error(fmt::format("unknown option '{}'", name), hint);
}

[[noreturn]] void extra_argument(const Line& line, const Piece& piece, bool after_shell) {
  const size_t at = line.invocation.rest_at[piece.word];
  if (line.verb().takes_command && !line.argv.tail && !after_shell) {
    auto corrected = typed(line, at) + " --";
    for (size_t i = at; i < line.argv.words.size(); ++i) {
      corrected += ' ' + output::shell_quote(std::string(line.argv.words[i]));
    }
    throw usage_error("a command must follow '--'", corrected);
  }
  throw usage_error(fmt::format("unexpected argument '{}'", piece.text), line.usage());
}

/// Finds the first thing, in argv's order, that could not be understood.
[[noreturn]] void explain(const Line& line) {
  auto positionals = std::count_if(line.options.all().begin(), line.options.all().end(),
                                   [](const Option& option) { return option.positional; });
  const bool any = std::any_of(line.options.all().begin(), line.options.all().end(),
                               [](const Option& o) { return o.positional && o.repeatable; });
  bool after_shell = false;  // -c STRING came already, so that no `--` is missing
  Scanner scanner(line.invocation.rest, {&line.globals, &line.options});
  while (const auto piece = scanner.next()) {
    switch (piece->kind) {
      case Piece::Kind::unknown:
        unknown_option(line, *piece);
      case Piece::Kind::positional:
        if (positionals-- <= 0 && !any) extra_argument(line, *piece, after_shell);
        break;
      case Piece::Kind::option:
        after_shell = after_shell || piece->option->short_name == 'c';
        if (piece->option->value_name.empty() || piece->value) break;
        throw usage_error(fmt::format("{} needs a value: {}", option_name(*piece->option),
                                      piece->option->value_name),
                          line.usage());
    }
  }
  throw internal_error("the command line could not be understood");
}

bool is_given(const Parsed& parsed, const Option& option) {
  return std::any_of(parsed.given.begin(), parsed.given.end(),
                     [&](const Given& given) { return given.option == &option; });
}

void check_command(const Line& line, const Parsed& parsed) {
  const auto& tail = line.argv.tail;
  if (!line.verb().takes_command) {
    if (!tail || line.verb().takes_tail) return;
    throw usage_error(
        fmt::format("{} takes nothing after '--'", command_name(line.noun(), line.verb())),
        line.usage());
  }
  const auto* shell = find_short(line.options, 'c');
  const bool has_shell = shell != nullptr && is_given(parsed, *shell);
  if (has_shell && tail) throw usage_error("either -c or a command after '--', not both");
  if (has_shell || (tail && !tail->empty())) return;
  throw usage_error("a command must follow '--'",
                    typed(line, line.argv.words.size()) + " -- COMMAND [ARG...]");
}

}  // namespace

void check_usage(const Argv& argv, const Invocation& invocation, const OptionSet& globals,
                 const OptionSet& options, const Parsed& parsed) {
  const Line line{argv, invocation, globals, options};
  if (!parsed.complete) explain(line);
  for (const auto& option : options.all()) {
    if (option.positional && option.required && !is_given(parsed, option)) {
      throw usage_error(fmt::format("missing argument {}", option.long_name), line.usage());
    }
  }
  check_command(line, parsed);
}

void check_required(const Invocation& invocation, const OptionSet& options) {
  for (const auto& option : options.all()) {
    if (option.positional || !option.required || option.given) continue;
    throw usage_error(fmt::format("missing option {} {}", option_name(option), option.value_name),
                      usage_line(*invocation.noun, *invocation.verb));
  }
}

}  // namespace dcoord::cli
