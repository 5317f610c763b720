#include "hold/remains.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "hold/proc.h"

namespace dcoord::hold {
namespace {

std::string proc_path(int pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

/// The time namespace, which start times are told by; "" where it cannot be read or there are none.
std::string time_namespace(const std::string& path) {
  std::array<char, 64> name{};
  const ssize_t n = readlink(path.c_str(), name.data(), name.size());
  return n > 0 ? std::string(name.data(), static_cast<size_t>(n)) : std::string();
}

std::string read_whole(const std::string& path) {
  std::string text;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 16384> buffer{};
  while (fd) {
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  return text;
}

struct Collection {
  std::string_view prefix;
  std::string text;
  std::vector<int> starting;  ///< a new program that cannot be looked into yet
};

void collect(int pid, void* context) {
  auto& into = *static_cast<Collection*>(context);
  const std::string all = read_whole(proc_path(pid, "environ"));
  for (size_t from = 0; from < all.size();) {
    const size_t end = std::min(all.find('\0', from), all.size());
    const std::string_view variable = std::string_view(all).substr(from, end - from);
    if (variable.starts_with(into.prefix)) into.text.append(variable) += '\n';
    from = end + 1;
  }
  // Within execve an environment is empty for a moment. Threads of the kernel have no program.
  std::array<char, 1> byte{};
  if (all.empty() && readlink(proc_path(pid, "exe").c_str(), byte.data(), byte.size()) > 0) {
    into.starting.push_back(pid);
  }
}

}  // namespace

bool lives(pid_t pid, unsigned long long start) {
  if (pid <= 0) return false;
  // Says so even where /proc hides the processes of others.
  if (kill(pid, 0) != 0 && errno == ESRCH) return false;
  ProcessStat stat;
  if (!read_stat(pid, stat)) return true;
  if (stat.start == start) return stat.state != 'Z';
  // Another process with the same number, unless its time begins elsewhere.
  return time_namespace(proc_path(pid, "ns/time")) != time_namespace("/proc/self/ns/time");
}

std::string environments(std::string_view prefix) {
  Collection all{prefix, {}, {}};
  // Twice: a process may have ended before its turn, and one that it started have got a number
  // behind it.
  for_each_number("/proc", collect, &all);
  for_each_number("/proc", collect, &all);
  // Some do have an empty one: they are looked at for a fifth of a second in all.
  for (int looks = 0; looks < 100 && !all.starting.empty(); ++looks) {
    usleep(2000);
    for (const int pid : std::exchange(all.starting, {})) collect(pid, &all);
  }
  return std::move(all.text);
}

}  // namespace dcoord::hold
