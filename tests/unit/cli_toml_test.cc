#include <catch2/catch_test_macros.hpp>

#include "base/error.h"
#include "cli/config_file.h"

using namespace dcoord;
using namespace dcoord::cli;

namespace {

/// "LINE:table.key=value|value", one a line.
std::string read(std::string_view text) {
  std::string out;
  for (const auto& entry : parse_toml(text, "FILE")) {
    out += std::to_string(entry.line) + ':' + dotted(entry) + '=';
    for (size_t i = 0; i < entry.values.size(); ++i) out += (i == 0 ? "" : "|") + entry.values[i];
    out += entry.array ? "[]\n" : "\n";
  }
  return out;
}

std::string failure(std::string_view text) {
  try {
    parse_toml(text, "FILE");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::config);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("tables, keys and values of every kind") {
  CHECK(read("# a comment\n"
             "url = \"redis://:p#w@h/0\"  # another\n"
             "db=3\r\n"
             "tls = true\n"
             "\n"
             "[lock] # and here\n"
             "ttl = '1h30m'\n"
             "  wait = inf\n"
             "[profile.\"my ci\".lock]\n"
             "ttl = 2.5\n") ==
        "2:url=redis://:p#w@h/0\n3:db=3\n4:tls=true\n7:lock.ttl=1h30m\n8:lock.wait=inf\n"
        "10:profile.my ci.lock.ttl=2.5\n");
  CHECK(read("lock.ttl = 30\n\"lock\" . 'wait' = 1_000\n") == "1:lock.ttl=30\n2:lock.wait=1000\n");
  CHECK(read("\xef\xbb\xbf"
             "a = -5\nb = +7") == "1:a=-5\n2:b=7\n");
  CHECK(read("").empty());
  CHECK(read("[empty]\n").empty());
}

TEST_CASE("arrays over several lines") {
  CHECK(read("url = [ # first\n  \"a,b\", # note\n  'c',\n]\ndb = 1\n") ==
        "1:url=a,b|c[]\n5:db=1\n");
  CHECK(read("url = []\n") == "1:url=[]\n");
}

TEST_CASE("escapes work in double quotes only") {
  CHECK(read("a = \"x\\ty\\\"z\\\\ \\u00e9\\U0001F600\"\n") ==
        "1:a=x\ty\"z\\ \xc3\xa9\xf0\x9f\x98\x80\n");
  CHECK(read("a = 'x\\ty'\n") == "1:a=x\\ty\n");
}

TEST_CASE("what is no TOML, or more than options need, is refused with its line") {
  CHECK(failure("a = 1\nb\n") == "FILE:2: a '=' is missing after 'b'");
  CHECK(failure("url = redis://h\n") == "FILE:1: a text needs quotes");
  CHECK(failure("\nttl = 30s\n") == "FILE:2: a text needs quotes");
  CHECK(failure("a =\n") == "FILE:1: a value is missing");
  CHECK(failure("a = \"x\n") == "FILE:1: a closing \" is missing");
  CHECK(failure("a = 'x") == "FILE:1: a closing ' is missing");
  CHECK(failure("a = 1 2\n") == "FILE:1: something follows the value on its line");
  CHECK(failure("[a\n") == "FILE:1: a ']' is missing");
  CHECK(failure("[[a]]\n") == "FILE:1: arrays of tables are not supported");
  CHECK(failure("a = {b = 1}\n") == "FILE:1: inline tables are not supported");
  CHECK(failure("a = \"\"\"x\"\"\"\n") == "FILE:1: texts over several lines are not supported");
  CHECK(failure("a = [1, [2]]\n") == "FILE:1: arrays in arrays are not supported");
  CHECK(failure("a = [1,\n2\n") == "FILE:3: a ',' or ']' is missing");
  CHECK(failure("a = 1\na = 2\n") == "FILE:2: a is set a second time");
  CHECK(failure("[a]\nb = 1\n[a]\nb = 1\n") == "FILE:4: a.b is set a second time");
  CHECK(failure("a = \"\\q\"\n") == "FILE:1: '\\q' is no escape sequence");
  CHECK(failure("a = \"\\u12\"\n") == "FILE:1: '\\u' needs 4 hexadecimal digits");
  CHECK(failure("a = \"\\ud800\"\n") == "FILE:1: no such Unicode character");
  CHECK(failure("= 1\n") == "FILE:1: a key is expected");
}
