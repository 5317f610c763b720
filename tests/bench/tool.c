// What the bench needs that a shell is too slow for. C, so that it costs nothing to build.
//   tool spawn N --- CMD ARG... [--- CMD ARG...]...   runs each N times, in turns; median and p90 of each, us
//   tool get SOCKET                                 connects, sends one GET, reads the reply: the least a client can do
//   tool echo N TEXT --- A ARG... --- B ARG...      writes "TEXT i" to A's stdin, N times, and waits for a line of B's
//                                                   stdout after each; median and p99, us
//   tool stamp FILE                                 appends "start end" (CLOCK_MONOTONIC, ns), with nothing in between
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static long long now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int compare(const void* a, const void* b) {
  const long long x = *(const long long*)a, y = *(const long long*)b;
  return (x > y) - (x < y);
}

static int spawn_all(int n, char** words) {
  char** commands[16];
  int count = 0;
  for (char** w = words; *w != NULL; ++w) {
    if (strcmp(*w, "---") != 0) continue;
    *w = NULL;
    if (count == 16) return 2;
    commands[count++] = w + 1;
  }
  long long* times[16];
  for (int c = 0; c < count; ++c) times[c] = calloc((size_t)n, sizeof(long long));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (int i = 0; i < n; ++i) {
    for (int c = 0; c < count; ++c) {
      pid_t pid;
      int status;
      const long long start = now_ns();
      if (posix_spawnp(&pid, commands[c][0], &actions, NULL, commands[c], environ) != 0) {
        fprintf(stderr, "cannot run %s\n", commands[c][0]);
        return 1;
      }
      waitpid(pid, &status, 0);
      times[c][i] = now_ns() - start;
    }
  }
  for (int c = 0; c < count; ++c) {
    qsort(times[c], (size_t)n, sizeof(long long), compare);
    printf("%lld %lld\n", times[c][n / 2] / 1000, times[c][n * 9 / 10] / 1000);
  }
  return 0;
}

/// Starts a command with one end of a pipe as its descriptor `fd`; returns our end.
static int start_with_pipe(char** command, int fd, pid_t* pid) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  const int theirs = ends[fd == 0 ? 0 : 1];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs, fd);
  if (fd == 0) posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  if (posix_spawnp(pid, command[0], &actions, NULL, command, environ) != 0) return -1;
  close(theirs);
  return ends[fd == 0 ? 1 : 0];
}

static int echo(int n, const char* text, char** words) {
  char** commands[2] = {words + 1, words + 1};
  for (char** w = words + 1; *w != NULL; ++w) {
    if (strcmp(*w, "---") != 0) continue;
    *w = NULL;
    commands[1] = w + 1;
  }
  pid_t pids[2];
  const int from = start_with_pipe(commands[1], 1, &pids[1]);
  const int to = start_with_pipe(commands[0], 0, &pids[0]);
  if (from < 0 || to < 0) return 1;
  long long* times = calloc((size_t)n, sizeof(long long));
  char line[256], reply[65536];
  for (int i = -10; i < n; ++i) {  // the first ones are for both to get going
    usleep(i < 0 ? 100000 : 2000);
    const int length = snprintf(line, sizeof line, "%s %d\n", text, i + 10);
    const long long start = now_ns();
    if (write(to, line, (size_t)length) != length) return 1;
    ssize_t got = 0;
    do {
      got = read(from, reply, sizeof reply);
      if (got <= 0) return 1;
    } while (reply[got - 1] != '\n');
    if (i >= 0) times[i] = now_ns() - start;
  }
  close(to);
  kill(pids[1], SIGKILL);
  waitpid(pids[0], NULL, 0);
  waitpid(pids[1], NULL, 0);
  qsort(times, (size_t)n, sizeof(long long), compare);
  printf("%lld %lld\n", times[n / 2] / 1000, times[n * 99 / 100] / 1000);
  return 0;
}

static int get(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  char reply[256];
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) return 1;
  if (write(fd, "*2\r\n$3\r\nGET\r\n$1\r\nx\r\n", 20) != 20) return 1;
  return read(fd, reply, sizeof reply) > 0 ? 0 : 1;
}

static int stamp(const char* path) {
  const long long start = now_ns();
  char line[64];
  const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
  const int length = snprintf(line, sizeof line, "%lld %lld\n", start, now_ns());
  return write(fd, line, (size_t)length) == length ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc > 3 && strcmp(argv[1], "spawn") == 0) return spawn_all(atoi(argv[2]), argv + 3);
  if (argc > 5 && strcmp(argv[1], "echo") == 0) return echo(atoi(argv[2]), argv[3], argv + 4);
  if (argc > 2 && strcmp(argv[1], "get") == 0) return get(argv[2]);
  if (argc > 2 && strcmp(argv[1], "stamp") == 0) return stamp(argv[2]);
  return 2;
}
