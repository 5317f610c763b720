#include "primitives/histogram.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace dcoord::primitives {
namespace {

Duration from_ms(double ms) { return Duration(static_cast<Duration::rep>(ms * 1e6)); }

/// `size` bytes, the lowest first.
uint64_t little_endian(std::string_view bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

}  // namespace

long long Histogram::total() const { return std::accumulate(counts.begin(), counts.end(), 0LL); }

Duration Histogram::average() const {
  const long long n = total();
  return n == 0 ? Duration::zero() : from_ms(sum_ms / static_cast<double>(n));
}

Duration Histogram::most() const { return from_ms(most_ms); }

Duration Histogram::percentile(double share) const {
  const double wanted = share * static_cast<double>(total());
  if (wanted <= 0) return Duration::zero();
  double before = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here == 0 || before + here < wanted) {
      before += here;
      continue;
    }
    const double low = i == 0 ? 0 : static_cast<double>(1LL << (i - 1));
    const double high = i + 1 == counts.size() ? most_ms : static_cast<double>(1LL << i);
    const double at = low + (high - low) * (wanted - before) / here;
    return from_ms(std::min(at, most_ms));
  }
  return most();
}

Histogram decode_histogram(std::string_view bytes) {
  Histogram h;
  if (bytes.size() < 16 + 4 * h.counts.size()) return h;
  h.sum_ms = std::bit_cast<double>(little_endian(bytes, 0, 8));
  h.most_ms = std::bit_cast<double>(little_endian(bytes, 8, 8));
  for (size_t i = 0; i < h.counts.size(); ++i) {
    h.counts[i] = static_cast<uint32_t>(little_endian(bytes, 16 + 4 * i, 4));
  }
  return h;
}

}  // namespace dcoord::primitives
