#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dcoord::cli {

/// How many letters must be put in, left out, replaced, or swapped with their neighbour, to make
/// `a` of `b` (Damerau-Levenshtein, no letter touched twice).
size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that was most likely meant by `word`: at most two such edits away and less than
/// half of the word wrong, or the only one that begins with it. Nothing when none is near.
std::optional<std::string> suggest(std::string_view word,
                                   const std::vector<std::string>& candidates);

}  // namespace dcoord::cli
