#pragma once

#include <cstddef>
#include <string>

#include "primitives/survey.h"

namespace dcoord::cli {

struct MetricsText {
  std::string text;
  size_t left_out = 0;  ///< things whose series did not fit
};

/// Everything that was found as Prometheus text, in at most `most` series: what is held, waited for
/// or used most comes first. Totals are always there.
MetricsText metrics_text(const primitives::Survey& survey, Duration took, size_t most);

/// What is told when nothing can be found out.
std::string metrics_text_when_down();

}  // namespace dcoord::cli
