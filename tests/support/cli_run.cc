#include "support/cli_run.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "cli/app.h"

namespace dcoord::testing {
namespace {

std::string contents(int fd) {
  std::string text;
  char buffer[4096];
  lseek(fd, 0, SEEK_SET);
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  return text;
}

/// Sends a descriptor into memory until destroyed.
class Capture {
 public:
  explicit Capture(int fd)
      : fd_(fd),
        saved_(fcntl(fd, F_DUPFD_CLOEXEC, 10)),
        file_(memfd_create("capture", MFD_CLOEXEC)) {
    dup2(file_, fd_);
  }
  ~Capture() {
    dup2(saved_, fd_);
    close(saved_);
    close(file_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::string text() const { return contents(file_); }

 private:
  int fd_;
  int saved_;
  int file_;
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (auto& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

CliResult run_cli(const std::vector<std::string>& words, const std::vector<cli::NounEntry>& nouns,
                  const std::vector<std::string>& variables) {
  std::vector<std::string> argv{"dcoord"};
  argv.insert(argv.end(), words.begin(), words.end());
  std::vector<std::string> environment{"HOME=/nonexistent"};
  environment.insert(environment.begin(), variables.begin(), variables.end());
  auto argv_pointers = pointers(argv);
  auto environment_pointers = pointers(environment);
  std::cout.flush();
  std::fflush(stdout);
  CliResult result;
  char** const before = environ;
  const int dumpable = prctl(PR_GET_DUMPABLE);
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  environ = environment_pointers.data();
  {
    const Capture out(STDOUT_FILENO);
    const Capture err(STDERR_FILENO);
    result.code = cli::run(static_cast<int>(argv.size()), argv_pointers.data(), nouns);
    std::fflush(stdout);
    result.out = out.text();
    result.err = err.text();
  }
  environ = before;
  // The program forbids core dumps of itself; this process goes on.
  setrlimit(RLIMIT_CORE, &core);
  prctl(PR_SET_DUMPABLE, dumpable);
  result.argv = argv;
  return result;
}

}  // namespace dcoord::testing
