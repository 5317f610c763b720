#include "hold/spawn.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace dcoord::hold {
namespace {

/// Hands out the memory behind Shared.
class Arena {
 public:
  Arena(char* begin, const char* end) : at_(begin), left_(static_cast<size_t>(end - begin)) {}
  char* at() const { return at_; }
  bool full() const { return full_; }
  char** slots(size_t count) {
    const size_t odd = reinterpret_cast<uintptr_t>(at_) % alignof(char*);
    if (odd != 0) take(alignof(char*) - odd);
    return reinterpret_cast<char**>(take(count * sizeof(char*)));
  }
  char* text(std::string_view a, std::string_view b = {}, std::string_view c = {}) {
    char* const to = take(a.size() + b.size() + c.size() + 1);
    if (!to) return nullptr;
    char* at = std::copy(a.begin(), a.end(), to);
    at = std::copy(b.begin(), b.end(), at);
    at = std::copy(c.begin(), c.end(), at);
    *at = 0;
    return to;
  }

 private:
  char* take(size_t size) {
    full_ = full_ || size > left_;
    if (full_) return nullptr;
    left_ -= size;
    return std::exchange(at_, at_ + size);
  }

  char* at_;
  size_t left_;
  bool full_ = false;
};

/// Whether an environment's entry is one that the command changes.
bool changed(const char* entry, const Shared& shared) {
  const size_t name = static_cast<size_t>(strchrnul(entry, '=') - entry);
  const auto same = [&](const char* other) {
    return strncmp(entry, other, name) == 0 && (other[name] == '=' || other[name] == 0);
  };
  for (char** unset = shared.unset; *unset; ++unset) {
    if (same(*unset)) return true;
  }
  for (char** set = shared.set; *set; ++set) {
    if (same(*set)) return true;
  }
  return false;
}

/// This process's environment with the changes, in the room that is left; null when that is too
/// small.
char** make_environment(const Shared& shared) {
  size_t entries = 1;
  for (char** entry = environ; *entry; ++entry) ++entries;
  for (char** set = shared.set; *set; ++set) ++entries;
  char** const envp = Arena(shared.room, shared.end).slots(entries);
  char** slot = envp;
  if (!envp) return nullptr;
  for (char** entry = environ; *entry; ++entry) {
    if (!changed(*entry, shared)) *slot++ = *entry;
  }
  for (char** set = shared.set; *set; ++set) *slot++ = *set;
  *slot = nullptr;
  return envp;
}

const char* find_path(char** envp) {
  for (; *envp; ++envp) {
    if (strncmp(*envp, "PATH=", 5) == 0) return *envp + 5;
  }
  return nullptr;
}

/// execve, and as the shell does, /bin/sh for a script without a #! line. Returns only with errno
/// set.
void execute(const char* path, char** argv, char** envp) {
  execve(path, argv, envp);
  if (errno != ENOEXEC) return;
  char shell[] = "/bin/sh";
  argv[-1] = shell;
  argv[0] = const_cast<char*>(path);
  execve(shell, argv - 1, envp);
}

/// Looks the command up as execvp does, in the command's own PATH. Returns errno.
int search_and_execute(char** argv, char** envp) {
  const char* const file = argv[0];
  const size_t length = file ? strlen(file) : 0;
  if (length == 0) return ENOENT;
  if (strchr(file, '/')) {
    execute(file, argv, envp);
    return errno;
  }
  char standard[256] = "/bin:/usr/bin";
  const char* path = find_path(envp);
  if (!path) {
    confstr(_CS_PATH, standard, sizeof standard);
    path = standard;
  }
  bool denied = false;
  for (const char* at = path;; ++at) {
    const char* const end = strchrnul(at, ':');
    const auto folder = static_cast<size_t>(end - at);
    char candidate[PATH_MAX];
    if (folder + length + 2 <= sizeof candidate) {
      memcpy(candidate, at, folder);
      candidate[folder] = '/';
      // An empty entry is the current directory.
      memcpy(candidate + (folder > 0 ? folder + 1 : 0), file, length + 1);
      execute(candidate, argv, envp);
      const bool elsewhere = errno == ENOENT || errno == ENOTDIR || errno == ESTALE ||
                             errno == ENODEV || errno == ETIMEDOUT || errno == ENAMETOOLONG;
      if (errno != EACCES && !elsewhere) return errno;
      denied = denied || errno == EACCES;
    }
    if (!*end) return denied ? EACCES : ENOENT;
    at = end;
  }
}

}  // namespace

SharedMemory::SharedMemory() {
  void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error(ExitCode::internal, "system",
                "cannot get memory for the guard: " + std::string(strerror(errno)));
  }
  shared_ = new (memory) Shared;
}

SharedMemory::~SharedMemory() { munmap(shared_, kSize); }

bool SharedMemory::put_command(const Command& command) {
  char* const end = reinterpret_cast<char*>(shared_) + kSize;
  Arena arena(reinterpret_cast<char*>(shared_ + 1), end);
  char** const argv = arena.slots(1 + command.argv.size() + 1);
  char** const unset = arena.slots(command.unset.size() + 1);
  char** const set = arena.slots(command.env.size() + 1);
  if (arena.full()) return false;
  char** slot = argv;
  *slot++ = nullptr;
  for (const auto& argument : command.argv) *slot++ = arena.text(argument);
  *slot = nullptr;
  slot = unset;
  for (const auto& name : command.unset) *slot++ = arena.text(name);
  *slot = nullptr;
  slot = set;
  for (const auto& [name, value] : command.env) *slot++ = arena.text(name, "=", value);
  *slot = nullptr;
  shared_->argv = argv + 1;
  shared_->unset = unset;
  shared_->set = set;
  shared_->room = arena.at();
  shared_->end = end;
  return !arena.full();
}

namespace {

struct NewProcess {
  Shared& shared;
  const StartState& start;
  pid_t parent;
  int input, errors;
};

/// Becomes the command. Runs in the guard's memory: allocates nothing, and what it writes there
/// only it uses.
int exec_command(void* argument) {
  const auto& [shared, start, parent, input, errors] = *static_cast<const NewProcess*>(argument);
  // It must not outlive its parent, the guard, which may already be gone.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  if (shared.own_group) setpgid(0, 0);
  if (input >= 0) dup2(input, STDIN_FILENO);
  if (errors >= 0) dup2(errors, STDERR_FILENO);
  start.restore();
  char** const envp = make_environment(shared);
  shared.exec_errno.store(envp ? search_and_execute(shared.argv, envp) : E2BIG);
  _exit(127);
}

}  // namespace

pid_t spawn_command(Shared& shared, const StartState& start, pid_t parent, int input, int errors) {
  // As vfork, on a stack of its own. With the memory shared, nothing is copied, which would be half
  // of the time from a grant to the command's first instruction. A guard that the exec holds up (on
  // a dead file server) is a guard that stands still: the supervisor takes over.
  alignas(64) static char stack[size_t{128} << 10];
  NewProcess process{shared, start, parent, input, errors};
  return clone(exec_command, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &process);
}

}  // namespace dcoord::hold
