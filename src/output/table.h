#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::output {

/// Rows of cells in aligned columns, two spaces apart, without lines. Cells are escaped for a
/// terminal when added. One piece of memory has all of them: there may be many.
class Table {
 public:
  explicit Table(std::vector<std::string> headers)
      : headers_(std::move(headers)), widths_(headers_.size(), 0) {}
  /// Cells that are missing at the end are empty.
  void add(const std::vector<std::string>& row);
  /// The next cell of a row, which has as many as there are headers.
  void add_cell(std::string_view text);
  /// `width` > 0 cuts longer lines, with an ellipsis.
  std::string text(bool with_headers, int width) const;

 private:
  struct Cell {
    size_t end;  // in text_
    int width;
  };
  std::vector<std::string> headers_;
  std::vector<int> widths_;  // of the widest cell of each column
  std::string text_;
  std::vector<Cell> cells_;
};

/// Appends `text`, escaped for a terminal as log::printable does.
void append_printable(std::string& out, std::string_view text);

/// How many terminal columns UTF-8 text takes: wide characters two, combining ones none.
int display_width(std::string_view text);

}  // namespace dcoord::output
