#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "cli/options.h"

namespace dcoord::cli {

/// Exit codes, as options name them: "3,64-78".
class ExitList {
 public:
  bool has(int code) const;
  bool empty() const { return ranges_.empty(); }
  /// Throws Error for what is none, as bad_value does.
  void parse(std::string_view value, const Origin& origin);

 private:
  std::vector<std::pair<int, int>> ranges_;
};

}  // namespace dcoord::cli
