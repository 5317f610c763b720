#pragma once

#include <string>
#include <string_view>

#include "cli/environment.h"

namespace dcoord::cli {

/// Whether the stream gets colour: --color (always, never), then NO_COLOR, then FORCE_COLOR or
/// CLICOLOR_FORCE, then whether it is a terminal that is not dumb.
bool use_color(std::string_view mode, int fd, const Environment& environment);

/// Whether lines can be rewritten in place on it.
bool is_capable_terminal(int fd, const Environment& environment);

/// Columns of the terminal on stdout; 0 when it is none.
int terminal_width();

/// Asks for a password on /dev/tty, whatever stdin is, and does not show it. Throws Error (64) when
/// there is no terminal and when nothing is entered. Blocks, but ^C works even while signals are
/// blocked.
std::string ask_password(const std::string& prompt);

/// Throws Error (74) when something that was printed on stdout did not get out. A reader that went
/// away is no error worth a message: it returns false.
bool flush_stdout();

/// The same for what goes on and on: it ends when its reader went away, with Error (74), too.
void flush_stdout_for_reader();

}  // namespace dcoord::cli
