#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace dcoord {

/// `500ms`, `30s`, `5m`, `1h30m`, `1.5h`, `2d`, `1w`; a bare number is seconds; `inf`, `forever`
/// and `none` are kForever. Nothing for anything else, and for what does not fit.
std::optional<Duration> parse_duration(std::string_view text);

/// The shortest exact form that parse_duration reads back, in milliseconds or coarser: "1h30m",
/// "500ms", "inf".
std::string format_duration(Duration d);

/// For people: "3m12s", "2d4h", "450ms"; the two largest units.
std::string format_age(Duration d);

/// Whole milliseconds, towards zero; kForever stays the largest value.
constexpr long long to_ms(Duration d) { return std::chrono::duration_cast<Millis>(d).count(); }

}  // namespace dcoord
