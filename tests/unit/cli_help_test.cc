// Holds for every command there is: new ones are checked without being listed here.
#include "cli/help.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <sstream>

#include "cli/argv.h"
#include "cli/globals.h"

using namespace dcoord::cli;

namespace {

void check_lines(const std::string& text) {
  CHECK(text.ends_with("\n"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(line.size() <= 100);
    CHECK_FALSE(line.ends_with(' '));
  }
}

/// Lower case and no full stop; names like URL, TTL, TERM may be in capitals.
void check_voice(const std::string& text) {
  INFO(text);
  REQUIRE_FALSE(text.empty());
  CHECK_FALSE(text.ends_with('.'));
  const bool capital = text[0] >= 'A' && text[0] <= 'Z';
  const bool word = text.size() > 1 && text[1] >= 'a' && text[1] <= 'z';
  CHECK_FALSE((capital && word));
}

template <class Visit>
void each_verb(Visit visit) {
  for (const auto& entry : nouns()) {
    const auto noun = entry.make();
    for (const auto& verb : noun.verbs) {
      INFO(command_name(noun, verb));
      visit(noun, verb);
    }
  }
}

}  // namespace

TEST_CASE("help fits its width and speaks in one voice") {
  const Globals globals;
  check_lines(top_help(nouns(), &globals));
  check_lines(top_help(nouns(), nullptr));
  for (const auto& option : globals.options.all()) check_voice(option.help);
  for (const auto& entry : nouns()) {
    check_voice(entry.summary);
    const auto noun = entry.make();
    CHECK(noun.name == entry.name);
    check_voice(noun.summary);
    check_lines(noun_help(noun));
  }
  each_verb([](const Noun& noun, const Verb& verb) {
    check_voice(verb.summary);
    check_lines(verb_help(noun, verb));
    OptionSet options;
    if (verb.declare) verb.declare(options);
    for (const auto& option : options.all()) check_voice(option.help);
  });
}

TEST_CASE("a letter means one thing in the whole tree, and no option hides a global one") {
  std::map<char, std::string> letters{
      {'n', "nonblock"}, {'w', "wait"},       {'t', "ttl"},    {'E', "conflict-exit-code"},
      {'s', "shared"},   {'k', "kill-after"}, {'c', "command"}};
  const Globals globals;
  for (const auto& option : globals.options.all()) {
    if (option.short_name != 0) letters[option.short_name] = option.long_name;
  }
  each_verb([&](const Noun&, const Verb& verb) {
    OptionSet options;
    if (verb.declare) verb.declare(options);
    std::map<std::string, int> seen;
    for (const auto& option : options.all()) {
      INFO(option.long_name);
      CHECK(++seen[option.long_name] == 1);
      if (option.positional) continue;
      CHECK(find_long(globals.options, option.long_name) == nullptr);
      if (option.short_name == 0) continue;
      const auto [known, added] = letters.emplace(option.short_name, option.long_name);
      CHECK(known->second == option.long_name);
    }
  });
}

TEST_CASE("examples are commands that exist") {
  each_verb([](const Noun& noun, const Verb& verb) {
    for (const auto& example : verb.examples) {
      INFO(example);
      CHECK(example.find("dcoord") != std::string::npos);
      CHECK(example.find(noun.name) != std::string::npos);
    }
    CHECK(verb.run != nullptr);
  });
}

TEST_CASE("long descriptions wrap below themselves") {
  OptionSet options;
  std::string value = "x";
  Noun noun;
  noun.name = "n";
  Verb verb;
  verb.name = "v";
  verb.summary = "s";
  verb.declare = [&value](OptionSet& set) {
    set.text("-x,--extra", "VALUE", value,
             "word word word word word word word word word word word word word word word word "
             "word word word word word");
    set.text("--a-name-that-is-much-too-long-for-a-column", "VALUE", value, "described below");
  };
  const auto text = verb_help(noun, verb);
  check_lines(text);
  CHECK(text.find("  -x, --extra VALUE  word") != std::string::npos);
  CHECK(text.find("\n                     word") != std::string::npos);
  CHECK(text.find("long-for-a-column VALUE\n                     described below (default: x)\n") !=
        std::string::npos);
}
