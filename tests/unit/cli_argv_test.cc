#include <catch2/catch_test_macros.hpp>

#include "cli/argv.h"
#include "cli/parser.h"

using namespace dcoord::cli;

namespace {

struct Fixture {
  bool quiet = false;
  bool nonblock = false;
  std::string name;
  std::string ttl;
  std::string label;
  std::vector<std::string> tags;
  OptionSet globals;
  OptionSet verb;

  Fixture() {
    globals.flag("-q,--quiet", quiet, "quiet");
    verb.positional("NAME", "lock", name, "name");
    verb.text("-t,--ttl", "DUR", ttl, "ttl");
    verb.text("--label", "TEXT", label, "label");
    verb.texts("--tag", "TAG", tags, "tag");
    verb.flag("-n,--nonblock", nonblock, "do not wait");
  }

  /// "option=value,value" for all that is given, in order; "?" at the end if something was left
  /// over.
  std::string parsed(const Words& words) {
    std::string text;
    const auto result = parse(words, globals, verb);
    for (const auto& given : result.given) {
      if (!text.empty()) text += ' ';
      text += given.option->long_name + '=';
      for (size_t i = 0; i < given.values.size(); ++i)
        text += (i == 0 ? "" : "|") + given.values[i];
    }
    return text + (result.complete ? "" : "?");
  }

  std::string scanned(const Words& words) {
    std::string text;
    Scanner scanner(words, {&globals, &verb});
    while (const auto piece = scanner.next()) {
      const char* kind = piece->kind == Piece::Kind::option       ? "o"
                         : piece->kind == Piece::Kind::positional ? "p"
                                                                  : "u";
      text += std::string(kind) + std::to_string(piece->word) + ':' + std::string(piece->text);
      if (piece->value) text += '=' + std::string(*piece->value);
      text += ' ';
    }
    return text;
  }
};

}  // namespace

TEST_CASE("argv is cut at the first --") {
  std::vector<std::string> words{"dcoord", "lock", "--", "make", "--", "[a,b]", ""};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  const auto cut = split_argv(7, argv.data());
  CHECK(cut.words == Words{"lock"});
  CHECK(cut.tail == std::vector<std::string>{"make", "--", "[a,b]", ""});
  CHECK(split_argv(3, argv.data()).tail == std::vector<std::string>{});
  CHECK_FALSE(split_argv(2, argv.data()).tail);
}

TEST_CASE("the scanner tells options, values and positional arguments apart") {
  Fixture f;
  CHECK(f.scanned({"a", "--ttl", "5s", "--label=x", "-qt7", "-5", "-"}) ==
        "p0:a o1:--ttl=5s o3:--label=x o4:q o4:t=7 p5:-5 p6:- ");
  CHECK(f.scanned({"--bogus=1", "-qz", "--ttl"}) == "u0:--bogus o1:q u1:z o2:--ttl ");
  CHECK(f.scanned({"--label", "--ttl", "x"}) == "o0:--label=--ttl p2:x ");
}

TEST_CASE("the parser takes words as they are") {
  Fixture f;
  CHECK(f.parsed({"deploy", "--ttl", "5s", "-qn"}) ==
        "NAME=deploy ttl=5s quiet=true nonblock=true");
  CHECK(f.parsed({"[a,b]", "--tag", "[c,d]", "--tag=e,f"}) == "NAME=[a,b] tag=[c,d]|e,f");
  CHECK(f.parsed({"--label", "-x y", "{}"}) == "label=-x y NAME={}");
  CHECK(f.parsed({"", "-t7"}) == "NAME= ttl=7");
  CHECK(f.parsed({"-5"}) == "NAME=-5");
  CHECK(f.parsed({"[[]]", "--label={}", "--tag", "%%", "--tag=="}) ==
        "NAME=[[]] label={} tag=%%|=");
}

TEST_CASE("a repeated option keeps its values in order and counts where it stood last") {
  Fixture f;
  CHECK(f.parsed({"-t1", "-n", "--ttl=2"}) == "nonblock=true ttl=1|2");
}

TEST_CASE("an attached empty value is that option's and eats no word") {
  Fixture f;
  CHECK(f.parsed({"--label=", "deploy"}) == "label= NAME=deploy");
  CHECK(f.parsed({"--label", "--ttl=", "deploy"}) == "label=--ttl= NAME=deploy");
}

TEST_CASE("what the parser cannot place is reported, not guessed") {
  Fixture f;
  CHECK(f.parsed({"a", "b"}).ends_with("?"));
  CHECK(f.parsed({"--bogus"}).ends_with("?"));
  CHECK(f.parsed({"---x"}).ends_with("?"));
  CHECK(f.parsed({"a", "-qx"}).ends_with("?"));
  CHECK(f.parsed({"a", "--ttl"}).ends_with("?"));
  CHECK(f.parsed({"--tt", "5"}).ends_with("?"));  // abbreviations would forbid new options
}
