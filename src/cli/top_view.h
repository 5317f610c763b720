#pragma once

#include <string>
#include <vector>

#include "primitives/survey.h"

namespace dcoord::cli {

/// What `top` shows: the things, and how the user looks at them. Knows no terminal.
struct TopView {
  enum Tab { locks, elections, queues, breakers, kTabs };

  primitives::Survey things;
  std::string target;    ///< where they are
  Millis server_time{};  ///< zero: nothing is known yet
  std::string trouble;   ///< why nothing newer is known
  Duration interval{};
  int tab = locks;
  size_t order[kTabs] = {};  ///< which of the orders of a tab
  bool paused = false, help = false, typing = false;
  std::string filter;   ///< a part of the name
  size_t selected = 0;  ///< of the rows that pass the filter

  /// The screen, a line each, with colours; `selected` is kept within the rows there are.
  std::vector<std::string> lines(int width, int height);
  /// All tabs one after the other, for a log.
  std::string text() const;
  const char* order_name() const;
  void next_order();

 private:
  struct Rows {
    std::vector<std::string> headers;
    std::vector<std::vector<std::string>> cells;
  };
  Rows rows(int tab) const;
  std::string title() const;
  std::string tabs() const;
  std::string footer() const;
};

}  // namespace dcoord::cli
