#include "output/table.h"

#include <algorithm>
#include <cstdint>

#include "base/log.h"

namespace dcoord::output {
namespace {

/// Takes one code point of valid UTF-8 off the front of `text`.
uint32_t take_code_point(std::string_view& text) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const uint32_t first = byte(0);
  const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  uint32_t point = length == 1 ? first : first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length && i < text.size(); ++i) point = (point << 6) | (byte(i) & 0x3f);
  text.remove_prefix(std::min(length, text.size()));
  return point;
}

int width_of(uint32_t c) {
  if (c < 0x300) return 1;
  struct Range {
    uint32_t first, last;
  };
  // The common blocks of Unicode's East Asian Width W and F, and of combining marks.
  constexpr Range kWide[] = {
      {0x1100, 0x115f}, {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},  {0x4e00, 0x9fff},
      {0xa000, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},  {0xff00, 0xff60},
      {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
  constexpr Range kNone[] = {{0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x200b, 0x200f},
                             {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
  const auto in = [c](const Range& r) { return c >= r.first && c <= r.last; };
  if (std::any_of(std::begin(kNone), std::end(kNone), in)) return 0;
  return std::any_of(std::begin(kWide), std::end(kWide), in) ? 2 : 1;
}

std::string cut(std::string_view line, int width) {
  if (display_width(line) <= width) return std::string(line);
  std::string_view rest = line;
  int used = 0;
  while (!rest.empty()) {
    std::string_view next = rest;
    const int w = width_of(take_code_point(next));
    if (used + w > width - 1) break;
    used += w;
    rest = next;
  }
  return std::string(line.substr(0, line.size() - rest.size())) + "…";
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) width += width_of(take_code_point(text));
  return width;
}

void Table::add(const std::vector<std::string>& row) {
  std::vector<std::string> escaped;
  escaped.reserve(row.size());
  for (const auto& cell : row) escaped.push_back(log::printable(cell));
  rows_.push_back(std::move(escaped));
}

std::string Table::text(bool with_headers, int width) const {
  std::vector<int> widths(headers_.size(), 0);
  const auto measure = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  };
  if (with_headers) measure(headers_);
  for (const auto& row : rows_) measure(row);
  std::string out;
  const auto write = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size())
        line.append(static_cast<size_t>(widths[i] - display_width(row[i]) + 2), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += (width > 0 ? cut(line, width) : line) + "\n";
  };
  if (with_headers) write(headers_);
  for (const auto& row : rows_) write(row);
  return out;
}

}  // namespace dcoord::output
