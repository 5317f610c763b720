#include "cli/exit_list.h"

#include <algorithm>
#include <charconv>

namespace dcoord::cli {

bool ExitList::has(int code) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const auto& range) {
    return range.first <= code && code <= range.second;
  });
}

void ExitList::parse(std::string_view value, const Origin& origin) {
  const auto number = [&](std::string_view text) {
    int n = -1;
    const auto* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, n);
    if (error != std::errc() || stop != end || n < 1 || n > 255)
      throw bad_value("list of exit codes", value, origin, "from 1 to 255, such as 3,64-78");
    return n;
  };
  ranges_.clear();
  while (true) {
    const size_t comma = std::min(value.find(','), value.size());
    const std::string_view item = value.substr(0, comma);
    const size_t dash = item.find('-');
    const int first = number(item.substr(0, dash));
    ranges_.emplace_back(first, dash == item.npos ? first : number(item.substr(dash + 1)));
    if (comma == value.size()) return;
    value.remove_prefix(comma + 1);
  }
}

}  // namespace dcoord::cli
