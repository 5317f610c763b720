#include "base/duration.h"

#include <array>

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
/// By hand: std::from_chars and llround would have libm loaded at every start.
std::optional<double> take_number(std::string_view& text) {
  size_t length = 0;
  double value = 0;
  double scale = 1;  // of the latest digit
  bool dot = false;
  bool digits = false;
  for (; length < text.size(); ++length) {
    const char c = text[length];
    if (c == '.' && !dot) {
      dot = true;
    } else if (!is_digit(c)) {
      break;
    } else {
      digits = true;
      if (dot) scale /= 10;
      value = dot ? value + (c - '0') * scale : value * 10 + (c - '0');
    }
  }
  if (!digits) return std::nullopt;
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
  return Duration(static_cast<Duration::rep>(total + 0.5));
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
