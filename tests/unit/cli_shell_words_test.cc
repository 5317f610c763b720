#include "cli/shell_words.h"

#include <catch2/catch_test_macros.hpp>

using namespace dcoord::cli;

namespace {

constexpr const char* kBreaks = " \t\n\"'><=;|&(:";

std::vector<std::string> texts(std::string_view line) {
  std::vector<std::string> texts;
  for (const auto& word : split_shell_line(line).words) texts.push_back(word.text);
  return texts;
}

std::string insert(std::string_view line, std::string_view text) {
  return replacement(split_shell_line(line).words.back(), text, kBreaks);
}

}  // namespace

TEST_CASE("a line is cut as a shell cuts it") {
  using Words = std::vector<std::string>;
  CHECK(texts("") == Words{""});
  CHECK(texts("a b") == Words{"a", "b"});
  CHECK(texts("  a  b ") == Words{"a", "b", ""});
  CHECK(texts(R"(a\ b 'c d' "e \" \x f"g)") == Words{"a b", "c d", R"(e " \x fg)"});
  CHECK(texts("a 'b c") == Words{"a", "b c"});
  CHECK(texts("a b\\") == Words{"a", "b"});
  CHECK(texts("db:main=1") == Words{"db:main=1"});
  CHECK(split_shell_line("a \"b").words.back().quote == '"');
  CHECK(split_shell_line("a \"b\"").words.back().quote == 0);
  CHECK(unquote("it\\'s' x'") == "it's x");
}

TEST_CASE("what is inserted is quoted as the word has begun") {
  CHECK(insert("x my", "my value") == "my\\ value");
  CHECK(insert("x 'my", "my value's") == "my value'\\''s");
  CHECK(insert("x \"my", "my \"$v\"") == "my \\\"\\$v\\\"");
  CHECK(insert("x ", "$HOME;ls") == "\\$HOME\\;ls");
  CHECK(insert("x ", "caf\xc3\xa9") == "caf\xc3\xa9");
}

TEST_CASE("what is inserted begins where readline's word does") {
  CHECK(insert("x db:ma", "db:main:1") == "main:1");
  CHECK(insert("x --tree=k", "--tree=kill") == "kill");
  CHECK(insert("x --run=\"my", "--run=my run") == "my run");
  CHECK(insert("x my\\ v:a", "my v:ab") == "ab");
  CHECK(insert("x my\\ ", "my v") == "my\\ v");
}
