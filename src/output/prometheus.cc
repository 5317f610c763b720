#include "output/prometheus.h"

#include <fmt/format.h>

#include <cmath>

#include "base/log.h"

namespace dcoord::output {
namespace {

/// Whole numbers as such: a fencing token or a count must not lose its last digits.
std::string number(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  const bool whole =
      std::fabs(value) < 9e15 && static_cast<double>(static_cast<long long>(value)) == value;
  return whole ? fmt::format("{:.0f}", value) : fmt::format("{:.9g}", value);
}

/// What others wrote may not be UTF-8, which the format wants.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : log::printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void Family::line(const char* suffix, const Labels& labels, double value) {
  lines_ += name_ + suffix;
  for (size_t i = 0; i < labels.size(); ++i) {
    lines_ += i == 0 ? '{' : ',';
    lines_ += fmt::format("{}=\"{}\"", labels[i].first, escaped(labels[i].second));
  }
  lines_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", number(value));
}

void Family::add(const Labels& labels, double value) { line("", labels, value); }

void Family::add(const Labels& labels, const primitives::Histogram& histogram) {
  Labels bounded = labels;
  bounded.emplace_back("le", "");
  long long below = 0;
  const size_t last = histogram.counts.size() - 1;
  for (size_t i = 0; i < last; ++i) {
    below += histogram.counts[i];
    if (i % 2 != 0) continue;
    bounded.back().second = fmt::format("{:g}", static_cast<double>(1LL << i) / 1000);
    line("_bucket", bounded, static_cast<double>(below));
  }
  const auto all = static_cast<double>(histogram.total());
  bounded.back().second = "+Inf";
  line("_bucket", bounded, all);
  line("_sum", labels, histogram.sum_ms / 1000);
  line("_count", labels, all);
}

std::string Family::text() const {
  if (empty()) return "";
  static constexpr const char* kTypes[] = {"gauge", "counter", "histogram"};
  return fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{3}", name_, help_,
                     kTypes[static_cast<size_t>(type_)], lines_);
}

}  // namespace dcoord::output
