// Preloaded into a server, it is what the time is, by three numbers in the file that
// DCOORD_TEST_CLOCK names, which a test writes: it was the first (microseconds) when it really was
// the second, and since then passes at so many percent as the third says. With 0 it stands still
// (server_clock.h). CLOCK_MONOTONIC goes on as it does, so the server's own timers run.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* words;

__attribute__((constructor)) static void map_clock(void) {
  const char* const path = getenv("DCOORD_TEST_CLOCK");
  const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* const map =
      fd < 0 ? MAP_FAILED : mmap(NULL, 3 * sizeof *words, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) _exit(99);  // a test with the wrong clock would say nothing
  close(fd);
  words = map;
}

// The first to ask may be a constructor that comes before ours.
static int (*find_real_clock(void))(clockid_t, struct timespec*) {
  static int (*found)(clockid_t, struct timespec*);
  if (found == NULL)
    found = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  return found;
}

static int64_t now_us(void) {
  if (words[2] == 0) return words[0];
  struct timespec real;
  find_real_clock()(CLOCK_REALTIME, &real);
  const int64_t passed = real.tv_sec * INT64_C(1000000) + real.tv_nsec / 1000 - words[1];
  return words[0] + passed * words[2] / 100;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  const int64_t us = now_us();
  now->tv_sec = us / 1000000;
  now->tv_usec = us % 1000000;
  return 0;
}

time_t time(time_t* now) {
  const time_t seconds = now_us() / 1000000;
  if (now != NULL) *now = seconds;
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  if (clock != CLOCK_REALTIME) return find_real_clock()(clock, now);
  const int64_t us = now_us();
  now->tv_sec = us / 1000000;
  now->tv_nsec = us % 1000000 * 1000;
  return 0;
}
