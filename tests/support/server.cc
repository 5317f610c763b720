#include "support/server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/unique_fd.h"
#include "redis/protocol.h"

namespace dcoord::testing {
namespace {

using std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(30);

bool on_path(const std::string& program) {
  if (program.find('/') != std::string::npos) return access(program.c_str(), X_OK) == 0;
  const char* const path = getenv("PATH");
  std::stringstream folders(path == nullptr ? "/usr/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

[[noreturn]] void failed(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

UniqueFd connect_unix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    failed("connect to " + path);
  }
  return fd;
}

redis::Reply read_reply(int fd, redis::ReplyReader& reader) {
  const auto until = steady_clock::now() + kPatience;
  for (;;) {
    if (auto reply = reader.next()) return *reply;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    pollfd waiting{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) == 0) {
      throw std::runtime_error("the test server does not answer");
    }
    char buffer[4096];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n <= 0) throw std::runtime_error("the test server closed the connection");
    if (!reader.feed({buffer, static_cast<size_t>(n)})) throw std::runtime_error(reader.error());
  }
}

}  // namespace

std::vector<std::string> server_programs() {
  std::vector<std::string> programs;
  const char* const chosen = getenv("DCOORD_TEST_SERVERS");
  std::stringstream names(chosen == nullptr ? "redis-server valkey-server" : chosen);
  for (std::string name; names >> name;) {
    if (on_path(name)) programs.push_back(name);
  }
  if (programs.empty())
    throw std::runtime_error("neither redis-server nor valkey-server is installed");
  return programs;
}

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto until = steady_clock::now() + limit;
  while (!condition()) {
    if (steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

TemporaryDirectory::TemporaryDirectory() {
  char path[] = "/tmp/dcoord-test-XXXXXX";
  if (mkdtemp(path) == nullptr) failed("mkdtemp");
  path_ = path;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

int free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    failed("bind");
  }
  return ntohs(address.sin_port);
}

Server::Server(ServerSettings settings) : settings_(std::move(settings)) {
  if (!settings_.tcp && !settings_.tls && !settings_.sentinel) {
    start();
    return;
  }
  // Somebody else may take the port between our look and the server's.
  for (int attempt = 1;; ++attempt) {
    port_ = free_port();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 5) throw;
      kill();
    }
  }
}

Server::~Server() { kill(); }

std::string Server::tcp_url() const {
  return (settings_.tls ? "rediss://127.0.0.1:" : "redis://127.0.0.1:") + std::to_string(port_);
}

void Server::write_config() const {
  std::ofstream out(directory() + "/conf");
  out << "port " << (settings_.tls ? 0 : port_) << "\n";
  if (settings_.tls) out << "tls-port " << port_ << "\n";
  out << "bind 127.0.0.1\nunixsocket " << socket() << "\ndir " << directory() << "\nlogfile "
      << directory() << "/log\nsave \"\"\nappendonly no\ndaemonize no\n";
  for (const std::string& line : settings_.config) out << line << "\n";
}

void Server::start(const std::vector<std::string>& more, bool wait) {
  settings_.config.insert(settings_.config.end(), more.begin(), more.end());
  write_config();
  const std::string config = directory() + "/conf";
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) failed("fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    for (std::string& variable : settings_.variables) putenv(variable.data());
    execlp(settings_.program.c_str(), settings_.program.c_str(), config.c_str(),
           settings_.sentinel ? "--sentinel" : nullptr, nullptr);
    _exit(127);
  }
  if (wait) wait_ready();
}

void Server::wait_ready() {
  const bool ready = wait_until([&] {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      throw std::runtime_error("the test server ended: see " + directory() + "/log");
    }
    try {
      const redis::Reply reply = command({"PING"});
      return !reply.is_error() || !reply.text().starts_with("LOADING");
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  if (!ready) throw std::runtime_error("the test server does not get ready");
}

void Server::stop() {
  if (::kill(pid_, SIGSTOP) != 0) failed("SIGSTOP");
  int status = 0;
  if (waitpid(pid_, &status, WUNTRACED) != pid_ || !WIFSTOPPED(status))
    failed("stopping the test server");
}

void Server::cont() {
  if (::kill(pid_, SIGCONT) != 0) failed("SIGCONT");
}

void Server::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

redis::Reply Server::command(const std::vector<std::string>& words) const {
  const UniqueFd fd = connect_unix(socket());
  std::string wire;
  size_t replies = 1;
  if (!login.empty()) {
    std::vector<std::string_view> auth{"AUTH"};
    auth.insert(auth.end(), login.begin(), login.end());
    redis::append_command(wire, auth);
    ++replies;
  }
  redis::append_command(wire, {words.begin(), words.end()});
  for (size_t done = 0; done < wire.size();) {
    const ssize_t n = send(fd.get(), wire.data() + done, wire.size() - done, MSG_NOSIGNAL);
    if (n < 0) failed("send to the test server");
    done += static_cast<size_t>(n);
  }
  redis::ReplyReader reader;
  for (; replies > 1; --replies) read_reply(fd.get(), reader);
  return read_reply(fd.get(), reader);
}

}  // namespace dcoord::testing
