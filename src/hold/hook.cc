#include "hold/hook.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace dcoord::hold {

using namespace std::chrono_literals;

Task<int> run_hook(Loop& loop, const StartState& start, std::string script,
                   std::vector<std::pair<std::string, std::string>> env, Duration limit) {
  const pid_t pid = fork();
  if (pid < 0) co_return -1;
  if (pid == 0) {
    setpgid(0, 0);
    for (int signal = 1; signal < 65; ++signal) {
      if (!start.ignored[signal]) ::signal(signal, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &start.mask, nullptr);
    for (const auto& [name, value] : env) setenv(name.c_str(), value.c_str(), 1);
    execl("/bin/sh", "sh", "-c", script.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  const TimePoint until = add(loop.now(), limit);
  int status = 0;
  bool killed = false;
  while (true) {
    const pid_t reaped = waitpid(pid, &status, WNOHANG);
    if (reaped == pid) co_return status;
    if (reaped < 0 && errno != EINTR) co_return -1;
    if (!killed && loop.now() >= until) {
      killed = true;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
    }
    // Rare and short: looking often is simpler than another way to be told.
    co_await loop.sleep(10ms);
  }
}

}  // namespace dcoord::hold
