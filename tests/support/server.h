#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "redis/reply.h"

namespace dcoord::testing {

/// The servers to test against: redis-server and valkey-server, those that are installed. Fails
/// when none is. DCOORD_TEST_SERVERS (names or paths, separated by spaces) replaces the list.
std::vector<std::string> server_programs();

/// Waits for something to become true, looking again every few milliseconds; false when it did not
/// in time.
bool wait_until(const std::function<bool()>& condition,
                std::chrono::milliseconds limit = std::chrono::seconds(30));

/// A directory of its own below /tmp (short, for the paths of sockets), removed with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A port of 127.0.0.1 that nobody listens on at this moment.
int free_port();

struct ServerSettings {
  std::string program = "redis-server";
  bool tcp = false;       ///< also listen on a free port of 127.0.0.1
  bool sentinel = false;  ///< a sentinel, which `config` tells what to watch; implies tcp
  bool tls = false;       ///< that port speaks TLS: tls-cert-file and so on go into `config`
  std::vector<std::string> config;     ///< more lines
  std::vector<std::string> variables;  ///< "NAME=VALUE", added to its environment
};

/// A real server, without persistence unless its lines say so. It is ended by its pid, at the
/// latest with this object (or with the process).
class Server {
 public:
  explicit Server(ServerSettings settings);
  explicit Server(const std::string& program) : Server(ServerSettings{.program = program}) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& directory() const { return directory_.path(); }
  std::string socket() const { return directory() + "/s"; }
  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  /// unix:// of the socket.
  std::string url() const { return "unix://" + socket(); }
  /// redis:// of the port, or rediss://.
  std::string tcp_url() const;

  void stop();  ///< SIGSTOP, and it has taken effect
  void cont();  ///< SIGCONT
  void kill();  ///< SIGKILL, and it is gone
  /// Starts it (again) with the same directory, port and lines; `more` are added for good.
  void start(const std::vector<std::string>& more = {}, bool wait_ready = true);
  void restart() {
    kill();
    start();
  }

  /// Runs one command over a connection of its own to the unix socket. Throws std::runtime_error
  /// when there is no answer within 30 s; an error reply is returned. With `login` set, AUTH goes
  /// first.
  redis::Reply command(const std::vector<std::string>& words) const;
  std::vector<std::string> login;  ///< the words behind AUTH

 private:
  void write_config() const;
  void wait_ready();

  ServerSettings settings_;
  TemporaryDirectory directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace dcoord::testing
