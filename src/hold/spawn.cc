#include "hold/spawn.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "base/error.h"

namespace dcoord::hold {
namespace {

/// Hands out the memory behind Shared.
class Arena {
 public:
  Arena(char* begin, size_t size) : at_(begin), left_(size) {}
  char* take(size_t size) {
    if (size > left_) return nullptr;
    left_ -= size;
    return std::exchange(at_, at_ + size);
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
  char* at_;
  size_t left_;
};

bool changed(std::string_view entry, const Command& command) {
  const auto name = entry.substr(0, entry.find('='));
  return std::any_of(command.env.begin(), command.env.end(), [&](const auto& e) { return e.first == name; }) ||
         std::find(command.unset.begin(), command.unset.end(), name) != command.unset.end();
}

const char* find_path(char** envp) {
  for (; *envp; ++envp) {
    if (strncmp(*envp, "PATH=", 5) == 0) return *envp + 5;
  }
  return nullptr;
}

/// execve, and as the shell does, /bin/sh for a script without a #! line. Returns only with errno set.
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
      const bool elsewhere = errno == ENOENT || errno == ENOTDIR || errno == ESTALE || errno == ENODEV ||
                             errno == ETIMEDOUT || errno == ENAMETOOLONG;
      if (errno != EACCES && !elsewhere) return errno;
      denied = denied || errno == EACCES;
    }
    if (!*end) return denied ? EACCES : ENOENT;
    at = end;
  }
}

}  // namespace

SharedMemory::SharedMemory() {
  void* const memory =
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error(ExitCode::internal, "system", "cannot get memory for the guard: " + std::string(strerror(errno)));
  }
  shared_ = new (memory) Shared;
}

SharedMemory::~SharedMemory() { munmap(shared_, kSize); }

bool SharedMemory::put_command(const Command& command, const char* const* base) {
  size_t entries = 0;
  while (base[entries]) ++entries;
  Arena arena(reinterpret_cast<char*>(shared_ + 1), kSize - sizeof(Shared));
  const size_t slots = 1 + command.argv.size() + 1 + entries + command.env.size() + 1;
  auto** slot = reinterpret_cast<char**>(arena.take(slots * sizeof(char*)));
  if (!slot) return false;
  *slot++ = nullptr;
  bool fits = true;
  const auto put = [&](char* text) {
    fits = fits && text != nullptr;
    *slot++ = text;
  };
  shared_->argv = slot;
  for (const auto& argument : command.argv) put(arena.text(argument));
  *slot++ = nullptr;
  shared_->envp = slot;
  for (size_t i = 0; i < entries; ++i) {
    if (!changed(base[i], command)) put(arena.text(base[i]));
  }
  for (const auto& [name, value] : command.env) put(arena.text(name, "=", value));
  *slot = nullptr;
  return fits;
}

void exec_command(Shared& shared, const StartState& start, pid_t parent) {
  // It must not outlive its parent, the guard, which may already be gone.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  if (shared.own_group) setpgid(0, 0);
  start.restore();
  shared.exec_errno.store(search_and_execute(shared.argv, shared.envp));
  _exit(127);
}

}  // namespace dcoord::hold
