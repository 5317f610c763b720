// What tests run under hold_probe: `hold_workload MODE [ARG]`, in a folder named by HOLD_DIR.
//
// Each process that is meant to live on first opens the FIFO "alive" for writing (so that its
// reader sees an end of file when the last of them is dead) and then adds its process id as a line
// to "pids".
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>

namespace {

std::string folder() { return std::string(getenv("HOLD_DIR")); }

void add_line(const char* file, const std::string& text) {
  const int fd =
      open((folder() + "/" + file).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (write(fd, (text + "\n").c_str(), text.size() + 1) < 0) perror("hold_workload");
  close(fd);
}

/// This process is one that has to be seen dead. Nothing that goes wrong in a test leaves it
/// running for ever.
void enlist() {
  alarm(120);
  static int alive = -1;
  if (alive < 0) alive = open((folder() + "/alive").c_str(), O_WRONLY);
  add_line("pids", std::to_string(getpid()));
}

[[noreturn]] void stay() {
  for (;;) pause();
}

void ignore_all() {
  for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) signal(s, SIG_IGN);
}

pid_t child(const std::function<void()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(0);
  }
  return pid;
}

int exit_with(const char* arg) { return atoi(arg); }

int die_of(const char* arg) {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  signal(atoi(arg), SIG_DFL);
  raise(atoi(arg));
  return 0;
}

/// Eleven processes that mind no signal: children, sessions of their own, orphans, stopped ones.
int tree(const char*) {
  ignore_all();
  const auto plain = [] {
    enlist();
    stay();
  };
  const auto session = [] {
    setsid();
    enlist();
    stay();
  };
  child(plain);
  child([] {
    enlist();
    raise(SIGSTOP);
    stay();
  });
  child([&] {
    enlist();
    setsid();
    child(session);
    child([&] { child(session); });
    stay();
  });
  child([&] {  // gone at once, its children are orphans
    child(session);
    child([&] {
      enlist();
      child(plain);
      child([&] { child(plain); });
      stay();
    });
  });
  child([&] {
    child([&] { child(session); });
    enlist();
    stay();
  });
  enlist();
  stay();
}

/// A bush that grows as long as it may: every process forks, and those below flee into sessions of
/// their own.
int bush(const char* arg) {
  auto* const left = static_cast<std::atomic<int>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  left->store(atoi(arg));
  ignore_all();
  signal(SIGCHLD, SIG_IGN);
  enlist();
  for (bool first = true;; first = false) {
    if (left->fetch_sub(1) <= 0) {
      add_line("grown", "1");
      stay();
    }
    const pid_t pid = fork();
    if (pid != 0) continue;
    if (!first) setsid();
    enlist();
  }
}

/// A chain in flight: each process forks the next, in a new session, and is gone.
int flee(const char* arg) {
  ignore_all();
  enlist();
  if (child([&] {
        add_line("pids", "0");  // in flight
        for (int left = atoi(arg); left > 0; --left) {
          setsid();
          if (fork() != 0) _exit(0);
        }
        add_line("fled", "1");
      }) < 0) {
    return 1;
  }
  stay();
}

std::atomic<int> received[65];

/// Writes down each signal that it gets, and exits with 7 when there is a file "stop".
int record(const char* arg) {
  struct sigaction action {};
  action.sa_handler = [](int s) { ++received[s]; };
  for (int s = 1; s < 65; ++s) {
    if (s != SIGCHLD && s != SIGALRM && s != SIGTSTP && s != SIGTTIN && s != SIGTTOU)
      sigaction(s, &action, nullptr);
  }
  action.sa_handler = [](int) {  // as an editor does: tidy up, then stop
    add_line("signals", std::to_string(SIGTSTP));
    raise(SIGSTOP);
  };
  if (strcmp(arg, "tstp") == 0) sigaction(SIGTSTP, &action, nullptr);
  enlist();
  while (access((folder() + "/stop").c_str(), F_OK) != 0) {
    usleep(2000);
    for (int s = 1; s < 65; ++s) {
      for (int left = received[s].exchange(0); left > 0; --left)
        add_line("signals", std::to_string(s));
    }
  }
  return 7;
}

/// Leaves a process behind in the background and exits with 3.
int leave(const char* arg) {
  int ready[2];
  if (pipe(ready) != 0) return 1;
  child([&] {
    if (strcmp(arg, "stubborn") == 0) ignore_all();
    setsid();
    enlist();
    close(ready[0]);
    close(ready[1]);
    while (access((folder() + "/stop").c_str(), F_OK) != 0) usleep(2000);
  });
  close(ready[1]);
  char byte = 0;
  return read(ready[0], &byte, 1) == 0 ? 3 : 1;
}

/// Writes what it was started with to "state".
int show(const char*) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, nullptr, &mask);
  std::string blocked = "blocked";
  std::string ignored = "ignored";
  for (int s = 1; s < 65; ++s) {
    struct sigaction action {};
    if (sigismember(&mask, s) == 1) blocked += " " + std::to_string(s);
    if (sigaction(s, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
      ignored += " " + std::to_string(s);
  }
  std::string descriptors = "descriptors";
  DIR* const dir = opendir("/proc/self/fd");
  while (const dirent* const entry = readdir(dir)) {
    const int fd = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != dirfd(dir)) descriptors += " " + std::to_string(fd);
  }
  closedir(dir);
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  add_line("state", blocked);
  add_line("state", ignored);
  add_line("state", descriptors);
  add_line("state", "core " + std::to_string(core.rlim_cur));
  add_line("state", std::string("set ") + (getenv("HOLD_PROBE") ? getenv("HOLD_PROBE") : "-"));
  add_line("state", std::string("unset ") + (getenv("HOLD_UNSET") ? getenv("HOLD_UNSET") : "-"));
  add_line("state", std::string("group ") + (getpgrp() == getpid() ? "own" : "shared"));
  return 0;
}

/// Of a program that root owns and that changes its user: becomes root altogether, with a child
/// that is its caller's user again.
int root(const char*) {
  const uid_t caller = getuid();
  if (setresuid(0, 0, 0) != 0) return 97;
  umask(0);
  enlist();
  child([&] {
    if (setresuid(caller, caller, caller) != 0) _exit(97);
    ignore_all();
    enlist();
    stay();
  });
  stay();
}

/// Puts the terminal into raw mode and stays.
int raw(const char*) {
  termios settings{};
  tcgetattr(0, &settings);
  cfmakeraw(&settings);
  tcsetattr(0, TCSANOW, &settings);
  ignore_all();
  enlist();
  stay();
}

/// Reads a line from stdin and writes it to "lines".
int read_line(const char*) {
  enlist();
  std::string text;
  for (char c = 0; read(0, &c, 1) == 1 && c != '\n';) text += c;
  add_line("lines", text);
  return 5;
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, int (*)(const char*)> modes = {
      {"exit", exit_with}, {"die", die_of},    {"tree", tree},     {"bush", bush},
      {"flee", flee},      {"record", record}, {"leave", leave},   {"show", show},
      {"raw", raw},        {"root", root},     {"line", read_line}};
  const auto mode = modes.find(argc > 1 ? argv[1] : "");
  if (mode == modes.end()) return 64;
  return mode->second(argc > 2 ? argv[2] : "");
}
