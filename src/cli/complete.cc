#include "cli/complete.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "base/error.h"
#include "cli/argv.h"
#include "cli/complete_names.h"
#include "cli/globals.h"
#include "cli/invocation.h"
#include "cli/manual.h"
#include "cli/parser.h"
#include "cli/resolve.h"
#include "cli/shell_words.h"

namespace dcoord::cli {
namespace {

using What = Completion::What;
using Word = Completion::Word;

/// An option's value under the cursor: what kind it is, and what of the word stands before it
/// ("--ttl=", or "a,b," of a list).
struct Place {
  const Option* option = nullptr;
  std::string before;
  std::string value;
};

class Walk {
 public:
  Walk(const std::vector<std::string>& before, const std::string& current,
       const Environment& environment, const std::vector<NounEntry>& nouns)
      : current_(current), environment_(environment), nouns_(nouns) {
    const auto end = std::find(before.begin(), before.end(), "--");
    after_dashes_ = end != before.end();
    for (auto word = before.begin(); word != end; ++word) words_.emplace_back(*word);
  }

  Completion run() {
    invocation_ = find_command(words_, globals_, nouns_);
    const Verb* verb = invocation_.verb;
    if (verb != nullptr && verb->declare) verb->declare(options_);
    if (after_dashes_) {
      if (verb != nullptr && verb->takes_command) result_.what = What::command;
      if (verb != nullptr && verb->takes_tail) result_.what = What::files;
      return std::move(result_);
    }
    look_at_words();
    if (value_.option != nullptr)
      add_values(value_);
    else if (current_.starts_with("--") && current_.find('=') != std::string::npos)
      add_attached();
    else if (current_.starts_with('-'))
      add_options();
    else if (!invocation_.noun)
      add_nouns();
    else if (verb == nullptr)
      add_verbs();
    else
      add_argument();
    return std::move(result_);
  }

 private:
  /// Which arguments stand already, and whether the last word wants a value.
  void look_at_words() {
    Scanner scanner(invocation_.rest, {&globals_.options, &options_});
    while (const auto piece = scanner.next()) {
      if (piece->kind == Piece::Kind::positional) arguments_.emplace_back(piece->text);
      if (piece->kind != Piece::Kind::option) continue;
      used_.push_back(piece->option);
      if (piece->option->value_name.empty() || piece->value) continue;
      value_ = {piece->option, "", current_};
      invocation_.rest.pop_back();  // it has no value yet that could be used
      return;
    }
  }

  void add_attached() {
    const auto equals = current_.find('=');
    const auto name = std::string_view(current_).substr(2, equals - 2);
    const Option* option = find_long(options_, name);
    if (option == nullptr) option = find_long(globals_.options, name);
    if (option == nullptr) return;
    add_values({option, current_.substr(0, equals + 1), current_.substr(equals + 1)});
  }

  void add_values(Place place) {
    const Option& option = *place.option;
    if (option.value_name.empty() && !option.positional) {
      for (const char* value : {"true", "false"}) add(place.before + value, "");
    }
    for (const auto& choice : option.choices) add(place.before + choice, "");
    if (option.value_name == "DUR") {
      for (const char* time : {"10s", "30s", "1m", "5m", "15m", "1h", "1d"})
        add(place.before + time, "");
    }
    if (option.kind.empty()) return;
    if (option.kind == "file") {
      result_.what = What::files;
    } else if (option.kind == "directory") {
      result_.what = What::directories;
    } else if (option.kind == "url") {
      result_.open = true;
      for (const char* scheme : {"redis://", "rediss://", "valkey://", "valkeys://", "unix:///",
                                 "redis+sentinel://", "redis-cluster://", "local:"})
        add(place.before + scheme, "");
    } else {
      add_live(std::move(place));
    }
  }

  void add_live(Place place) {
    const auto& kind = place.option->kind;
    if (kind == "jobs") {  // a list: its last element is being typed
      const auto comma = place.value.rfind(',') + 1;
      place.before += place.value.substr(0, comma);
      place.value.erase(0, comma);
    }
    try {
      resolve_line();
      if (kind == "profile") {
        add_profiles(place.before);
        return;
      }
      const CompletionLine line{globals_, options_, arguments_, environment_};
      for (auto& word : live_names(kind, place.value, line))
        add(place.before + word.text, std::move(word.help));
    } catch (const std::exception&) {  // a TAB is no place for messages
    }
  }

  void resolve_line() {
    const auto parsed = parse(invocation_.rest, globals_.options, options_);
    found_ = find_files(parsed.given, globals_, environment_);
    const Sources sources{parsed.given, environment_, found_.files, found_.profile};
    resolve(globals_.options, "", sources);
    resolve(options_, invocation_.noun ? invocation_.noun->name : "", sources);
  }

  void add_profiles(const std::string& before) {
    std::vector<std::string> names;
    for (const auto& file : found_.files) {
      for (const auto& entry : file.entries) {
        if (entry.table.size() < 2 || entry.table[0] != "profile") continue;
        if (std::find(names.begin(), names.end(), entry.table[1]) == names.end())
          names.push_back(entry.table[1]);
      }
    }
    for (const auto& name : names) add(before + name, "");
  }

  void add_options() {
    for (const auto* set : {&options_, &globals_.options}) {
      for (const auto& option : set->all()) {
        const bool used = std::find(used_.begin(), used_.end(), &option) != used_.end();
        if (option.positional || (used && !option.repeatable)) continue;
        // A letter only when it has been typed: whoever lists options wants their names.
        const auto letter = std::string("-") + option.short_name;
        if (option.short_name != 0 && current_ == letter) add(letter, option.help);
        if (!option.long_name.empty()) add("--" + option.long_name, option.help);
      }
    }
  }

  void add_nouns() {
    for (const auto& noun : nouns_) {
      const bool explains = invocation_.help && std::string_view(noun.name) == "help";
      if (!explains) add(noun.name, noun.summary);
    }
    if (!invocation_.by_word) return;
    for (const auto& topic : help_topics()) add(topic.name, topic.summary);
  }

  void add_verbs() {
    for (const auto& verb : invocation_.noun->verbs) {
      if (!verb.name.empty()) {
        add(verb.name, verb.summary);
        continue;
      }
      // `dcoord elect NAME`
      if (verb.declare) verb.declare(options_);
      add_argument();
    }
  }

  /// The next positional argument; when there is none, what else may follow.
  void add_argument() {
    if (invocation_.help) return;
    size_t left = arguments_.size();
    for (const auto& option : options_.all()) {
      if (!option.positional) continue;
      if (left-- > 0 && !option.repeatable) continue;
      add_values({&option, "", current_});
      return;
    }
    if (invocation_.verb->takes_command)
      add("--", "the command follows");
    else
      add_options();
  }

  void add(std::string text, std::string help) {
    result_.words.push_back({std::move(text), std::move(help)});
  }

  const std::string& current_;
  const Environment& environment_;
  const std::vector<NounEntry>& nouns_;
  bool after_dashes_ = false;
  Words words_;
  Globals globals_;
  Invocation invocation_;
  OptionSet options_;
  Place value_;
  std::vector<const Option*> used_;
  std::vector<std::string> arguments_;
  FoundFiles found_;
  Completion result_;
};

const char* word_of(What what) {
  switch (what) {
    case What::files:
      return "files";
    case What::directories:
      return "directories";
    case What::command:
      return "command";
    case What::words:
      break;
  }
  return "words";
}

/// The answer: what there is and how it goes on, then a line each: the word, TAB, what it is.
void print(const Completion& completion, const std::vector<Word>& words) {
  std::printf("%s %s\n", word_of(completion.what), completion.open ? "open" : "whole");
  for (const auto& word : words) std::printf("%s\t%s\n", word.text.c_str(), word.help.c_str());
}

/// `__complete bash BREAKS LINE`: bash cuts words apart at COMP_WORDBREAKS, so it gives the line,
/// and gets what readline is to insert.
void complete_for_bash(std::string_view breaks, std::string_view line,
                       const Environment& environment, const std::vector<NounEntry>& nouns) {
  auto typed = split_shell_line(line).words;
  const auto current = std::move(typed.back());
  typed.pop_back();
  std::vector<std::string> before;
  for (size_t i = 1; i < typed.size(); ++i) before.push_back(std::move(typed[i].text));
  const auto completion = complete(before, current.text, environment, nouns);
  std::vector<Word> words;
  for (const auto& word : completion.words) {
    if (word.text.starts_with(current.text))
      words.push_back({replacement(current, word.text, breaks), word.help});
  }
  print(completion, words);
}

/// `__complete zsh|fish WORD...`: the words of the line up to the cursor, the program left out. Of
/// zsh all as they were typed, of fish only the last one.
void complete_for_words(std::vector<std::string> words, bool raw, const Environment& environment,
                        const std::vector<NounEntry>& nouns) {
  std::string current = unquote(words.back());
  words.pop_back();
  if (raw) {
    for (auto& word : words) word = unquote(word);
  }
  const auto completion = complete(words, current, environment, nouns);
  print(completion, completion.words);
}

}  // namespace

Completion complete(const std::vector<std::string>& before, const std::string& current,
                    const Environment& environment, const std::vector<NounEntry>& nouns) {
  try {
    return Walk(before, current, environment, nouns).run();
  } catch (const std::exception&) {  // a line with mistakes
    return {};
  }
}

int run_complete(int argc, char** argv, const std::vector<NounEntry>& nouns) {
  if (const int null = open("/dev/null", O_WRONLY | O_CLOEXEC); null >= 0) dup2(null, 2);
  const Environment environment(environ);
  const std::vector<std::string> args(argv + 2, argv + argc);
  if (args.size() == 3 && args[0] == "bash") {
    complete_for_bash(args[1], args[2], environment, nouns);
  } else if (args.size() > 1 && (args[0] == "zsh" || args[0] == "fish")) {
    complete_for_words({args.begin() + 1, args.end()}, args[0] == "zsh", environment, nouns);
  }
  return std::fflush(stdout) == 0 ? to_int(ExitCode::ok) : to_int(ExitCode::internal);
}

}  // namespace dcoord::cli
