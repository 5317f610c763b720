#pragma once

#include <sys/types.h>

#include <cstddef>

namespace dcoord::hold {

/// Reading /proc without allocating: it is done while a tree is being killed. Where there is no
/// /proc, or that of another PID namespace with other numbers, nothing is found.

/// What /proc/PID/stat says of a process.
struct ProcessStat {
  char name[20] = {};
  char state = 0;  ///< 'R', 'S', 'T' stopped, 'Z' ...
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  int threads = 1;
  unsigned long long start = 0;  ///< clock ticks since boot: with the process id, an identity
};

/// False when there is no such process.
bool read_stat(pid_t pid, ProcessStat& out);
/// Its state letter, 0 when there is no such process.
char process_state(pid_t pid);

/// Reads a whole small file; the text is ended by a zero. Returns its length, -1 when it cannot be
/// read.
ssize_t read_file(const char* path, char* buffer, size_t size);

/// A list of process ids with a fixed size: what does not fit is dropped, which its users allow
/// for.
struct PidList {
  static constexpr int kMost = 16384;
  int count = 0;
  struct Entry {
    pid_t pid;
    pid_t parent;
  } entries[kMost];
  void add(pid_t pid, pid_t parent) {
    if (count < kMost) entries[count++] = {pid, parent};
  }
};

/// Before a round of add_children: where the kernel has no children files (CONFIG_PROC_CHILDREN),
/// this looks at every process of the machine, once.
void begin_looking();
/// Appends the children of `pid` (zombies too), which has so many threads, to `out`.
void add_children(pid_t pid, int threads, PidList& out);

/// Calls `visit` for each entry of a directory that is a number, e.g. "/proc" or "/proc/self/fd";
/// false when the directory cannot be read.
bool for_each_number(const char* directory, void (*visit)(int number, void* context),
                     void* context);

/// Whether that process is a service for everybody, see base/service.h.
bool is_service(pid_t pid);

/// Gives this process another name, for ps and pkill, in its arguments too.
void rename_process(const char* name);

/// For tests: as on a kernel without the children files.
void pretend_no_children_files(bool pretend);

}  // namespace dcoord::hold
