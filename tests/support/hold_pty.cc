#include "support/hold_pty.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "base/clock.h"

namespace hold_test {

using dcoord::UniqueFd;

std::vector<std::string> interactive_bash() {
  return {"env",    "PS1=ready> ", "TERM=dumb",   "HISTFILE=", "bash",
          "--norc", "--noprofile", "--noediting", "-i"};
}

Pty::Pty(const std::vector<std::string>& command)
    : master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  if (!master_ || grantpt(master_.get()) != 0 || unlockpt(master_.get()) != 0)
    throw std::runtime_error("pty");
  const std::string name = ptsname(master_.get());
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  setsid();
  const int slave = open(name.c_str(), O_RDWR);
  ioctl(slave, TIOCSCTTY, 0);
  for (int fd = 0; fd <= 2; ++fd) dup2(slave, fd);
  for (int fd = 3; fd < 1024; ++fd) close(fd);
  execvp(argv[0], argv.data());
  _exit(99);
}

Pty::~Pty() {
  hang_up();
  for (int i = 0; i < 500 && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) usleep(10'000);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Pty::type(const std::string& text) {
  if (write(master_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("cannot type");
  }
}

void Pty::read_more(int limit_ms) {
  pollfd fd{master_.get(), POLLIN, 0};
  if (poll(&fd, 1, limit_ms) <= 0) return;
  char buffer[4096];
  const ssize_t n = read(master_.get(), buffer, sizeof buffer);
  if (n > 0) output_.append(buffer, static_cast<size_t>(n));
  if (n <= 0) usleep(2000);  // everybody on the other side has closed it
}

void Pty::expect(const std::string& text) {
  const auto until = dcoord::BootClock::now() + std::chrono::seconds(60);
  for (;;) {
    const size_t at = output_.find(text, seen_);
    if (at != std::string::npos) {
      seen_ = at + text.size();
      return;
    }
    if (dcoord::BootClock::now() > until)
      throw std::runtime_error("'" + text + "' did not come, but: " + output_);
    read_more(200);
  }
}

const std::string& Pty::output() {
  read_more(0);
  return output_;
}

bool Pty::cooked() const {
  termios settings{};
  return tcgetattr(master_.get(), &settings) == 0 && (settings.c_lflag & ICANON) &&
         (settings.c_lflag & ECHO);
}

}  // namespace hold_test
