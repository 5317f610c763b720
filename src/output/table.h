#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dcoord::output {

/// Rows of cells in aligned columns, two spaces apart, without lines. Cells are escaped for a
/// terminal when added.
class Table {
 public:
  explicit Table(std::vector<std::string> headers) : headers_(std::move(headers)) {}
  void add(const std::vector<std::string>& row);
  /// `width` > 0 cuts longer lines, with an ellipsis.
  std::string text(bool with_headers, int width) const;

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
};

/// How many terminal columns UTF-8 text takes: wide characters two, combining ones none.
int display_width(std::string_view text);

}  // namespace dcoord::output
