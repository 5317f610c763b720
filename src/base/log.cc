#include "base/log.h"
#include "base/log_bytes.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace dcoord::log {
namespace {

Settings current;
bool progress_stands = false;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody reads: there is nobody to tell
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void line(std::string_view label, const char* color, std::string_view message) {
  clear_progress();
  // One write, so that lines of several processes do not mix.
  const std::string shown = printable(message);
  write_all(current.color ? fmt::format("dcoord: \x1b[{}m{}:\x1b[0m {}\n", color, label, shown)
                          : fmt::format("dcoord: {}: {}\n", label, shown));
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// Length of the UTF-8 sequence at the start of `text`; 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80         ? 1
                        : (first >> 5) == 6  ? 2
                        : (first >> 4) == 14 ? 3
                        : (first >> 3) == 30 ? 4
                                             : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) >> 6) != 2) return 0;
  }
  const bool overlong = (length == 2 && first < 0xc2) ||
                        (length == 3 && first == 0xe0 && byte(1) < 0xa0) ||
                        (length == 4 && first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = length == 3 && first == 0xed && byte(1) >= 0xa0;
  const bool beyond = length == 4 && (first > 0xf4 || (first == 0xf4 && byte(1) >= 0x90));
  const bool c1 = length == 2 && first == 0xc2 && byte(1) < 0xa0;  // 8-bit control characters
  return overlong || surrogate || beyond || c1 ? 0 : length;
}

}  // namespace

void configure(const Settings& settings) { current = settings; }
const Settings& settings() { return current; }

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 0 || first < 0x20 || first == 0x7f) {
      out += fmt::format("\\x{:02x}", first);
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

void error(const Error& error) {
  if (current.json) {
    clear_progress();
    std::string out =
        fmt::format("{{\"error\":{{\"code\":{},\"kind\":{},\"message\":{}", to_int(error.code()),
                    json_string(printable(error.kind())), json_string(printable(error.what())));
    if (!error.hint().empty())
      out += fmt::format(",\"hint\":{}", json_string(printable(error.hint())));
    write_all(out + "}}\n");
    return;
  }
  line("error", "1;31", error.what());
  if (!error.hint().empty() && current.verbosity >= 0) line("hint", "36", error.hint());
}

void warning(std::string_view message) { line("warning", "33", message); }

void hint(std::string_view message) {
  if (current.verbosity >= 0) line("hint", "36", message);
}

void note(int level, std::string_view message) {
  if (current.verbosity < level) return;
  clear_progress();
  write_all(fmt::format("dcoord: {}\n", printable(message)));
}

void data(std::string_view text) {
  clear_progress();
  write_all(fmt::format("{}\n", text));
}

void progress(std::string_view text) {
  if (!current.rewrite || current.verbosity < 0) return;
  // A line that wraps could not be rewritten.
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  write_all(fmt::format("\r\x1b[K{}", printable(text.substr(0, known ? size.ws_col - 1u : 79u))));
  progress_stands = true;
}

void clear_progress() {
  if (!progress_stands) return;
  progress_stands = false;
  write_all("\r\x1b[K");
}

void pass_on(std::string_view bytes) {
  clear_progress();
  write_all(bytes);
}

}  // namespace dcoord::log
