#include "cli/suggest.h"

#include <algorithm>

namespace dcoord::cli {

size_t edit_distance(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> table((a.size() + 1) * width);
  const auto at = [&](size_t i, size_t j) -> size_t& { return table[i * width + j]; };
  for (size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({replaced, at(i - 1, j) + 1, at(i, j - 1) + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.size(), b.size());
}

std::optional<std::string> suggest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  constexpr size_t kMostEdits = 2;
  constexpr size_t kLongest = 64;  // nobody mistypes more; keeps the table small
  if (word.empty() || word.size() > kLongest) return std::nullopt;
  const std::string* best = nullptr;
  size_t least = kMostEdits + 1;
  const std::string* longer = nullptr;
  size_t longer_count = 0;
  for (const auto& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < least && distance * 2 <= std::max(word.size(), candidate.size())) {
      best = &candidate;
      least = distance;
    }
    if (word.size() > 1 && candidate.starts_with(word)) {
      longer = &candidate;
      ++longer_count;
    }
  }
  if (best != nullptr) return *best;
  if (longer_count == 1) return *longer;
  return std::nullopt;
}

}  // namespace dcoord::cli
