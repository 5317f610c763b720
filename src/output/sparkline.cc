#include "output/sparkline.h"

#include <algorithm>

namespace dcoord::output {

std::string sparkline(const primitives::Histogram& h) {
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const uint32_t most = *std::max_element(h.counts.begin(), h.counts.end());
  size_t end = h.counts.size();
  while (end > 0 && h.counts[end - 1] == 0) --end;
  std::string line;
  for (size_t i = 0; i < end; ++i) {
    // Whatever is not nothing is seen.
    const size_t height = most == 0 ? 0 : (h.counts[i] * 7ULL + most - 1) / most;
    line += h.counts[i] == 0 ? " " : kBars[std::min<size_t>(height, 7)];
  }
  return line;
}

}  // namespace dcoord::output
