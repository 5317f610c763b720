#pragma once

#include <signal.h>
#include <termios.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/task.h"
#include "base/unique_fd.h"

namespace dcoord::cli {

/// The terminal as a screen of its own, without echo: what stood there before comes back, whatever
/// ends this process but SIGKILL. One at a time.
class Screen {
 public:
  /// Throws Error (64) when stdin or stdout is no terminal that can do this.
  explicit Screen(Loop& loop);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  struct Size {
    int width = 80, height = 24;
  };
  static Size size();

  /// Shows lines in place of those that stood there; what is more than fits is left out. One write.
  void draw(const std::vector<std::string>& lines);
  /// Gives the terminal back and stops this process, as ^Z does; returns when it is continued.
  void suspend();
  /// Waits until its size has changed.
  Task<void> resized();

 private:
  void enter();

  Loop& loop_;
  termios before_{};
  sigset_t signals_before_{};
  UniqueFd signals_;
};

enum class Key {
  none,
  text,  ///< a character
  next,  ///< tab, or the arrow to the right
  up,
  down,
  page_up,
  page_down,
  home,
  end,
  enter,
  escape,
  erase,
  quit,    ///< ^C
  stop,    ///< ^Z
  redraw,  ///< ^L
};

/// What was typed: bytes of a terminal as keys. A sequence may come in pieces.
class KeyReader {
 public:
  struct Pressed {
    Key key = Key::none;
    char text = 0;  ///< the character that was typed
  };
  std::vector<Pressed> feed(std::string_view bytes);
  /// Nothing more came: an escape that stands alone is the key.
  std::vector<Pressed> flush();

 private:
  std::string rest_;
};

}  // namespace dcoord::cli
