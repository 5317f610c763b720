#include "support/hold_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "hold/proc.h"

namespace hold_test {

using dcoord::BootClock;

bool eventually(const std::function<bool()>& condition, Duration limit) {
  const TimePoint until = BootClock::now() + limit;
  while (!condition()) {
    if (BootClock::now() >= until) return condition();
    usleep(2000);
  }
  return true;
}

bool dead(pid_t pid) {
  const char state = dcoord::hold::process_state(pid);
  return state == 0 || state == 'Z' || state == 'X';
}

std::string program(const std::string& name) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

std::vector<std::string> workload(const std::string& mode, const std::string& argument) {
  return {program("hold_workload"), mode, argument};
}

Hold::Hold() {
  char name[] = "/tmp/dcoord-hold-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("mkdtemp");
  folder_ = name;
  setenv("HOLD_DIR", name, 1);
  if (mkfifo(file("alive").c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
  alive_.reset(open(file("alive").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

Hold::~Hold() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0) {
    kill(pid_, SIGKILL);
    kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
  }
  end_leftovers();
  std::filesystem::remove_all(folder_);
}

void Hold::end_leftovers() {
  for (const auto& line : lines("pids")) {
    if (!dead(std::stoi(line))) kill(std::stoi(line), SIGKILL);
  }
}

namespace {

std::vector<std::string> probe(const std::string& report, const std::vector<std::string>& options,
                               const std::vector<std::string>& command) {
  std::vector<std::string> all = {program("hold_probe"), "--report", report};
  all.insert(all.end(), options.begin(), options.end());
  all.emplace_back("--");
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

}  // namespace

void Hold::start(const std::vector<std::string>& options, const std::vector<std::string>& command,
                 const Setup& setup) {
  std::vector<std::string> all = probe(file("report"), options, command);
  all.insert(all.begin(), setup.wrapper.begin(), setup.wrapper.end());
  std::vector<char*> argv;
  for (auto& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ > 0) return;
  if (setup.new_session) setsid();
  for (int fd = 3; fd < 1024; ++fd) close(fd);  // whatever we were started with ourselves
  for (const int fd : setup.closed) close(fd);
  if (setup.prepare) setup.prepare();
  execvp(argv[0], argv.data());
  _exit(99);
}

std::string Hold::shell_line(const std::vector<std::string>& options,
                             const std::vector<std::string>& command) const {
  std::string line = "HOLD_DIR='" + folder_ + "'";
  for (const auto& word : probe(file("report"), options, command)) line += " '" + word + "'";
  return line;
}

std::string Hold::reported(const std::string& word) {
  std::string found;
  const bool came = eventually([&] {
    for (const auto& line : lines("report")) {
      if (line.starts_with(word + " ")) found = line.substr(word.size() + 1);
    }
    return !found.empty();
  });
  if (!came) throw std::runtime_error("the probe did not report: " + word);
  return found;
}

pid_t Hold::reported_pid(const std::string& word) { return std::stoi(reported(word)); }
pid_t Hold::supervisor() { return reported_pid("supervisor"); }
pid_t Hold::guard() { return reported_pid("guard"); }
pid_t Hold::command() { return reported_pid("command"); }

int Hold::wait() {
  int status = -1;
  const bool ended = eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; });
  if (!ended) throw std::runtime_error("the probe does not end");
  pid_ = 0;
  return status;
}

int Hold::code() {
  const int status = wait();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::vector<pid_t> Hold::processes(size_t count) {
  const bool came = eventually([&] { return lines("pids").size() >= count; });
  if (!came) throw std::runtime_error("the workload did not start");
  std::vector<pid_t> pids;
  for (const auto& line : lines("pids")) pids.push_back(std::stoi(line));
  return pids;
}

TimePoint Hold::all_dead() {
  const TimePoint limit = BootClock::now() + std::chrono::seconds(60);
  for (;;) {
    pollfd fd{alive_.get(), POLLIN, 0};
    poll(&fd, 1, 1000);
    const TimePoint now = BootClock::now();
    if (fd.revents & POLLHUP) return now;
    if (now > limit) throw std::runtime_error("the workload does not end");
  }
}

bool Hold::died_in_time() {
  const TimePoint died = all_dead();
  return died < valid_end();
}

TimePoint Hold::valid_end() const {
  TimePoint end{};
  for (const auto& line : lines("report")) {
    if (line.starts_with("valid_end ")) end = TimePoint(Duration(std::stoll(line.substr(10))));
  }
  return end;
}

std::vector<std::string> Hold::lines(const std::string& name) const {
  std::ifstream in(file(name));
  std::vector<std::string> all;
  for (std::string line; std::getline(in, line);) {
    if (!in.eof()) all.push_back(line);  // the last one may be half written
  }
  return all;
}

bool Hold::recorded(int signal, long times) const {
  const auto all = lines("signals");
  return std::count(all.begin(), all.end(), std::to_string(signal)) == times;
}

void Hold::create(const std::string& name) const { std::ofstream(file(name)) << "\n"; }

}  // namespace hold_test
