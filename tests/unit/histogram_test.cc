#include "primitives/histogram.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>

using namespace dcoord;
using namespace dcoord::primitives;
using namespace std::chrono_literals;

namespace {

std::string packed(double sum, double most, const std::array<uint32_t, 24>& counts) {
  std::string bytes(16 + sizeof counts, '\0');
  std::memcpy(bytes.data(), &sum, 8);
  std::memcpy(bytes.data() + 8, &most, 8);
  std::memcpy(bytes.data() + 16, counts.data(), sizeof counts);
  return bytes;
}

}  // namespace

TEST_CASE("a histogram that is not there has no durations") {
  const Histogram h = decode_histogram("");
  CHECK(h.total() == 0);
  CHECK(h.average() == Duration::zero());
  CHECK(h.percentile(0.99) == Duration::zero());
}

TEST_CASE("percentiles lie in the count that they fall into, and never above the maximum") {
  std::array<uint32_t, 24> counts{};
  counts[0] = 50;   // under 1 ms
  counts[11] = 50;  // 1024 ms to 2047 ms
  const Histogram h = decode_histogram(packed(60000, 1500, counts));
  CHECK(h.total() == 100);
  CHECK(h.average() == 600ms);
  CHECK(h.percentile(0.25) < 1ms);
  CHECK(h.percentile(0.5) == 1ms);
  CHECK(h.percentile(0.6) > 1024ms);
  CHECK(h.percentile(0.99) == 1500ms);
  CHECK(h.percentile(1) == 1500ms);
  CHECK(h.most() == 1500ms);
}

TEST_CASE("the last count has no end but the maximum") {
  std::array<uint32_t, 24> counts{};
  counts[23] = 1;
  const double month = 30.0 * 86400 * 1000;
  const Histogram h = decode_histogram(packed(month, month, counts));
  CHECK(h.percentile(0.5) > 23 * 24h / 10);
  CHECK(h.percentile(1) == 30 * 24h);
}
