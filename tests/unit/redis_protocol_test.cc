#include "redis/protocol.h"

#include <sys/resource.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace dcoord::redis {
namespace {

std::string repeat(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string error_of(const std::string& bytes, ReplyLimits limits = ReplyLimits()) {
  ReplyReader reader(limits);
  if (reader.feed(bytes)) (void)reader.next();
  return reader.error();
}

TEST_CASE("protocol: commands keep every byte") {
  std::string out = "x";
  const std::string binary("a\0\r\n", 4);
  append_command(out, {"SET", binary, ""});
  CHECK(out == std::string("x*3\r\n$3\r\nSET\r\n$4\r\n") + binary + "\r\n$0\r\n\r\n");
}

TEST_CASE("protocol: replies, whole and in any pieces") {
  const std::string binary("a\r\nb\0c", 6);
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:-7\r\n$6\r\n" + binary +
      "\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n+s\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    ReplyReader reader;
    std::vector<Reply> replies;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      REQUIRE(reader.feed(std::string_view(bytes).substr(at, piece)));
      while (auto reply = reader.next()) replies.push_back(*reply);
    }
    REQUIRE(replies.size() == 9);
    CHECK_FALSE(reader.pending());
    CHECK(replies[0].type() == Reply::Type::status);
    CHECK(replies[1].is_error());
    CHECK(replies[1].text() == "ERR no");
    CHECK(replies[2].number() == -7);
    CHECK(replies[3].text() == binary);
    CHECK(replies[4].text().empty());
    CHECK(replies[5].is_nil());
    CHECK(replies[6].is_nil());
    CHECK(replies[7].is_array());
    CHECK(replies[7].size() == 0);
    CHECK(replies[8].word() == "x");
    CHECK(replies[8].at(1).at(0).number() == 1);
    CHECK(replies[8].at(1).at(1).is_nil());
    CHECK(replies[8].at(2).text() == "s");
  }
}

TEST_CASE("protocol: a reply that is not whole is none") {
  ReplyReader reader;
  REQUIRE(reader.feed("*2\r\n:1\r\n$3\r\nab"));
  CHECK_FALSE(reader.next());
  CHECK(reader.pending());
  REQUIRE(reader.feed("c\r\n+more\r\n"));
  CHECK(reader.next()->at(1).text() == "abc");
  CHECK(reader.next()->text() == "more");
  CHECK_FALSE(reader.next());
}

TEST_CASE("protocol: what is no reply is noticed at once") {
  for (const std::string bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "\x15\x03\x01", "%1\r\n", "_\r\n", "#t\r\n",
        "*x\r\n", "*\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n", "*1 \r\n", "$+1\r\n", "$1\r\nab\r\n",
        "$1\r\na\rb", ":x\r\n", "*1\r\nx", "*99999999999999999999\r\n",
        "$99999999999999999999\r\n"}) {
    INFO(bytes);
    CHECK_FALSE(error_of(bytes).empty());
  }
  CHECK(error_of("SSH-2.0") == "it does not speak the Redis protocol");
}

TEST_CASE("protocol: after an error nothing is read any more") {
  ReplyReader reader;
  CHECK_FALSE(reader.feed("x"));
  CHECK_FALSE(reader.feed("+OK\r\n"));
  CHECK_FALSE(reader.next());
}

TEST_CASE("protocol: an announcement alone sets no memory aside") {
  const auto address_space = [] {
    std::ifstream in("/proc/self/statm");
    long pages = 0;
    in >> pages;
    return pages * 4096;
  };
  const long before = address_space();
  for (const std::string bytes :
       {"*1000000000\r\n", "*2147483647\r\n", "*1000001\r\n", "*4294967297\r\n",
        "*9223372036854775807\r\n", "*18446744073709551615\r\n", "$1073741824\r\n", "$67108865\r\n",
        "$9223372036854775807\r\n", "*2\r\n:1\r\n*1000000000\r\n"}) {
    INFO(bytes);
    CHECK_FALSE(error_of(bytes).empty());
  }
  CHECK(address_space() - before < (8L << 20));
}

TEST_CASE("protocol: each limit, at it and one beyond") {
  ReplyLimits limits;
  limits.elements = 10;
  limits.bulk = 5;
  limits.line = 20;
  limits.total = 200;
  CHECK(error_of("*10\r\n" + repeat(":1\r\n", 10), limits).empty());
  CHECK_FALSE(error_of("*11\r\n", limits).empty());
  // Together, not each by itself.
  CHECK(error_of("*2\r\n*4\r\n" + repeat(":1\r\n", 4) + "*4\r\n" + repeat(":1\r\n", 4), limits)
            .empty());
  CHECK_FALSE(error_of("*2\r\n*4\r\n" + repeat(":1\r\n", 4) + "*5\r\n", limits).empty());
  CHECK(error_of("$5\r\nabcde\r\n", limits).empty());
  CHECK_FALSE(error_of("$6\r\n", limits).empty());
  CHECK(error_of("+" + repeat("x", 17) + "\r\n", limits).empty());
  CHECK_FALSE(error_of("+" + repeat("x", 18) + "\r\n", limits).empty());
  CHECK_FALSE(error_of("+" + repeat("x", 100), limits).empty());
  limits.elements = 100;
  CHECK(error_of("*17\r\n" + repeat("$5\r\nabcde\r\n", 17), limits).empty());
  CHECK_FALSE(error_of("*18\r\n" + repeat("$5\r\nabcde\r\n", 18), limits).empty());
  // A new reply starts anew.
  ReplyReader reader(limits);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(reader.feed("*5\r\n" + repeat("$5\r\nabcde\r\n", 5)));
    REQUIRE(reader.next());
  }
}

TEST_CASE("protocol: nesting ends at eight") {
  CHECK(error_of(repeat("*1\r\n", 8) + ":1\r\n").empty());
  CHECK_FALSE(error_of(repeat("*1\r\n", 9) + ":1\r\n").empty());
  CHECK_FALSE(error_of(repeat("*1\r\n", 100000)).empty());
}

TEST_CASE("reply: accessors refuse what is not there") {
  const Reply array = Reply::array({Reply::string("granted"), Reply::string("12"), Reply::nil()});
  CHECK(array.word() == "granted");
  CHECK(array.at(1).number() == 12);
  CHECK_THROWS_AS(array.at(3), Error);
  CHECK_THROWS_AS(array.text(), Error);
  CHECK_THROWS_AS(array.number(), Error);
  CHECK_THROWS_AS(array.at(0).number(), Error);
  CHECK_THROWS_AS(array.at(2).text(), Error);
  CHECK_THROWS_AS(Reply::string("").number(), Error);
  CHECK_THROWS_AS(Reply::string("12x").number(), Error);
  CHECK_THROWS_AS(Reply::string(" 12").number(), Error);
  CHECK_THROWS_AS(Reply::string("9223372036854775808").number(), Error);
  CHECK_THROWS_AS(Reply::integer(1).at(0), Error);
  CHECK(Reply::string("-9223372036854775808").number() == INT64_MIN);
  CHECK(Reply::integer(3).word().empty());
  CHECK(Reply::array({}).word().empty());
  CHECK(Reply::array({Reply::integer(1)}).word().empty());
}

}  // namespace
}  // namespace dcoord::redis
