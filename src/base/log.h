#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace dcoord::log {

/// How messages look and which are printed. Set once, by cli, before anything is logged.
struct Settings {
  int verbosity = 0;     ///< -v, -vv, -vvv; -1 for -q
  bool json = false;     ///< errors as one JSON line
  bool color = false;    ///< colour on stderr
  bool rewrite = false;  ///< stderr is a terminal: a progress line may be rewritten in place
};
void configure(const Settings& settings);
const Settings& settings();

/// The only writers to stderr. Each prints one line: `dcoord: error: ...`; control characters are
/// escaped, so that a name that somebody chose cannot act on the terminal. A progress line that
/// stands is cleared first.
void error(const Error& error);
void warning(std::string_view message);
void hint(std::string_view message);
/// `level` 0 is printed unless -q, 1 with -v, 2 with -vv, 3 with -vvv.
void note(int level, std::string_view message);

/// A line for programs, as it is, whatever the verbosity: what --trace asked for.
void data(std::string_view line);

/// A line that the next one replaces, on a terminal; elsewhere nothing is printed: use note there.
void progress(std::string_view line);
void clear_progress();

/// `text` with control characters (and what is not UTF-8) as \xNN, safe for a terminal and a log.
std::string printable(std::string_view text);

}  // namespace dcoord::log
