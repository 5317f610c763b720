#include "cli/size_option.h"

#include <fmt/format.h>

#include <charconv>

namespace dcoord::cli {
namespace {

std::string size_text(long long bytes) {
  if (bytes > 0 && bytes % (1 << 20) == 0) return fmt::format("{}MiB", bytes >> 20);
  if (bytes > 0 && bytes % (1 << 10) == 0) return fmt::format("{}KiB", bytes >> 10);
  return std::to_string(bytes);
}

long long parse_size(std::string_view value, const Origin& origin, long long most) {
  long long number = -1;
  const auto* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  std::string unit(stop, end);
  for (char& c : unit) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  int shift = -1;
  if (unit.empty() || unit == "b") shift = 0;
  if (unit == "k" || unit == "kb" || unit == "kib") shift = 10;
  if (unit == "m" || unit == "mb" || unit == "mib") shift = 20;
  if (error != std::errc() || number < 0 || shift < 0 || number > (most >> shift)) {
    throw bad_value("size", value, origin,
                    fmt::format("such as 1000, 64KiB, 1MiB; at most {}", size_text(most)));
  }
  return number << shift;
}

}  // namespace

Option& size_option(OptionSet& set, std::string_view names, long long& target, long long most,
                    std::string help) {
  const std::string standard = size_text(target);
  Option& option = set.custom(names, "SIZE", std::move(help),
                              [&target, most](std::string_view value, const Origin& origin) {
                                target = parse_size(value, origin, most);
                              });
  option.default_text = standard;
  return option;
}

}  // namespace dcoord::cli
