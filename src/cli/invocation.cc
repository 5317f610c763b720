#include "cli/invocation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "cli/manual.h"
#include "cli/suggest.h"
#include "output/printer.h"

namespace dcoord::cli {
namespace {

bool has_word(const Words& words, std::string_view a, std::string_view b) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return word == a || word == b; });
}

bool has_verb(const std::vector<NounEntry>& nouns, std::string_view noun, std::string_view verb) {
  const auto entry = std::find_if(nouns.begin(), nouns.end(),
                                  [&](const NounEntry& known) { return noun == known.name; });
  if (entry == nouns.end() || verb.empty()) return false;
  const Noun built = entry->make();
  return std::any_of(built.verbs.begin(), built.verbs.end(),
                     [&](const Verb& known) { return known.name == verb; });
}

[[noreturn]] void unknown_noun(std::string_view word, const std::vector<NounEntry>& nouns) {
  std::vector<std::string> names;
  for (const auto& entry : nouns) names.emplace_back(entry.name);
  auto near = suggest(word, names);
  // A verb of what most come for, without its noun.
  for (const char* noun : {"lock", "locks"}) {
    if (!near && has_verb(nouns, noun, word)) near = fmt::format("{} {}", noun, word);
  }
  throw usage_error(
      fmt::format("unknown command '{}'", word),
      near ? fmt::format("did you mean '{}'?", *near) : "dcoord --help lists the commands");
}

[[noreturn]] void unknown_verb(std::string_view word, const Noun& noun,
                               const std::vector<NounEntry>& nouns) {
  std::vector<std::string> names;
  for (const auto& verb : noun.verbs) names.push_back(verb.name);
  // `lock list` is `locks list`, and `locks show` is `lock show`.
  const std::string other = noun.name == "lock" ? "locks" : noun.name == "locks" ? "lock" : "";
  if (!other.empty() && has_verb(nouns, other, word)) {
    throw usage_error(fmt::format("unknown command '{} {}'", noun.name, word),
                      fmt::format("did you mean '{} {}'?", other, word));
  }
  const auto near = suggest(word, names);
  throw usage_error(fmt::format("unknown command '{} {}'", noun.name, word),
                    near ? fmt::format("did you mean '{} {}'?", noun.name, *near)
                         : fmt::format("dcoord {} lists the verbs", noun.name));
}

[[noreturn]] void unknown_global(const Piece& piece, const OptionSet& globals) {
  std::vector<std::string> names;
  for (const auto& option : globals.all()) names.push_back(option.long_name);
  const bool is_long = piece.text.starts_with("--");
  const auto near = is_long ? suggest(piece.text.substr(2), names) : std::nullopt;
  throw usage_error(
      fmt::format("unknown option '{}{}' before the verb", is_long ? "" : "-", piece.text),
      near ? fmt::format("did you mean '--{}'?", *near)
           : "only global options may stand there: the others follow the verb");
}

const Verb* find_verb(const Noun& noun, std::string_view name) {
  for (const auto& verb : noun.verbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

/// Takes positional words one by one.
class Finder {
 public:
  Finder(const Words& words, const std::vector<NounEntry>& nouns, Invocation& result)
      : words_(words), nouns_(nouns), result_(result) {}

  /// False when noun and verb are known.
  bool take(size_t word) {
    const auto text = words_[word];
    if (!result_.noun) {
      take_noun(word, text);
    } else if (const auto* verb = find_verb(*result_.noun, text);
               verb != nullptr && !text.empty()) {
      used_.push_back(word);
      result_.verb = verb;
    } else if (find_verb(*result_.noun, "") != nullptr) {
      refuse_misspelt_verb(text);
      result_.verb = find_verb(*result_.noun, "");  // `dcoord elect NAME`
    } else if (!take_host(word)) {
      unknown_verb(text, *result_.noun, nouns_);
    }
    return result_.verb == nullptr;
  }

  const std::vector<size_t>& used() const { return used_; }

 private:
  /// Where a name may stand instead of a verb, a misspelt verb would become one.
  void refuse_misspelt_verb(std::string_view text) const {
    std::vector<std::string> names;
    for (const auto& verb : result_.noun->verbs) {
      if (!verb.name.empty()) names.push_back(verb.name);
    }
    const auto meant = suggest(text, names);
    if (!meant) return;
    throw usage_error(fmt::format("'{}' is no verb of 'dcoord {}'; did you mean '{}'?",
                                  log::printable(text), result_.noun->name, *meant),
                      fmt::format("one that is named so: dcoord {} run {}", result_.noun->name,
                                  output::shell_quote(std::string(text))));
  }
  void take_noun(size_t word, std::string_view text) {
    if (text == "help" && used_.empty()) {
      result_.help = result_.by_word = true;
      used_.push_back(word);
      return;
    }
    const auto entry = std::find_if(nouns_.begin(), nouns_.end(),
                                    [&](const NounEntry& known) { return text == known.name; });
    if (entry == nouns_.end()) {
      if (!take_topic(word) && !take_host(word)) unknown_noun(text, nouns_);
      return;
    }
    result_.noun = entry->make();
    used_.push_back(word);
    const auto& verbs = result_.noun->verbs;
    if (verbs.size() == 1 && verbs.front().name.empty()) result_.verb = &verbs.front();
  }

  bool take_topic(size_t word) {
    if (!result_.by_word || find_topic(words_[word]) == nullptr) return false;
    result_.topic = words_[word];
    used_.push_back(word);
    return true;
  }

  /// redis-cli's `-h HOST`.
  bool take_host(size_t word) {
    if (word == 0 || words_[word - 1] != "-h") return false;
    result_.host = words_[word];
    used_.push_back(word);
    return true;
  }

  const Words& words_;
  const std::vector<NounEntry>& nouns_;
  Invocation& result_;
  std::vector<size_t> used_;
};

}  // namespace

Invocation find_command(const Words& words, const Globals& globals,
                        const std::vector<NounEntry>& nouns) {
  Invocation result;
  result.help = has_word(words, "-h", "--help");
  result.version = has_word(words, "-V", "--version");
  Finder finder(words, nouns, result);
  Scanner scanner(words, {&globals.options});
  while (const auto piece = scanner.next()) {
    if (piece->kind == Piece::Kind::unknown && !result.help)
      unknown_global(*piece, globals.options);
    if (piece->kind == Piece::Kind::positional && !finder.take(piece->word)) break;
  }
  for (size_t i = 0; i < words.size(); ++i) {
    if (std::find(finder.used().begin(), finder.used().end(), i) != finder.used().end()) continue;
    result.rest.push_back(words[i]);
    result.rest_at.push_back(i);
  }
  // Works with a broken configuration, too.
  if (result.noun && result.noun->name == "version" && result.rest.empty()) result.version = true;
  return result;
}

}  // namespace dcoord::cli
