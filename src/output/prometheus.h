#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "primitives/histogram.h"

namespace dcoord::output {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// One thing that is measured, in the text format of Prometheus: its help, its type, its series.
class Family {
 public:
  enum class Type { gauge, counter, histogram };
  /// `name` in base units: "dcoord_lock_waiters", "..._seconds", "..._total".
  Family(std::string name, Type type, std::string help)
      : name_(std::move(name)), type_(type), help_(std::move(help)) {}

  void add(const Labels& labels, double value);
  /// In seconds, with bounds of 4^i ms; a duration on a bound is counted above it.
  void add(const Labels& labels, const primitives::Histogram& histogram);

  bool empty() const { return lines_.empty(); }
  std::string text() const;

  /// How many series one histogram is.
  static constexpr size_t kHistogramSeries = 15;

 private:
  void line(const char* suffix, const Labels& labels, double value);

  std::string name_;
  Type type_;
  std::string help_;
  std::string lines_;
};

}  // namespace dcoord::output
