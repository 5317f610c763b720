#include "hold/background.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "hold/descriptors.h"
#include "hold/proc.h"

namespace dcoord::hold {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(100);

}  // namespace

BoundProcess::BoundProcess(Loop& loop, pid_t pid) : loop_(loop), pid_(pid) {
  ProcessStat stat;
  if (pid > 0) held_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const bool found = pid > 0 && (held_ || kill(pid, 0) == 0 || errno == EPERM);
  if (!found || (read_stat(pid, stat) && stat.state == 'Z')) {
    throw Error(ExitCode::data, "no_process", "there is no process " + std::to_string(pid));
  }
  start_ = stat.start;
}

bool BoundProcess::alive() const {
  if (kill(pid_, 0) != 0 && errno == ESRCH) return false;
  ProcessStat stat;
  if (!read_stat(pid_, stat)) return start_ == 0;  // without /proc its number is all there is
  return stat.start == start_ && stat.state != 'Z';
}

Task<void> BoundProcess::ended() {
  if (held_) {
    co_await loop_.readable(held_.get());
    co_return;
  }
  while (alive()) co_await loop_.sleep(kLookAgain);
}

bool BoundProcess::signal(int number) {
  if (held_) return syscall(SYS_pidfd_send_signal, held_.get(), number, nullptr, 0) == 0;
  return alive() && kill(pid_, number) == 0;
}

pid_t detach(std::span<const int> keep, const StartState& start) {
  const pid_t pid = fork();
  if (pid < 0) {
    throw Error(ExitCode::internal, "system",
                std::string("cannot start a background process: ") + strerror(errno));
  }
  if (pid > 0) return pid;
  setsid();
  [[maybe_unused]] const int at_root = chdir("/");
  drop_descriptors(keep.data(), static_cast<int>(keep.size()));
  start.restore();
  forbid_core_dumps();  // it goes on with what we know
  return 0;
}

}  // namespace dcoord::hold
