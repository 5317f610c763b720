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

void note_unknown_variables(const Environment& environment, const OptionSet& globals,
                            const std::vector<NounEntry>& nouns) {
  Names known{"DCOORD_PASSWORD", "DCOORD_SENTINEL_PASSWORD"};
  const auto add = [&known](std::string_view noun, const Names& options) {
    for (const auto& option : options) known.push_back(variable_name(noun, option));
  };
  Names names;
  add_names(globals, true, names);
  add("", names);
  for (const auto& entry : nouns) {
    // Only nouns that some variable begins with, or almost: building a noun costs time.
    const auto prefix = variable_name(entry.name, "");
    const bool wanted =
        std::any_of(environment.own().begin(), environment.own().end(), [&](const auto& variable) {
          return edit_distance(variable.name.substr(0, prefix.size()), prefix) < 3;
        });
    if (wanted) add(entry.name, names_of(entry, true));
  }
  for (const auto& variable : environment.own()) {
    if (has(known, variable.name) || is_for_children(variable.name)) continue;
    const auto near = did_you_mean(variable.name, known);
    log::note(1, fmt::format("{} is no option{}", variable.name, near.empty() ? "" : ", " + near));
  }
}

}  // namespace dcoord::cli
