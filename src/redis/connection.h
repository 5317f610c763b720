#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/unique_fd.h"
#include "redis/protocol.h"
#include "redis/socket.h"
#include "redis/tls.h"
#include "redis/url.h"

namespace dcoord::redis {

/// How a connection failed.
struct Failure {
  enum class Kind {
    connect,       ///< it could not be made; nothing was sent
    timed_out,     ///< no answer in time
    lost,          ///< closed or broken by the peer, or what came was not a reply
    verification,  ///< one side does not accept the other's certificate
    no_tls,        ///< the peer does not speak TLS
  };
  Kind kind;
  std::string text;  ///< for a message: "connection refused"
};

/// One connection to a server: opened when asked to, and for good closed by any failure, so that a
/// late reply can never be taken for the next one's.
///
/// Requests are queued, and sent while receive() runs. Cancelling open() or receive() leaves the
/// connection as it is: whoever cancels closes it when replies are outstanding.
class Connection {
 public:
  /// `server` must outlive it.
  Connection(Loop& loop, const Server& server) : loop_(loop), server_(server) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Looks the name up anew (of `local:`, sees to it that the server runs), connects, speaks TLS.
  /// Throws Error (78) for unusable TLS files, and what ensure_local_server does.
  Task<std::optional<Failure>> open(TimePoint until);
  void close();
  bool is_open() const { return static_cast<bool>(fd_); }

  /// Whether an idle connection is of no more use: the peer closed it, or sent something unasked.
  bool is_stale();

  /// Adds requests (`replies` of them, formatted by append_command) to what is to be sent. Returns
  /// the position behind them in everything that is sent over this connection.
  uint64_t queue(std::string_view requests, size_t replies = 1);
  /// How much of everything queued the kernel has taken; also of a connection that was closed,
  /// until it is opened.
  uint64_t sent() const { return sent_; }
  size_t unsent() const { return out_.size() - out_at_; }
  /// Replies that are still to come.
  size_t outstanding() const { return outstanding_; }

  struct Received {
    std::optional<Reply> reply;
    std::optional<Failure> failure;  ///< the connection was closed
  };
  /// Sends what is queued and takes the next reply.
  Task<Received> receive(TimePoint until);

  /// Sends what is queued; whether anything comes until then. Takes nothing, closes nothing.
  Task<bool> hears(TimePoint until);

 private:
  Task<std::optional<Failure>> shake_hands(TimePoint until);
  void send_queued(short& wait_for);
  std::optional<Failure> take_bytes(short& wait_for, bool& moved);

  Loop& loop_;
  const Server& server_;
  UniqueFd fd_;
  std::shared_ptr<const TlsStream::Settings> tls_settings_;
  std::unique_ptr<TlsStream> tls_;
  ReplyReader reader_;
  std::string out_;
  size_t out_at_ = 0;  // what of it was sent
  uint64_t queued_ = 0;
  uint64_t sent_ = 0;
  size_t outstanding_ = 0;
  bool answered_ = false;  // at least once
  bool readable_ = false;  // there may be bytes that poll does not tell of, or that it told of
};

}  // namespace dcoord::redis
