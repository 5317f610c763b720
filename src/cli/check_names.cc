#include "cli/check_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "cli/suggest.h"

namespace dcoord::cli {
namespace {

using Names = std::vector<std::string>;

const NounEntry* find_noun(const std::vector<NounEntry>& nouns, std::string_view name) {
  for (const auto& noun : nouns) {
    if (noun.name == name) return &noun;
  }
  return nullptr;
}

void add_names(const OptionSet& options, bool may_be_set, Names& names) {
  for (const auto& option : options.all()) {
    if (!option.positional && !option.long_name.empty() && option.from_environment == may_be_set) {
      names.push_back(option.long_name);
    }
  }
}

/// The options of all verbs of a noun.
Names names_of(const NounEntry& entry, bool may_be_set) {
  Names names;
  for (const auto& verb : entry.make().verbs) {
    OptionSet options;
    if (verb.declare) verb.declare(options);
    add_names(options, may_be_set, names);
  }
  return names;
}

bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string did_you_mean(std::string_view word, const Names& candidates) {
  const auto near = suggest(word, candidates);
  return near ? fmt::format("did you mean '{}'?", *near) : std::string();
}

/// Checks files entry by entry; what belongs to a noun is built when a file has something for it.
class FileCheck {
 public:
  FileCheck(const OptionSet& globals, const std::vector<NounEntry>& nouns) : nouns_(nouns) {
    add_names(globals, true, options_[""]);
    add_names(globals, false, flags_only_[""]);
  }

  void check(const ConfigFile& file, const Entry& entry) {
    auto table = entry.table;
    if (!table.empty() && table.front() == "profile") {
      table.erase(table.begin(), table.begin() + std::min<std::ptrdiff_t>(2, std::ssize(table)));
      if (entry.table.size() == 1) fail(file, entry, "no option but a profile's name belongs here");
    }
    if (table.size() > 1) fail(file, entry, fmt::format("unknown table '{}'", join(entry.table)));
    const std::string noun = table.empty() ? "" : table.front();
    if (!load(noun)) {
      Names names;
      for (const auto& known : nouns_) names.emplace_back(known.name);
      fail(file, entry, fmt::format("unknown table '{}'", noun), did_you_mean(noun, names));
    }
    if (has(options_[noun], entry.key)) return;
    if (has(flags_only_[noun], entry.key)) {
      fail(file, entry, fmt::format("'{}' can only be given on the command line", entry.key));
    }
    fail(file, entry, fmt::format("unknown key '{}'", entry.key),
         did_you_mean(entry.key, options_[noun]));
  }

 private:
  bool load(const std::string& noun) {
    if (options_.count(noun) != 0) return true;
    const auto* entry = find_noun(nouns_, noun);
    if (entry == nullptr) return false;
    options_[noun] = names_of(*entry, true);
    flags_only_[noun] = names_of(*entry, false);
    return true;
  }

  static std::string join(const Names& names) { return fmt::format("{}", fmt::join(names, ".")); }

  [[noreturn]] static void fail(const ConfigFile& file, const Entry& entry, std::string_view what,
                                std::string hint = {}) {
    throw config_error(fmt::format("{}:{}: {}", file.path, entry.line, what), std::move(hint));
  }

  const std::vector<NounEntry>& nouns_;
  std::map<std::string, Names> options_;
  std::map<std::string, Names> flags_only_;
};

void check_profile(const Sources& sources) {
  if (sources.profile.empty()) return;
  Names names;
  for (const auto& file : sources.files) {
    for (const auto& entry : file.entries) {
      if (entry.table.size() < 2 || entry.table[0] != "profile") continue;
      if (entry.table[1] == sources.profile) return;
      names.push_back(entry.table[1]);
    }
  }
  auto hint = did_you_mean(sources.profile, names);
  if (hint.empty() && sources.files.empty()) hint = "there is no configuration file";
  throw config_error(fmt::format("unknown profile '{}'", sources.profile), std::move(hint));
}

}  // namespace

void check_files(const Sources& sources, const OptionSet& globals,
                 const std::vector<NounEntry>& nouns) {
  check_profile(sources);
  if (sources.files.empty()) return;
  FileCheck check(globals, nouns);
  for (const auto& file : sources.files) {
    for (const auto& entry : file.entries) check.check(file, entry);
  }
}

namespace {

bool has_variable(const Names& options, std::string_view noun, std::string_view name) {
  return std::any_of(options.begin(), options.end(), [&](const std::string& option) {
    return variable_name(noun, option) == name;
  });
}

/// The noun whose options a variable seems to be meant for: only that one is built, since building
/// nouns costs time.
const NounEntry* noun_of(std::string_view variable, const std::vector<NounEntry>& nouns) {
  const NounEntry* best = nullptr;
  size_t least = 3;
  for (const auto& entry : nouns) {
    const auto prefix = variable_name(entry.name, "");
    const auto distance = edit_distance(variable.substr(0, prefix.size()), prefix);
    if (distance < least) {
      least = distance;
      best = &entry;
    }
  }
  return best;
}

/// What to say of a variable that is none of ours.
void warn_of(std::string_view variable, const OptionSet& globals, const NounEntry* noun) {
  const auto prefix = noun == nullptr ? "" : variable_name(noun->name, "");
  Names known{"DCOORD_PASSWORD", "DCOORD_SENTINEL_PASSWORD"};
  Names options, flags_only;
  add_names(globals, true, options);
  for (const auto& option : options) known.push_back(variable_name("", option));
  add_names(globals, false, flags_only);
  bool only_flag = has_variable(flags_only, "", variable);
  if (noun != nullptr) {
    const auto of_noun = names_of(*noun, true);
    if (has_variable(of_noun, noun->name, variable)) return;
    for (const auto& option : of_noun) known.push_back(variable_name(noun->name, option));
    only_flag = only_flag || has_variable(names_of(*noun, false), noun->name, variable);
  }
  const auto near = did_you_mean(variable, known);
  const auto text =
      only_flag ? fmt::format("{} can only be given on the command line", variable)
                : fmt::format("{} is no option{}", variable, near.empty() ? "" : ", " + near);
  // A variable of somebody else's may begin so, too.
  const bool meant =
      only_flag || !near.empty() || (noun != nullptr && variable.starts_with(prefix));
  if (meant)
    log::warning(text);
  else
    log::note(1, text);
}

}  // namespace

void warn_of_variables(const Environment& environment, const OptionSet& globals,
                       const std::vector<NounEntry>& nouns) {
  for (const auto& variable : environment.own()) {
    const auto name = variable.name;
    if (is_for_children(name) || name == "DCOORD_PASSWORD" || name == "DCOORD_SENTINEL_PASSWORD")
      continue;
    const bool global =
        std::any_of(globals.all().begin(), globals.all().end(), [&](const Option& option) {
          return option.from_environment && variable_name("", option.long_name) == name;
        });
    if (!global) warn_of(name, globals, noun_of(name, nouns));
  }
}

}  // namespace dcoord::cli
