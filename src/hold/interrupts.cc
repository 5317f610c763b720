#include "hold/interrupts.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <utility>

namespace dcoord::hold {

Interrupts::Interrupts(Loop& loop, const StartState& start) : loop_(loop) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGHUP, SIGINT, SIGQUIT}) {
    if (!start.ignored[number]) sigaddset(&set, number);
  }
  sigprocmask(SIG_BLOCK, &set, &before_);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interrupts::~Interrupts() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

Task<int> Interrupts::next() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
    co_await loop_.readable(signals_.get());
  }
  co_return static_cast<int>(info.ssi_signo);
}

int signal_number(std::string_view name) {
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size())
    return number > 0 && number <= 64 ? number : 0;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  constexpr std::pair<std::string_view, int> kNames[] = {
      {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
      {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
      {"STOP", SIGSTOP}, {"CONT", SIGCONT}};
  for (const auto& [known, value] : kNames) {
    if (known == name) return value;
  }
  return 0;
}

}  // namespace dcoord::hold
