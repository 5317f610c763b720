#include "cli/terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/unique_fd.h"

namespace dcoord::cli {
namespace {

/// No echo, no line editing by the kernel, and ^C as a byte: the supervisor has signals blocked by
/// the time that a password is needed. Puts everything back at the end.
class Silence {
 public:
  explicit Silence(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    set_ = tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  ~Silence() {
    if (set_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int fd_;
  bool set_ = false;
  termios before_{};
};

constexpr char kInterrupt = 3;  // ^C
constexpr char kEnd = 4;        // ^D
constexpr char kKillLine = 21;  // ^U
constexpr char kQuit = 28;      // ^backslash
constexpr char kBackspace = 8;
constexpr char kDelete = 127;

/// Nothing: given up.
std::optional<std::string> read_line(int fd) {
  std::string line;
  for (;;) {
    char c = 0;
    const ssize_t n = read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || c == kInterrupt || c == kQuit || (c == kEnd && line.empty())) return std::nullopt;
    if (c == '\n' || c == '\r' || c == kEnd) return line;
    if (c == kKillLine) {
      line.clear();
    } else if (c == kBackspace || c == kDelete) {
      if (!line.empty()) line.pop_back();
    } else {
      line += c;
    }
  }
}

void show(int fd, std::string_view text) {
  if (write(fd, text.data(), text.size()) < 0) return;  // then reading fails as well
}

}  // namespace

bool is_capable_terminal(int fd, const Environment& environment) {
  return isatty(fd) == 1 && environment.get("TERM") != "dumb";
}

bool use_color(std::string_view mode, int fd, const Environment& environment) {
  if (mode == "always") return true;
  if (mode == "never") return false;
  if (environment.get("NO_COLOR")) return false;
  for (const char* name : {"FORCE_COLOR", "CLICOLOR_FORCE"}) {
    const auto value = environment.get(name);
    if (value && *value != "0") return true;
  }
  return is_capable_terminal(fd, environment);
}

int terminal_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::string ask_password(const std::string& prompt) {
  const UniqueFd tty(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!tty) {
    throw usage_error("--askpass needs a terminal", "use --pass-file FILE where there is none");
  }
  std::optional<std::string> line;
  {
    const Silence silence(tty.get());
    show(tty.get(), prompt);
    line = read_line(tty.get());
    show(tty.get(), "\r\n");
  }
  if (!line || line->empty()) throw usage_error("no password was entered");
  return *line;
}

bool flush_stdout() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  if (errno == 0) {  // it failed earlier, when a buffer was full: another try says why
    std::clearerr(stdout);
    if (std::fputc('\n', stdout) != EOF) std::fflush(stdout);
  }
  if (errno == EPIPE) return false;
  throw Error(ExitCode::unknown, "output",
              fmt::format("cannot write to standard output: {}",
                          errno == 0 ? "an earlier write failed" : std::strerror(errno)));
}

void flush_stdout_for_reader() {
  if (!flush_stdout())
    throw Error(ExitCode::unknown, "output",
                "cannot write to standard output: its reader went away");
}

}  // namespace dcoord::cli
