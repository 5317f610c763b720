#include "hold/signals.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hold/supervisor.h"

namespace dcoord::hold {
namespace {

bool never_collected(int signal) {
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGSYS:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGURG:
    case SIGTTIN:
    case SIGTTOU:
    case SIGTSTP:
      return true;
    default:
      return signal == 32 || signal == 33;  // the C library's own
  }
}

/// A write of ours to a closed pipe: the write has failed, that is all.
bool own_pipe(const Collected& signal) {
  return signal.signal == SIGPIPE && signal.sender == getpid();
}

}  // namespace

sigset_t collected_signals(const StartState& start) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal = 1; signal < 65; ++signal) {
    if (!never_collected(signal) && !start.ignored[signal]) sigaddset(&set, signal);
  }
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGCONT);
  return set;
}

bool asks_to_end(const Collected& signal) {
  switch (signal.signal) {
    case SIGCHLD:
    case SIGCONT:
    case SIGWINCH:
    case SIGTSTP:
      return false;
    default:
      return !own_pipe(signal);
  }
}

bool to_be_forwarded(const Collected& signal, bool terminal) {
  if (signal.signal == SIGCHLD || own_pipe(signal)) return false;
  if (!terminal) return true;
  if (signal.signal == SIGCONT) return false;  // see JobControl
  if (signal.signal == SIGHUP && getsid(0) == getpid()) return true;
  return signal.code != SI_KERNEL;
}

void die_of_signal(int signal) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_DUMPABLE, 0);  // a core pattern with a pipe does not ask for the limit
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  raise(signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  _exit(128 + signal);
}

}  // namespace dcoord::hold
