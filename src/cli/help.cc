#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/environment.h"
#include "cli/manual.h"

namespace dcoord::cli {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kWidestLeft = 30;
constexpr size_t kGap = 2;

struct Row {
  std::string left;
  std::string right;
};

void append_wrapped(std::string& out, std::string_view text, size_t column) {
  size_t at = column;
  while (!text.empty()) {
    const auto length = std::min(text.find(' '), text.size());
    if (at + length > kWidth && at > column) {
      out.back() = '\n';  // the space before the word
      out.append(column, ' ');
      at = column;
    }
    out += text.substr(0, length);
    out += ' ';
    at += length + 1;
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  if (out.back() == ' ') out.pop_back();
  out += '\n';
}

/// Two columns, indented; a left side that is too wide stands on a line of its own.
std::string columns(const std::vector<Row>& rows) {
  size_t width = 0;
  for (const auto& row : rows) {
    if (row.left.size() <= kWidestLeft) width = std::max(width, row.left.size());
  }
  const size_t column = kGap + width + kGap;
  std::string out;
  for (const auto& row : rows) {
    out += fmt::format("  {}", row.left);
    if (row.left.size() > width) {
      out += '\n';
      out.append(column, ' ');
    } else {
      out.append(column - kGap - row.left.size(), ' ');
    }
    append_wrapped(out, row.right, column);
  }
  return out;
}

std::string left_of(const Option& option) {
  if (option.positional) return option.long_name;
  std::string text = option.short_name == 0 ? "    " : fmt::format("-{}", option.short_name);
  if (!option.long_name.empty()) {
    text += option.short_name == 0 ? "" : ", ";
    text += "--" + option.long_name;
  }
  if (!option.value_name.empty()) text += ' ' + option.value_name;
  return text;
}

std::string right_of(const Option& option) {
  std::string text = option.help;
  std::vector<std::string> notes;
  if (option.required && !option.positional) notes.emplace_back("required");
  if (!option.choices.empty()) notes.push_back(fmt::format("{}", fmt::join(option.choices, ", ")));
  if (!option.default_text.empty()) notes.push_back("default: " + option.default_text);
  return notes.empty() ? text : fmt::format("{} ({})", text, fmt::join(notes, "; "));
}

std::string option_table(const OptionSet& options, bool positional) {
  std::vector<Row> rows;
  for (const auto& option : options.all()) {
    if (option.positional == positional) rows.push_back({left_of(option), right_of(option)});
  }
  return columns(rows);
}

std::string example_lines(const std::vector<std::string>& examples) {
  std::string out;
  for (const auto& line : examples) out += fmt::format("  {}\n", line);
  return out;
}

std::string noun_groups(const std::vector<NounEntry>& nouns) {
  std::vector<std::string_view> groups;
  size_t width = 0;
  for (const auto& noun : nouns) {
    width = std::max(width, std::string_view(noun.name).size());
    if (std::find(groups.begin(), groups.end(), noun.group) == groups.end()) {
      groups.emplace_back(noun.group);
    }
  }
  std::string out;
  for (const auto group : groups) {
    out += fmt::format("\n{}\n", group);
    for (const auto& noun : nouns) {
      if (noun.group == group) out += fmt::format("  {:<{}}  {}\n", noun.name, width, noun.summary);
    }
  }
  return out;
}

}  // namespace

std::string top_help(const std::vector<NounEntry>& nouns, const Globals* globals) {
  std::string out =
      "dcoord: coordinate shell scripts, cron jobs and pipelines across machines, over Redis or "
      "Valkey\n\n"
      "usage: dcoord [GLOBAL OPTIONS] NOUN VERB NAME [OPTIONS] [-- COMMAND ARG...]\n\n"
      "examples:\n"
      "  dcoord lock run deploy -- ./deploy.sh            one at a time, on all machines\n"
      "  dcoord lock run report -n -- ./report.sh         or not at all, if another one runs\n"
      "  dcoord -u redis://db1:6379 locks list            who holds what\n";
  out += noun_groups(nouns);
  if (globals != nullptr) {
    out += "\nglobal options, accepted anywhere before '--':\n";
    out += option_table(globals->options, false);
    out +=
        "\neach is also read from DCOORD_<OPTION> (DCOORD_URL) and from the configuration file; "
        "see\n"
        "'dcoord config show --origin'\n";
    out += "\ntopics, for dcoord help TOPIC:\n";
    for (const auto& topic : help_topics())
      out += fmt::format("  {:<12}{}\n", topic.name, topic.summary);
  } else {
    out +=
        "\nmore: dcoord NOUN, dcoord NOUN VERB --help, and dcoord --help for the global options\n";
  }
  return out;
}

std::string noun_help(const Noun& noun) {
  std::string out = fmt::format("dcoord {}: {}\n\n", noun.name, noun.summary);
  out += fmt::format("usage: dcoord {} VERB ...\n", noun.name);
  if (!noun.examples.empty()) out += "\nexamples:\n" + example_lines(noun.examples);
  std::vector<Row> rows;
  for (const auto& verb : noun.verbs) {
    if (!verb.name.empty()) rows.push_back({verb.name, verb.summary});
  }
  out += "\nverbs:\n" + columns(rows);
  out += fmt::format("\nmore: dcoord {} VERB --help\n", noun.name);
  return out;
}

std::string command_name(const Noun& noun, const Verb& verb) {
  return fmt::format("dcoord {}{}{}", noun.name, verb.name.empty() ? "" : " ", verb.name);
}

std::string usage_line(const Noun& noun, const Verb& verb) {
  return fmt::format("usage: {}{}{}", command_name(noun, verb), verb.usage.empty() ? "" : " ",
                     verb.usage);
}

std::string verb_help(const Noun& noun, const Verb& verb) {
  OptionSet options;
  if (verb.declare) verb.declare(options);
  std::string out = usage_line(noun, verb) + "\n\n" + verb.summary + '\n';
  if (!verb.examples.empty()) out += "\nexamples:\n" + example_lines(verb.examples);
  const auto arguments = option_table(options, true);
  if (!arguments.empty()) out += "\narguments:\n" + arguments;
  const auto table = option_table(options, false);
  if (!table.empty()) out += "\noptions:\n" + table;
  const bool settable = std::any_of(
      options.all().begin(), options.all().end(),
      [](const Option& option) { return !option.positional && option.from_environment; });
  out += '\n';
  if (settable) {
    out += fmt::format(
        "options are also read from {}<OPTION> and from [{}] in the configuration file\n",
        variable_name(noun.name, ""), noun.name);
  }
  return out + "global options (-u, -o, -q ...) are listed by dcoord --help\n";
}

}  // namespace dcoord::cli
