#include "cli/resolve.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace dcoord::cli {
namespace {

struct SourcedValues {
  Option* option;
  std::vector<std::string> values;
  Origin origin;
};

/// The tables that hold the options of `noun`, the strongest first: {"profile", "ci", "lock"}
/// before {"lock"}.
std::vector<std::vector<std::string>> tables_of(std::string_view noun, const std::string& profile) {
  std::vector<std::vector<std::string>> tables;
  if (!profile.empty()) tables.push_back({"profile", profile});
  tables.emplace_back();
  if (!noun.empty()) {
    for (auto& table : tables) table.emplace_back(noun);
  }
  return tables;
}

void collect_files(OptionSet& options, std::string_view noun, const Sources& sources,
                   std::vector<SourcedValues>& out) {
  const auto tables = tables_of(noun, sources.profile);
  for (size_t t = 0; t < tables.size(); ++t) {
    const bool in_profile = t + 1 < tables.size();
    for (const auto& file : sources.files) {
      for (const auto& entry : file.entries) {
        if (entry.table != tables[t]) continue;
        auto* option = const_cast<Option*>(find_long(options, entry.key));
        if (option == nullptr || !option->from_environment) continue;
        if (entry.array && !option->repeatable) {
          throw config_error(fmt::format("{}: takes one value, not several", place(file, entry)));
        }
        out.push_back({option,
                       entry.values,
                       {in_profile ? Origin::Source::profile : file.source, place(file, entry)}});
      }
    }
  }
}

void collect_environment(OptionSet& options, std::string_view noun, const Sources& sources,
                         std::vector<SourcedValues>& out) {
  const auto& own = sources.environment.own();
  if (own.empty()) return;
  const size_t around = variable_name(noun, "").size();
  for (auto& option : options.all()) {
    if (!option.from_environment || option.long_name.empty()) continue;
    // Most can be told from all there are by their length, without spelling them.
    const size_t length = around + option.long_name.size();
    const bool possible = std::any_of(own.begin(), own.end(), [&](const auto& variable) {
      return variable.name.size() == length;
    });
    if (!possible) continue;
    const auto name = variable_name(noun, option.long_name);
    if (is_for_children(name)) continue;
    if (const auto value = sources.environment.get(name)) {
      out.push_back({&option, {std::string(*value)}, {Origin::Source::environment, name}});
    }
  }
}

void apply(const SourcedValues& candidate) {
  Option& option = *candidate.option;
  option.origin = candidate.origin;
  if (!option.repeatable) {
    option.given = candidate.values.back();
    option.set(candidate.values.back(), candidate.origin);
    return;
  }
  option.given = std::string();
  for (const auto& value : candidate.values) {
    if (!option.given->empty()) *option.given += ' ';
    *option.given += value;
    option.set(value, candidate.origin);
  }
}

}  // namespace

void resolve(OptionSet& options, std::string_view noun, const Sources& sources) {
  std::vector<SourcedValues> candidates;  // the strongest first
  for (auto given = sources.flags.rbegin(); given != sources.flags.rend(); ++given) {
    const auto& all = options.all();
    const bool ours = !all.empty() && given->option >= &all.front() && given->option <= &all.back();
    if (!ours) continue;
    candidates.push_back(
        {given->option, given->values, {Origin::Source::flag, option_name(*given->option)}});
  }
  collect_environment(options, noun, sources, candidates);
  if (!sources.files.empty()) collect_files(options, noun, sources, candidates);
  std::vector<const SourcedValues*> winners;
  for (const auto& candidate : candidates) {
    const bool overridden = std::any_of(
        winners.begin(), winners.end(),
        [&](const SourcedValues* winner) { return winner->option == candidate.option; });
    if (!overridden) winners.push_back(&candidate);
  }
  for (auto winner = winners.rbegin(); winner != winners.rend(); ++winner) {
    // An empty array sets nothing.
    if (!(*winner)->values.empty()) apply(**winner);
  }
}

std::optional<std::string> profile_in(const std::vector<ConfigFile>& files) {
  for (const auto& file : files) {
    for (const auto& entry : file.entries) {
      if (entry.table.empty() && entry.key == "profile" && !entry.array)
        return entry.values.front();
    }
  }
  return std::nullopt;
}

FoundFiles find_files(const std::vector<Given>& flags, const Globals& globals,
                      const Environment& environment) {
  const auto early = [&](const char* name) -> std::optional<std::string> {
    for (const auto& given : flags) {
      if (given.option == &globals.option(name)) return given.values.back();
    }
    const auto value = environment.get(variable_name("", name));
    return value ? std::optional(std::string(*value)) : std::nullopt;
  };
  ConfigPaths paths;
  paths.only = early("config");
  paths.user = user_config_path(environment);
  FoundFiles found;
  found.files = read_config_files(paths);
  auto profile = early("profile");
  if (!profile) profile = profile_in(found.files);
  found.profile = profile.value_or("");
  return found;
}

}  // namespace dcoord::cli
