#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/unique_fd.h"

namespace dcoord::testing {

/// What happens to one connection.
struct Fault {
  enum class Kind {
    none,           ///< everything passes
    reset_request,  ///< reset when the request comes: the server never sees it
    cut_request,    ///< only the first `bytes` of the request reach the server, then it is reset
    reset_reply,    ///< the server gets the request; its reply is dropped after `bytes`, and the
                    ///< connection reset
    close_reply,    ///< as reset_reply, but closed in order
    garbage,        ///< `text` in place of the reply
    refuse,         ///< the request is not passed on, `text` answers it
    silence,        ///< the request is taken and not passed on, nothing ever comes back
    hold_reply,     ///< the server gets the request; its reply waits until release()
  };
  Kind kind = Kind::none;
  size_t bytes = 0;
  std::string text;
  int skip = 0;       ///< so many requests of the connection pass first
  bool once = false;  ///< refuse: the connection's next request passes
};

/// A TCP port on 127.0.0.1 in front of a real server's unix socket, that misbehaves as it is told
/// to.
class Peer {
 public:
  explicit Peer(std::string server_socket);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  int port() const { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

  /// What the `nth` connection from now on (0 is the next) meets; the others meet nothing.
  void plan(int nth, Fault fault);
  /// Lets held replies pass.
  void release();
  /// Sends something unasked to all connections.
  void say(std::string text);
  /// Closes all connections, by a reset.
  void reset_all();

  int connections() const { return connections_; }  ///< accepted so far
  int faults() const { return faults_; }            ///< that took place

 private:
  struct Link;
  void run();
  bool serve(Link& link, short client_events, short server_events);
  bool on_request(Link& link);
  bool on_reply(Link& link);
  void wake();

  const std::string server_socket_;
  UniqueFd listener_;
  UniqueFd wake_read_;
  UniqueFd wake_write_;
  int port_ = 0;
  std::mutex mutex_;
  std::map<int, Fault> plans_;
  std::string say_;
  std::atomic<int> connections_ = 0;
  std::atomic<int> faults_ = 0;
  std::atomic<bool> released_ = false;
  std::atomic<bool> reset_all_ = false;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

}  // namespace dcoord::testing
