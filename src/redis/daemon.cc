#include "redis/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/service.h"

namespace dcoord::redis {
namespace {

/// While it lives an orphan of ours goes to somebody else: the next subreaper above, or init. That
/// is under a millisecond, in which a guard would have to die for the command's tree to get away
/// too. (clone with CLONE_PARENT would need no such window, but gives our parent a child that it
/// never made and may wait for.)
class NotASubreaper {
 public:
  NotASubreaper() {
    prctl(PR_GET_CHILD_SUBREAPER, &was_);
    if (was_ != 0) prctl(PR_SET_CHILD_SUBREAPER, 0);
  }
  ~NotASubreaper() {
    if (was_ != 0) prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  NotASubreaper(const NotASubreaper&) = delete;
  NotASubreaper& operator=(const NotASubreaper&) = delete;

 private:
  int was_ = 0;
};

/// While it lives no signal is handled: a handler of ours must not run in a child that is about to
/// become another.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &was_);
  }
  ~SignalsBlocked() { sigprocmask(SIG_SETMASK, &was_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t was_;
};

// From here to exec only what is safe after fork in a process that may have had threads.

void close_from(int first) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0) return;
#endif
  const long limit = sysconf(_SC_OPEN_MAX);
  for (int fd = first; fd < (limit > 0 && limit < 65536 ? limit : 65536); ++fd) close(fd);
}

/// Makes `lock` the one descriptor that a daemon has beyond standard input, output and error.
/// Returns where `log` is now.
int place_lock(int lock, int log) {
  if (log == kServiceLock) log = dup(log);
  if (lock == kServiceLock) {
    fcntl(lock, F_SETFD, 0);
  } else {
    dup2(lock, kServiceLock);
  }
  return log;
}

[[noreturn]] void become(char* const argv[], int log) {
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &by_default, nullptr);
  umask(S_IRWXG | S_IRWXO);

  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_from(kServiceLock + 1);

  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char* const environment[] = {nullptr};
  execve(argv[0], argv, environment);

  const char* const reason = strerror(errno);
  const std::string_view parts[] = {"cannot execute ", argv[0], ": ", reason, "\n"};
  for (const auto part : parts) {
    if (write(STDERR_FILENO, part.data(), part.size()) < 0) break;
  }
  _exit(127);
}

bool executable(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string find_program(const std::vector<std::string>& names) {
  const char* const path = getenv("PATH");
  std::string places = path != nullptr ? path : "";
  places += ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const auto& name : names) {
    for (size_t start = 0; start <= places.size();) {
      const size_t end = std::min(places.find(':', start), places.size());
      // Relative ones, the empty one among them, would mean another program in each working
      // directory.
      if (places[start] == '/') {
        const std::string candidate = places.substr(start, end - start) + "/" + name;
        if (executable(candidate)) return candidate;
      }
      start = end + 1;
    }
  }
  return {};
}

void start_daemon(const std::vector<std::string>& argv, int lock, int log) {
  std::vector<char*> arguments;
  for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const SignalsBlocked no_signals;
  const NotASubreaper no_orphans;
  const pid_t between = fork();
  if (between == 0) {
    setsid();
    // Before there is a daemon: whoever inherits it as an orphan is to know what it is.
    log = place_lock(lock, log);
    const pid_t daemon = fork();
    if (daemon == 0) become(arguments.data(), log);
    _exit(daemon < 0 ? errno : 0);
  }
  // It forks and exits, nothing else, so that this wait is over within a millisecond. Where SIGCHLD
  // is ignored there is no status to have.
  int status = 0;
  int failure = between < 0 ? errno : 0;
  while (between > 0 && waitpid(between, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) failure = WEXITSTATUS(status);
  if (failure != 0) {
    throw Error(ExitCode::unavailable, "unreachable",
                fmt::format("cannot start {}: {}", argv[0], strerror(failure)));
  }
}

}  // namespace dcoord::redis
