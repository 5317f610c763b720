#include "cli/suggest.h"

#include <catch2/catch_test_macros.hpp>

using namespace dcoord::cli;

TEST_CASE("edit distance counts a swap of neighbours as one") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("lock", "lock") == 0);
  CHECK(edit_distance("lokc", "lock") == 1);
  CHECK(edit_distance("lok", "lock") == 1);
  CHECK(edit_distance("loock", "lock") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("only what is near is suggested") {
  const std::vector<std::string> nouns{"lock", "locks", "queue", "elect", "nonblock", "ttl"};
  CHECK(suggest("lokc", nouns) == "lock");
  CHECK(suggest("lcoks", nouns) == "locks");
  CHECK(suggest("qeueu", nouns) == "queue");
  CHECK(suggest("nonbl", nouns) == "nonblock");
  CHECK_FALSE(suggest("make", nouns));
  CHECK_FALSE(suggest("xyl", nouns));
  CHECK_FALSE(suggest("", nouns));
  CHECK_FALSE(suggest(std::string(100000, 'l'), nouns));
}
