#include "hold/start_state.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "hold/proc.h"

namespace dcoord::hold {
namespace {

/// One read of /proc tells what 64 system calls would.
void find_ignored(bool (&ignored)[65]) {
  char text[4096];
  const char* const found =
      read_file("/proc/self/status", text, sizeof text) > 0 ? strstr(text, "\nSigIgn:") : nullptr;
  const unsigned long long bits = found ? strtoull(found + 8, nullptr, 16) : 0;
  for (int signal = 1; signal < 65; ++signal) {
    struct sigaction action {};
    ignored[signal] =
        found ? (bits >> (signal - 1)) & 1
              : sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  }
}

}  // namespace

StartState StartState::capture() {
  // In this order, each takes the lowest free number: else a socket might become somebody's stdout.
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    if (open("/dev/null", O_RDWR | O_NOCTTY) < 0) open("/", O_RDONLY | O_DIRECTORY);
  }
  StartState state;
  sigprocmask(SIG_BLOCK, nullptr, &state.mask);
  find_ignored(state.ignored);
  getrlimit(RLIMIT_CORE, &state.core);
  static PidList children;
  children.count = 0;
  begin_looking();
  add_children(getpid(), 1, children);
  for (int i = 0; i < children.count; ++i) state.children.push_back(children.entries[i].pid);
  return state;
}

void StartState::restore() const {
  // exec itself takes handlers away, and the rest was never changed but for these.
  for (const int number : {SIGCHLD, SIGPIPE}) signal(number, ignored[number] ? SIG_IGN : SIG_DFL);
  setrlimit(RLIMIT_CORE, &core);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
}

void forbid_core_dumps() {
  rlimit core{};
  if (getrlimit(RLIMIT_CORE, &core) == 0) {
    core.rlim_cur = 0;  // the hard limit stays, or the command could not get its own back
    setrlimit(RLIMIT_CORE, &core);
  }
  prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace dcoord::hold
