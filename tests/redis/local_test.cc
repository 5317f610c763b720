// The private server of `local:` against the real servers that are installed, each in a directory
// of the test's.
#include "redis/local.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "base/unique_fd.h"
#include "redis/daemon.h"

namespace dcoord::redis {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A place of its own, whose server is gone when the test is over.
class TestPlace {
  template <class F>
  static auto run(F start, Duration limit = 20s) {
    SystemClock clock;
    Loop loop(clock);
    return loop.run(start(loop, add(loop.now(), limit)));
  }

 public:
  explicit TestPlace(std::vector<std::string> programs) {
    char path[] = "/tmp/dcoord-test-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    base_ = path;
    place_ = {base_ + "/local", std::move(programs)};
  }
  TestPlace(const TestPlace&) = delete;
  TestPlace& operator=(const TestPlace&) = delete;
  ~TestPlace() {
    try {
      stop();
    } catch (const Error&) {
    }
    fs::remove_all(base_);
  }

  const LocalPlace& place() const { return place_; }
  const std::string& base() const { return base_; }
  std::string ensure(Duration limit = 20s) {
    return run([&](Loop& l, TimePoint t) { return ensure_local_server_at(l, t, place_); }, limit);
  }
  LocalStatus status() {
    return run([&](Loop& l, TimePoint t) { return local_status_at(l, t, place_); });
  }
  bool stop() {
    return run([&](Loop& l, TimePoint t) { return stop_local_server_at(l, t, place_); });
  }

 private:
  std::string base_;
  LocalPlace place_;
};

/// Says one inline command and returns the first part of the answer.
std::string talk(const LocalPlace& place, const std::string& command) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, place.socket().c_str(), sizeof(address.sun_path) - 1);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return {};
  const std::string line = command + "\r\n";
  REQUIRE(write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  char buffer[4096];
  const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
  return {buffer, n > 0 ? static_cast<size_t>(n) : 0};
}

std::string setting(const LocalPlace& place, const std::string& name) {
  std::istringstream reply(talk(place, "CONFIG GET " + name));
  std::string line;
  for (int i = 0; i < 5; ++i) std::getline(reply, line);
  line.erase(std::remove(line.begin(), line.end(), '\r'), line.end());
  return line;
}

std::string proc(int pid, const char* file) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string proc_status(int pid, const std::string& field) {
  std::istringstream in(proc(pid, "status"));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field + ":"))
      return line.substr(line.find_first_not_of(" \t", field.size() + 1));
  }
  return {};
}

mode_t mode_of(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 ? about.st_mode & 07777 : 0;
}

/// Ends a server the hard way and returns when it is gone.
void kill_server(TestPlace& test) {
  const LocalStatus status = test.status();
  REQUIRE(status.running);
  REQUIRE(kill(status.pid, SIGKILL) == 0);
  const UniqueFd directory(open(test.place().directory.c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(flock(directory.get(), LOCK_EX) == 0);
}

std::optional<Error> failure_of(TestPlace& test, Duration limit = 20s) {
  try {
    test.ensure(limit);
  } catch (const Error& e) {
    return e;
  }
  return std::nullopt;
}

TEST_CASE("local: is at a place that follows from the user id alone", "[local]") {
  const std::string expected = "/var/tmp/dcoord-" + std::to_string(geteuid());
  CHECK(user_local_place().directory == expected);
  for (const char* name : {"HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "TMPDIR"}) {
    const char* const was = getenv(name);
    const std::optional<std::string> saved = was ? std::optional<std::string>(was) : std::nullopt;
    setenv(name, "/somewhere/else", 1);
    CHECK(user_local_place().directory == expected);
    if (saved) {
      setenv(name, saved->c_str(), 1);
    } else {
      unsetenv(name);
    }
  }
}

TEST_CASE("local: starts on demand, once, with what locks need", "[local]") {
  const std::string program = GENERATE("redis-server", "valkey-server");
  TestPlace test({program});
  CHECK_FALSE(test.status().running);
  CHECK_FALSE(fs::exists(test.place().directory));

  CHECK(test.ensure() == test.place().socket());
  CHECK(talk(test.place(), "PING") == "+PONG\r\n");
  const LocalStatus status = test.status();
  CHECK(status.running);
  CHECK(status.server.starts_with(program.substr(0, program.find('-')) + " "));
  CHECK(status.clients == 0);

  CHECK(mode_of(test.place().directory) == 0700);
  CHECK(mode_of(test.place().socket()) == 0700);
  CHECK(setting(test.place(), "appendonly") == "yes");
  CHECK(setting(test.place(), "appendfsync") == "everysec");
  CHECK(setting(test.place(), "save").empty());
  CHECK(setting(test.place(), "maxmemory-policy") == "noeviction");
  CHECK(setting(test.place(), "port") == "0");

  CHECK(test.ensure() == test.place().socket());
  CHECK(test.status().pid == status.pid);

  CHECK(test.stop());
  CHECK_FALSE(test.stop());
  CHECK_FALSE(test.status().running);
}

TEST_CASE("local: data outlives a stop, a kill and a change of server", "[local]") {
  // The newer of the two first: the other must read what it wrote.
  TestPlace test({"valkey-server"});
  test.ensure();
  CHECK(talk(test.place(), "SET stopped yes") == "+OK\r\n");
  test.stop();
  test.ensure();
  CHECK(talk(test.place(), "GET stopped") == "$3\r\nyes\r\n");
  CHECK(talk(test.place(), "SET killed yes") == "+OK\r\n");
  const int before = test.status().pid;

  kill_server(test);
  CHECK(fs::exists(test.place().socket()));  // as after a crash: nobody listens
  CHECK_FALSE(test.status().running);
  test.ensure();
  CHECK(test.status().pid != before);
  CHECK(talk(test.place(), "GET killed") == "$3\r\nyes\r\n");
  CHECK(talk(test.place(), "BGREWRITEAOF").starts_with("+"));
  test.stop();

  const LocalPlace other{test.place().directory, {"redis-server"}};
  SystemClock clock;
  Loop loop(clock);
  loop.run(ensure_local_server_at(loop, add(loop.now(), 20s), other));
  CHECK(test.status().server.starts_with("redis "));
  CHECK(talk(other, "GET killed") == "$3\r\nyes\r\n");
}

TEST_CASE("local: first users at once get one server", "[local]") {
  TestPlace test({"redis-server"});
  constexpr int kUsers = 12;
  int go[2];
  int answers[2];
  REQUIRE(pipe(go) == 0);
  REQUIRE(pipe(answers) == 0);
  for (int i = 0; i < kUsers; ++i) {
    if (fork() != 0) continue;
    close(go[1]);
    char byte;
    read(go[0], &byte, 1) == 0 ? void() : _exit(1);  // all start when the parent closes its end
    int pid = 0;
    try {
      test.ensure();
      pid = test.status().pid;
    } catch (const Error&) {
    }
    _exit(write(answers[1], &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
  }
  close(go[0]);
  close(go[1]);
  close(answers[1]);
  std::vector<int> pids;
  for (int pid; read(answers[0], &pid, sizeof(pid)) == sizeof(pid);) pids.push_back(pid);
  close(answers[0]);
  while (wait(nullptr) > 0) {
  }
  REQUIRE(pids.size() == kUsers);
  CHECK(pids.front() != 0);
  CHECK(std::count(pids.begin(), pids.end(), pids.front()) == kUsers);
  std::ifstream log(test.place().log());
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  size_t starts = 0;
  for (size_t at = 0; (at = text.find("eady to accept connections", at)) != std::string::npos; ++at)
    ++starts;
  CHECK(starts == 1);
}

TEST_CASE("local: the server inherits nothing but its lock", "[local]") {
  TestPlace test({"redis-server"});
  // What a caller may come with: open files, a mask, ignored signals, a loose umask, secrets.
  const UniqueFd leak(open("/dev/zero", O_RDONLY));
  const UniqueFd high(fcntl(leak.get(), F_DUPFD, 200));
  setenv("DCOORD_PASSWORD", "secret", 1);
  const mode_t umask_before = umask(0);
  sigset_t some;
  sigset_t mask_before;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  sigaddset(&some, SIGUSR1);
  sigprocmask(SIG_BLOCK, &some, &mask_before);
  const auto usr2_before = signal(SIGUSR2, SIG_IGN);
  test.ensure();
  sigset_t mask_after;
  sigprocmask(SIG_SETMASK, &mask_before, &mask_after);
  CHECK(sigismember(&mask_after, SIGTERM) == 1);
  CHECK(sigismember(&mask_after, SIGHUP) == sigismember(&mask_before, SIGHUP));
  signal(SIGUSR2, usr2_before);
  umask(umask_before);
  unsetenv("DCOORD_PASSWORD");

  const int pid = test.status().pid;
  const std::string dir = "/proc/" + std::to_string(pid) + "/fd/";
  CHECK(fs::read_symlink(dir + "0") == "/dev/null");
  CHECK(fs::read_symlink(dir + "1") == test.place().log());
  CHECK(fs::read_symlink(dir + "2") == test.place().log());
  CHECK(fs::read_symlink(dir + "3") == test.place().directory);
  for (const auto& entry : fs::directory_iterator(dir))
    CHECK(fs::read_symlink(entry) != "/dev/zero");
  CHECK(proc_status(pid, "Umask") == "0077");
  CHECK(proc_status(pid, "SigBlk") == "0000000000000000");
  const auto ignored = std::stoull(proc_status(pid, "SigIgn"), nullptr, 16);
  CHECK((ignored & (1ULL << (SIGUSR2 - 1))) == 0);
  CHECK(proc(pid, "environ").find("secret") == std::string::npos);
  CHECK(getsid(pid) != getsid(0));
  CHECK(getsid(pid) != pid);  // not a leader: opening a terminal does not make it the server's
}

TEST_CASE("local: the server is no child of a subreaper that starts it", "[local]") {
  TestPlace test({"redis-server"});
  // As a supervisor is: SIGCHLD blocked and collected, orphans adopted.
  sigset_t child;
  sigset_t mask_before;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, &mask_before);
  const UniqueFd signals(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);

  test.ensure();
  int subreaper = 0;
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
  CHECK(subreaper == 1);
  CHECK(std::stoi(proc_status(test.status().pid, "PPid")) != getpid());
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);

  prctl(PR_SET_CHILD_SUBREAPER, 0);
  sigprocmask(SIG_SETMASK, &mask_before, nullptr);
}

TEST_CASE("local: works where SIGCHLD is ignored and nothing is in the environment", "[local]") {
  TestPlace test({"redis-server", "valkey-server"});
  const pid_t user = fork();
  if (user == 0) {
    signal(SIGCHLD, SIG_IGN);
    clearenv();
    try {
      _exit(test.ensure() == test.place().socket() ? 0 : 1);
    } catch (const Error&) {
      _exit(2);
    }
  }
  int status = 0;
  REQUIRE(waitpid(user, &status, 0) == user);
  CHECK(status == 0);
  CHECK(talk(test.place(), "PING") == "+PONG\r\n");  // outlives the one that started it
}

TEST_CASE("local: refuses a directory that is not the user's alone", "[local]") {
  TestPlace test({"redis-server"});
  const std::string directory = test.place().directory;
  SECTION("open to others") {
    REQUIRE(mkdir(directory.c_str(), 0700) == 0);
    REQUIRE(chmod(directory.c_str(), 0750) == 0);
  }
  SECTION("a link") {
    REQUIRE(mkdir((test.base() + "/elsewhere").c_str(), 0700) == 0);
    fs::create_symlink(test.base() + "/elsewhere", directory);
  }
  SECTION("a file") { std::ofstream(directory) << "x"; }
  SECTION("of another user") {
    if (geteuid() != 0) SKIP("only root can give a directory away");
    REQUIRE(mkdir(directory.c_str(), 0700) == 0);
    REQUIRE(chown(directory.c_str(), 12345, 12345) == 0);
  }
  const auto error = failure_of(test);
  REQUIRE(error);
  CHECK(error->code() == ExitCode::permission);
  CHECK(std::string(error->what()).find(directory) != std::string::npos);
  CHECK_FALSE(test.status().running);
}

TEST_CASE("local: does not use a listening socket in a directory of others", "[local]") {
  TestPlace test({"redis-server"});
  test.ensure();
  REQUIRE(chmod(test.place().directory.c_str(), 0755) == 0);
  CHECK_FALSE(test.status().running);
  CHECK(failure_of(test)->code() == ExitCode::permission);
  REQUIRE(chmod(test.place().directory.c_str(), 0700) == 0);
}

TEST_CASE("local: says what to install where no server is", "[local]") {
  TestPlace test({"no-such-server", "nor-this-one"});
  const auto error = failure_of(test);
  REQUIRE(error);
  CHECK(error->code() == ExitCode::unavailable);
  CHECK(error->hint().find("redis-server") != std::string::npos);
  CHECK(error->hint().find("valkey-server") != std::string::npos);
}

TEST_CASE("local: a server that gives up is reported with its own words", "[local]") {
  TestPlace test({"redis-server"});
  test.ensure();
  test.stop();
  std::ofstream(test.place().directory + "/appendonlydir/appendonly.aof.manifest") << "garbage\n";
  const auto error = failure_of(test);
  REQUIRE(error);
  CHECK(error->code() == ExitCode::unavailable);
  CHECK(std::string(error->what()).find("manifest") != std::string::npos);
  CHECK(error->hint().find(test.place().log()) != std::string::npos);
}

TEST_CASE("local: a stopped server is an error in time, not a wait for ever", "[local]") {
  TestPlace test({"redis-server"});
  test.ensure();
  const int pid = test.status().pid;
  REQUIRE(kill(pid, SIGSTOP) == 0);
  CHECK_THROWS_AS(
      [&] {
        SystemClock clock;
        Loop loop(clock);
        loop.run(local_status_at(loop, add(loop.now(), 50ms), test.place()));
      }(),
      Error);
  REQUIRE(kill(pid, SIGCONT) == 0);
}

TEST_CASE("programs are found without PATH, but never relative to a directory", "[local]") {
  const char* const path = getenv("PATH");
  const std::string saved = path != nullptr ? path : "";
  unsetenv("PATH");
  CHECK(find_program({"no-such-program"}).empty());
  CHECK(find_program({"no-such-program", "sh"}).ends_with("/sh"));
  TestPlace test({});
  std::ofstream(test.base() + "/only-here") << "#!/bin/sh\n";
  chmod((test.base() + "/only-here").c_str(), 0755);
  const fs::path before = fs::current_path();
  fs::current_path(test.base());
  setenv("PATH", ".::", 1);
  CHECK(find_program({"only-here"}).empty());
  setenv("PATH", test.base().c_str(), 1);
  CHECK(find_program({"only-here"}) == test.base() + "/only-here");
  fs::current_path(before);
  setenv("PATH", saved.c_str(), 1);
}

}  // namespace
}  // namespace dcoord::redis
