#include "hold/descriptors.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "hold/proc.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

namespace dcoord::hold {
namespace {

struct Kept {
  const int* numbers;
  int count;
  bool has(int fd) const { return std::find(numbers, numbers + count, fd) != numbers + count; }
};

/// Closes from `first` to `last`; kernels before 5.9 cannot do it at once.
void close_from_to(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0 || errno != ENOSYS) return;
  struct Range {
    unsigned first, last;
  } range{first, last};
  // The directory shrinks while it is read, which may hide some of it: until nothing is found.
  for (int round = 0; round < 16; ++round) {
    const auto close_one = [](int fd, void* context) {
      const auto& r = *static_cast<Range*>(context);
      if (static_cast<unsigned>(fd) >= r.first && static_cast<unsigned>(fd) <= r.last) close(fd);
    };
    for_each_number("/proc/self/fd", close_one, &range);
  }
}

}  // namespace

void drop_descriptors(const int* keep, int count) {
  const int null = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
  const Kept kept{keep, count};
  for (int fd = 0; fd <= 2; ++fd) {
    if (!kept.has(fd) && null >= 0 && null != fd) dup2(null, fd);
  }
  // Between the kept ones, in rising order.
  unsigned from = 3;
  for (;;) {
    int next = INT_MAX;
    for (int i = 0; i < count; ++i) {
      if (keep[i] >= static_cast<int>(from)) next = std::min(next, keep[i]);
    }
    if (next == INT_MAX) break;
    close_from_to(from, static_cast<unsigned>(next) - 1);
    from = static_cast<unsigned>(next) + 1;
  }
  close_from_to(from, UINT_MAX);
}

void drop_private_descriptors(int keep) {
  // More than a program of one thread has open; what the caller had open beyond is no concern.
  constexpr int kMost = 4096;
  for (int fd = 3; fd < kMost; ++fd) {
    const int flags = fd == keep ? -1 : fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) != 0) close(fd);
  }
}

bool next_signal(int fd, Collected& out) {
  signalfd_siginfo info{};
  ssize_t n = 0;
  do n = read(fd, &info, sizeof info);
  while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(sizeof info)) return false;
  out = {static_cast<int>(info.ssi_signo), info.ssi_code, static_cast<int>(info.ssi_pid)};
  return true;
}

}  // namespace dcoord::hold
