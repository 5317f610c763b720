#include "cli/glob.h"

#include <algorithm>

namespace dcoord::cli {
namespace {

/// How many bytes the character at the front of `text` has, as UTF-8.
size_t first_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const size_t length = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return std::min(length, text.size());
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return true;
  // Where to go on after a mismatch: behind the last star, which then takes one byte more. An
  // earlier star need not be tried again, so the time is bounded by the product of both lengths.
  size_t p = 0, n = 0, star = std::string_view::npos, star_name = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '?') {
      n += first_length(name.substr(n));
      ++p;
      continue;
    }
    const size_t literal = p + 1 < pattern.size() && pattern[p] == '\\' ? p + 1 : p;
    if (literal < pattern.size() && pattern[literal] == name[n]) {
      p = literal + 1;
      ++n;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    star_name += first_length(name.substr(star_name));
    n = star_name;
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace dcoord::cli
