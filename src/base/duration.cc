#include "base/duration.h"

#include <array>
#include <charconv>
#include <cmath>

namespace dcoord {
namespace {

struct Unit {
  std::string_view name;
  Duration length;
};

using namespace std::chrono_literals;
constexpr std::array<Unit, 6> kUnits{{
    {"w", 24h * 7},
    {"d", 24h},
    {"h", 1h},
    {"m", 1min},
    {"s", 1s},
    {"ms", 1ms},
}};

std::optional<Duration> unit_named(std::string_view name) {
  for (const auto& unit : kUnits) {
    if (unit.name == name) return unit.length;
  }
  return std::nullopt;
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Digits with at most one dot among them, at least one digit; removed from the front of `text`.
std::optional<double> take_number(std::string_view& text) {
  size_t length = 0;
  size_t digits = 0;
  bool dot = false;
  while (length < text.size() && (is_digit(text[length]) || (text[length] == '.' && !dot))) {
    if (text[length] == '.')
      dot = true;
    else
      ++digits;
    ++length;
  }
  if (digits == 0) return std::nullopt;
  double value = 0;
  // from_chars takes ".5" and "5." in the general format.
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + length, value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + length) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

std::string_view take_letters(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && text[length] >= 'a' && text[length] <= 'z') ++length;
  const auto letters = text.substr(0, length);
  text.remove_prefix(length);
  return letters;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "inf" || text == "forever" || text == "none") return kForever;
  if (text.empty()) return std::nullopt;
  constexpr double kMost = 1e9 * 3600 * 24 * 365 * 100;  // a century, in nanoseconds
  double total = 0;
  const bool bare = text.find_first_not_of("0123456789.") == std::string_view::npos;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    const auto unit = bare ? std::optional<Duration>(1s) : unit_named(take_letters(text));
    if (!unit) return std::nullopt;
    total += *number * static_cast<double>(unit->count());
    if (!(total <= kMost)) return std::nullopt;
  }
  return Duration(std::llround(total));
}

std::string format_duration(Duration d) {
  if (d == kForever) return "inf";
  auto ms = std::chrono::round<Millis>(d);
  if (ms.count() == 0) return "0s";
  std::string text;
  for (const auto& unit : kUnits) {
    const auto length = std::chrono::duration_cast<Millis>(unit.length);
    const auto n = ms / length;
    if (n == 0) continue;
    text += std::to_string(n);
    text += unit.name;
    ms -= n * length;
  }
  return text;
}

std::string format_age(Duration d) {
  if (d == kForever) return "inf";
  if (d < Duration::zero()) d = Duration::zero();
  if (d < 1s) return std::to_string(to_ms(d)) + "ms";
  d = std::chrono::floor<std::chrono::seconds>(d);
  for (size_t i = 1; i < kUnits.size(); ++i) {  // from days
    const auto n = d / kUnits[i].length;
    if (n == 0) continue;
    std::string text = std::to_string(n) + std::string(kUnits[i].name);
    if (kUnits[i].name == "s") return text;
    const auto rest = (d % kUnits[i].length) / kUnits[i + 1].length;
    if (rest != 0) text += std::to_string(rest) + std::string(kUnits[i + 1].name);
    return text;
  }
  return "0s";
}

}  // namespace dcoord
