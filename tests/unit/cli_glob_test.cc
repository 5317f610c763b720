#include "cli/glob.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

using dcoord::cli::glob_matches;

TEST_CASE("a pattern means whole names") {
  CHECK(glob_matches("", "anything"));
  CHECK(glob_matches("deploy", "deploy"));
  CHECK_FALSE(glob_matches("deploy", "deploy2"));
  CHECK_FALSE(glob_matches("deploy2", "deploy"));
  CHECK(glob_matches("de*", "deploy"));
  CHECK(glob_matches("*", "a/b c"));
  CHECK(glob_matches("*loy", "deploy"));
  CHECK(glob_matches("d*p*y", "deploy"));
  CHECK_FALSE(glob_matches("d*x*y", "deploy"));
  CHECK(glob_matches("**a**", "bab"));
}

TEST_CASE("? is one character, however many bytes it has") {
  CHECK(glob_matches("?", "ä"));
  CHECK(glob_matches("?x", "漢x"));
  CHECK(glob_matches("*?", "😀"));
  CHECK_FALSE(glob_matches("?", ""));
  CHECK_FALSE(glob_matches("??", "ä"));
}

TEST_CASE("a backslash takes a meaning away") {
  CHECK(glob_matches("a\\*", "a*"));
  CHECK_FALSE(glob_matches("a\\*", "ab"));
  CHECK(glob_matches("\\?\\\\", "?\\"));
  CHECK(glob_matches("a\\", "a\\"));
}

TEST_CASE("many stars take no longer than few") {
  std::string pattern, name(255, 'a');
  for (int i = 0; i < 100; ++i) pattern += "*a";
  CHECK(glob_matches(pattern, name));
  CHECK_FALSE(glob_matches(pattern + "b", name));
}
