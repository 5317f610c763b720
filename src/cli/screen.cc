#include "cli/screen.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace dcoord::cli {
namespace {

// The other screen, no cursor, no wrapping of long lines; and back.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l\x1b[0m";

// Signals that ask this process to end are awaited elsewhere; these end it here.
constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

termios saved;
bool entered = false;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<size_t>(n));
  }
}

/// Only what may be done in a signal's handler.
void restore() {
  if (!std::exchange(entered, false)) return;
  write_all(kLeave);
  tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

void restore_and_die(int signal) {
  restore();
  ::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

Screen::Screen(Loop& loop) : loop_(loop) {
  const char* term = std::getenv("TERM");
  const bool capable = term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
  if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 || !capable ||
      tcgetattr(STDIN_FILENO, &before_) != 0) {
    throw usage_error("top needs a terminal", "use --batch where there is none");
  }
  saved = before_;
  for (const int signal : kFaults) {
    struct sigaction action {};
    action.sa_handler = restore_and_die;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
  std::atexit(restore);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  sigprocmask(SIG_BLOCK, &set, &signals_before_);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  enter();
}

Screen::~Screen() {
  restore();
  sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
}

Task<void> Screen::resized() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    co_await loop_.readable(signals_.get());
  }
}

void Screen::enter() {
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG | IEXTEN);
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | ICRNL);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  entered = true;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  write_all(kEnter);
}

void Screen::suspend() {
  restore();
  // To the whole job, as the terminal would.
  kill(0, SIGTSTP);
  enter();
}

Screen::Size Screen::size() {
  winsize found{};
  Size size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_col > 0 && found.ws_row > 0)
    size = {found.ws_col, found.ws_row};
  return size;
}

void Screen::draw(const std::vector<std::string>& lines) {
  const auto height = static_cast<size_t>(size().height);
  std::string out = "\x1b[H";
  for (size_t i = 0; i < lines.size() && i < height; ++i) {
    // Cleared before: behind a line that fills the screen its last character would go, too.
    out += "\x1b[2K" + lines[i] + "\x1b[0m";
    if (i + 1 < height) out += "\r\n";
  }
  write_all(out + "\x1b[J");
}

std::vector<KeyReader::Pressed> KeyReader::feed(std::string_view bytes) {
  rest_ += bytes;
  std::vector<Pressed> keys;
  static constexpr std::pair<std::string_view, Key> kSequences[] = {
      {"\x1b[A", Key::up},   {"\x1b[B", Key::down},     {"\x1bOA", Key::up},
      {"\x1bOB", Key::down}, {"\x1b[5~", Key::page_up}, {"\x1b[6~", Key::page_down},
      {"\x1b[H", Key::home}, {"\x1b[F", Key::end},      {"\x1b[1~", Key::home},
      {"\x1b[4~", Key::end}, {"\x1bOH", Key::home},     {"\x1bOF", Key::end},
      {"\x1b[C", Key::next}, {"\x1bOC", Key::next}};
  while (!rest_.empty()) {
    if (rest_[0] != '\x1b') {
      const char c = rest_[0];
      rest_.erase(0, 1);
      const Key key = c == '\x03'                             ? Key::quit
                      : c == '\x1a'                           ? Key::stop
                      : c == '\x0c'                           ? Key::redraw
                      : c == '\t'                             ? Key::next
                      : c == '\r' || c == '\n'                ? Key::enter
                      : c == '\x7f' || c == '\x08'            ? Key::erase
                      : static_cast<unsigned char>(c) >= 0x20 ? Key::text
                                                              : Key::none;
      keys.push_back({key, c});
      continue;
    }
    bool maybe_more = rest_.size() < 2;
    bool found = false;
    for (const auto& [sequence, key] : kSequences) {
      if (rest_.starts_with(sequence)) {
        keys.push_back({key, 0});
        rest_.erase(0, sequence.size());
        found = true;
        break;
      }
      maybe_more = maybe_more || sequence.starts_with(rest_);
    }
    if (found) continue;
    if (maybe_more) return keys;
    if (rest_.size() >= 2 && (rest_[1] == '[' || rest_[1] == 'O')) {  // one that means nothing here
      size_t end = 2;
      while (end < rest_.size() && (rest_[end] < '@' || rest_[end] > '~')) ++end;
      if (end == rest_.size()) return keys;
      rest_.erase(0, end + 1);
    } else {
      keys.push_back({Key::escape, 0});
      rest_.erase(0, 1);
    }
  }
  return keys;
}

std::vector<KeyReader::Pressed> KeyReader::flush() {
  if (std::exchange(rest_, "").empty()) return {};
  return {{Key::escape, 0}};
}

}  // namespace dcoord::cli
