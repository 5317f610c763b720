// Preloaded into a server, it is what the time is: the microseconds in the file that
// DCOORD_TEST_CLOCK names, which a test writes (server_clock.h). CLOCK_MONOTONIC goes on as it
// does, so the server's own timers run.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* microseconds;

__attribute__((constructor)) static void map_clock(void) {
  const char* const path = getenv("DCOORD_TEST_CLOCK");
  const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* const map =
      fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *microseconds, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) _exit(99);  // a test with the wrong clock would say nothing
  close(fd);
  microseconds = map;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  const int64_t us = *microseconds;
  now->tv_sec = us / 1000000;
  now->tv_usec = us % 1000000;
  return 0;
}

time_t time(time_t* now) {
  const time_t seconds = *microseconds / 1000000;
  if (now != NULL) *now = seconds;
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  static int (*original)(clockid_t, struct timespec*);
  if (clock != CLOCK_REALTIME) {
    if (original == NULL)
      original = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
    return original(clock, now);
  }
  const int64_t us = *microseconds;
  now->tv_sec = us / 1000000;
  now->tv_nsec = us % 1000000 * 1000;
  return 0;
}
