#include "hold/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/service.h"

namespace dcoord::hold {
namespace {

bool no_children_files = false;

/// Puts together a path from text and numbers, without the allocations and locales of printf.
class Path {
 public:
  Path& operator<<(const char* text) {
    while (*text && length_ + 1 < sizeof buffer_) buffer_[length_++] = *text++;
    buffer_[length_] = 0;
    return *this;
  }
  Path& operator<<(int number) {
    char digits[16];
    int n = 0;
    for (auto left = static_cast<unsigned>(number); n == 0 || left > 0; left /= 10) {
      digits[n++] = static_cast<char>('0' + left % 10);
    }
    while (n > 0 && length_ + 1 < sizeof buffer_) buffer_[length_++] = digits[--n];
    buffer_[length_] = 0;
    return *this;
  }
  const char* get() const { return buffer_; }

 private:
  char buffer_[64] = {};
  size_t length_ = 0;
};

int open_file(const char* path) {
  int fd = -1;
  do fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/// Adds the numbers in the file, which may be longer than a buffer. False when there is no such
/// file.
bool add_numbers(const char* path, pid_t parent, PidList& out) {
  const int fd = open_file(path);
  if (fd < 0) return false;
  char buffer[4096];
  pid_t number = 0;
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[i] >= '0' && buffer[i] <= '9') {
        number = number * 10 + (buffer[i] - '0');
      } else if (number > 0) {
        out.add(number, parent);
        number = 0;
      }
    }
  }
  if (number > 0) out.add(number, parent);
  close(fd);
  return true;
}

struct Search {
  pid_t parent;
  PidList* out;
};

PidList everybody;  // what begin_looking saw

/// Whether /proc is there and counts processes as we do; asked anew in a fork.
bool usable() {
  static pid_t asked = 0;
  static bool answer = false;
  const pid_t self = getpid();
  if (asked == self) return answer;
  char target[16] = {};
  const ssize_t n = readlink("/proc/self", target, sizeof target - 1);
  answer = n > 0 && atoi(target) == self;
  asked = self;
  return answer;
}

bool children_files() {
  static const bool exist = access("/proc/thread-self/children", R_OK) == 0;
  return exist && !no_children_files;
}

}  // namespace

void pretend_no_children_files(bool pretend) { no_children_files = pretend; }

ssize_t read_file(const char* path, char* buffer, size_t size) {
  const int fd = open_file(path);
  if (fd < 0) return -1;
  size_t length = 0;
  while (length + 1 < size) {
    const ssize_t n = read(fd, buffer + length, size - 1 - length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    length += static_cast<size_t>(n);
  }
  buffer[length] = 0;
  close(fd);
  return static_cast<ssize_t>(length);
}

bool read_stat(pid_t pid, ProcessStat& out) {
  char text[1024];
  if (!usable()) return false;
  if (read_file((Path() << "/proc/" << pid << "/stat").get(), text, sizeof text) <= 0) return false;
  // The name is in parentheses and may itself have parentheses and spaces.
  const char* const open = strchr(text, '(');
  const char* const shut = strrchr(text, ')');
  if (!open || !shut || shut < open || !shut[1]) return false;
  const size_t length = std::min(static_cast<size_t>(shut - open - 1), sizeof out.name - 1);
  memcpy(out.name, open + 1, length);
  out.name[length] = 0;
  const char* at = shut + 2;
  out.state = *at;
  // Counted as proc(5) does: 3 is the state.
  for (int field = 4; field <= 22; ++field) {
    at = strchr(at, ' ');
    if (!at) return false;
    ++at;
    if (field == 4) out.parent = static_cast<pid_t>(strtol(at, nullptr, 10));
    if (field == 5) out.group = static_cast<pid_t>(strtol(at, nullptr, 10));
    if (field == 6) out.session = static_cast<pid_t>(strtol(at, nullptr, 10));
    if (field == 20) out.threads = static_cast<int>(strtol(at, nullptr, 10));
    if (field == 22) out.start = strtoull(at, nullptr, 10);
  }
  return true;
}

char process_state(pid_t pid) {
  ProcessStat stat;
  return pid > 0 && read_stat(pid, stat) ? stat.state : char{0};
}

bool for_each_number(const char* directory, void (*visit)(int, void*), void* context) {
  const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  alignas(dirent64) char buffer[4096];  // opendir would allocate
  long n = 0;
  while ((n = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < n;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer + at);
      if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') visit(atoi(entry->d_name), context);
      at += entry->d_reclen;
    }
  }
  close(fd);
  return n == 0;
}

void begin_looking() {
  if (!usable() || children_files()) return;
  everybody.count = 0;
  const auto look = [](int number, void*) {
    ProcessStat stat;
    if (read_stat(number, stat)) everybody.add(number, stat.parent);
  };
  for_each_number("/proc", look, nullptr);
}

void add_children(pid_t pid, int threads, PidList& out) {
  if (!usable()) return;
  if (!children_files()) {
    for (int i = 0; i < everybody.count; ++i) {
      if (everybody.entries[i].parent == pid) out.add(everybody.entries[i].pid, pid);
    }
    return;
  }
  Search search{pid, &out};
  // Each thread has the children that it forked itself.
  Path task;
  task << "/proc/" << pid << "/task";
  if (threads == 1) {
    add_numbers((Path(task) << "/" << pid << "/children").get(), pid, out);
    return;
  }
  const auto look = [](int thread, void* context) {
    const auto& s = *static_cast<Search*>(context);
    Path path;
    path << "/proc/" << s.parent << "/task/" << thread << "/children";
    add_numbers(path.get(), s.parent, *s.out);
  };
  for_each_number(task.get(), look, &search);
}

bool is_service(pid_t pid) {
  char target[64];
  const auto length = usable()
                          ? readlink((Path() << "/proc/" << pid << "/fd/" << kServiceLock).get(),
                                     target, sizeof target - 1)
                          : -1;
  constexpr size_t kPrefix = sizeof kServiceDirectory - 1;
  if (length <= static_cast<ssize_t>(kPrefix)) return false;
  target[length] = 0;
  return strncmp(target, kServiceDirectory, kPrefix) == 0 &&
         strspn(target + kPrefix, "0123456789") == static_cast<size_t>(length) - kPrefix;
}

void rename_process(const char* name) {
  prctl(PR_SET_NAME, name);
  char text[1024];
  if (read_file("/proc/self/stat", text, sizeof text) <= 0) return;
  const char* at = strrchr(text, ')');
  unsigned long begin = 0;
  unsigned long end = 0;
  for (int field = 3; at && field <= 49; ++field) {
    at = strchr(at + 1, ' ');
    if (at && field == 48) begin = strtoul(at, nullptr, 10);  // arg_start, proc(5)
    if (at && field == 49) end = strtoul(at, nullptr, 10);
  }
  if (!at || begin == 0 || end <= begin) return;
  const size_t size = end - begin;
  memset(reinterpret_cast<char*>(begin), 0, size);
  memcpy(reinterpret_cast<char*>(begin), name, std::min(size - 1, strlen(name)));
}

}  // namespace dcoord::hold
