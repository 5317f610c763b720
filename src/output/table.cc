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

/// Such as is printed as it is, a column a byte.
bool is_plain_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) width += width_of(take_code_point(text));
  return width;
}

void append_printable(std::string& out, std::string_view text) {
  if (is_plain_ascii(text))
    out += text;
  else
    out += log::printable(text);
}

void Table::add(const std::vector<std::string>& row) {
  for (const auto& cell : row) add_cell(cell);
  for (size_t i = row.size(); i < headers_.size(); ++i) add_cell("");
}

void Table::add_cell(std::string_view text) {
  const size_t start = text_.size(), column = cells_.size() % headers_.size();
  int width = static_cast<int>(text.size());
  if (is_plain_ascii(text)) {
    text_ += text;
  } else {
    text_ += log::printable(text);
    width = display_width(std::string_view(text_).substr(start));
  }
  cells_.push_back({text_.size(), width});
  widths_[column] = std::max(widths_[column], width);
}

std::string Table::text(bool with_headers, int width) const {
  std::vector<int> widths = widths_;
  std::string out;
  size_t column = 0, line_start = 0;
  const auto write = [&](std::string_view cell, int cell_width) {
    out += cell;
    if (++column < headers_.size()) {
      out.append(static_cast<size_t>(widths[column - 1] - cell_width + 2), ' ');
      return;
    }
    while (out.size() > line_start && out.back() == ' ') out.pop_back();
    const std::string_view line = std::string_view(out).substr(line_start);
    if (width > 0 && display_width(line) > width)
      out.replace(line_start, line.size(), cut(line, width));
    out += '\n';
    column = 0;
    line_start = out.size();
  };
  if (with_headers) {
    for (size_t i = 0; i < headers_.size(); ++i)
      widths[i] = std::max(widths[i], display_width(headers_[i]));
    for (const auto& header : headers_) write(header, display_width(header));
  }
  size_t start = 0;
  for (const Cell& cell : cells_) {
    write(std::string_view(text_).substr(start, cell.end - start), cell.width);
    start = cell.end;
  }
  return out;
}

}  // namespace dcoord::output
