#include "redis/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/duration.h"
#include "base/error.h"
#include "redis/local.h"
#include "redis/resolve.h"

namespace dcoord::redis {
namespace {

constexpr size_t kKeptBuffer = size_t{64} << 10;

Failure failure(Failure::Kind kind, std::string text) { return Failure{kind, std::move(text)}; }

/// What a transfer that did not work came to; nothing when it only has to wait.
std::optional<Failure> failure_of(const Io& io, const TlsStream* tls, short& wait_for) {
  switch (io.state) {
    case Io::State::moved:
      return std::nullopt;
    case Io::State::want_read:
      wait_for |= POLLIN;
      return std::nullopt;
    case Io::State::want_write:
      wait_for |= POLLOUT;
      return std::nullopt;
    case Io::State::closed:
      return failure(Failure::Kind::lost,
                     io.error.empty() ? "the connection was closed" : io.error);
    case Io::State::failed:
      break;
  }
  auto kind = Failure::Kind::lost;
  if (tls != nullptr && tls->refusal() == TlsStream::Refusal::verification)
    kind = Failure::Kind::verification;
  if (tls != nullptr && tls->refusal() == TlsStream::Refusal::protocol)
    kind = Failure::Kind::no_tls;
  return failure(kind, io.error);
}

}  // namespace

Task<std::optional<Failure>> Connection::open(TimePoint until) {
  close();
  queued_ = sent_ = 0;
  const TimePoint start = loop_.now();
  Lookup found;
  switch (server_.kind) {
    case Server::Kind::tcp:
      found = co_await resolve(loop_, server_.host, server_.port, until);
      break;
    case Server::Kind::unix_socket:
      found = unix_address(server_.path);
      break;
    case Server::Kind::local: {
      const std::string path = co_await ensure_local_server(loop_, until);
      found = unix_address(path);
      break;
    }
  }
  if (found.addresses.empty()) co_return failure(Failure::Kind::connect, found.error);

  Connected connected = co_await connect_any(loop_, std::move(found.addresses), until);
  if (!connected.fd) {
    co_return failure(Failure::Kind::connect, connected.timed_out
                                                  ? "no answer within " + format_age(until - start)
                                                  : connected.error);
  }
  fd_ = std::move(connected.fd);
  if (server_.tls.enabled) {
    auto failed = co_await shake_hands(until);
    if (failed) {
      close();
      co_return failed;
    }
  }
  co_return std::nullopt;
}

Task<std::optional<Failure>> Connection::shake_hands(TimePoint until) {
  if (server_.kind != Server::Kind::tcp) throw config_error("TLS is not spoken over a unix socket");
  if (!tls_settings_) tls_settings_ = TlsStream::load(server_);
  tls_ = std::make_unique<TlsStream>(tls_settings_, server_, fd_.get());
  for (;;) {
    const Io io = tls_->handshake();
    if (io.state == Io::State::moved) break;
    short wait_for = 0;
    auto failed = failure_of(io, tls_.get(), wait_for);
    if (failed) {
      if (failed->kind == Failure::Kind::lost) failed->kind = Failure::Kind::connect;
      failed->text = "TLS: " + failed->text;
      co_return failed;
    }
    const bool ready = co_await Loop::Ready(loop_, fd_.get(), wait_for, until);
    if (!ready) co_return failure(Failure::Kind::connect, "TLS: no answer in time");
  }
  readable_ = true;
  co_return std::nullopt;
}

void Connection::close() {
  tls_.reset();
  fd_.reset();
  reader_ = ReplyReader();
  out_.clear();
  out_at_ = 0;
  outstanding_ = 0;
  readable_ = answered_ = false;
}

bool Connection::is_stale() {
  if (outstanding_ > 0 || reader_.pending()) return true;
  if (tls_) {
    // Only a read tells a closed connection from a session ticket.
    short wait_for = 0;
    bool moved = false;
    return take_bytes(wait_for, moved).has_value() || moved;
  }
  char byte;
  const ssize_t n = recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

uint64_t Connection::queue(std::string_view requests, size_t replies) {
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
    if (out_.capacity() > kKeptBuffer) out_.shrink_to_fit();
  } else if (out_at_ > (size_t{1} << 20)) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  out_ += requests;
  outstanding_ += replies;
  queued_ += requests.size();
  return queued_;
}

Task<Connection::Received> Connection::receive(TimePoint until) {
  Received result;
  for (;;) {
    result.reply = reader_.next();
    if (result.reply) {
      --outstanding_;
      answered_ = true;
      co_return result;
    }
    if (!reader_.error().empty()) result.failure = failure(Failure::Kind::lost, reader_.error());
    if (result.failure) break;
    short wait_for = POLLIN;
    send_queued(wait_for);
    bool moved = false;
    if (readable_) result.failure = take_bytes(wait_for, moved);
    if (moved || result.failure) continue;
    const bool ready = co_await Loop::Ready(loop_, fd_.get(), wait_for, until);
    if (ready) {
      readable_ = true;
    } else {
      result.failure = failure(Failure::Kind::timed_out, "no answer in time");
    }
  }
  // An alert in the middle of a conversation is no refusal of it.
  if (answered_ && result.failure->kind == Failure::Kind::verification)
    result.failure->kind = Failure::Kind::lost;
  close();
  co_return result;
}

Task<bool> Connection::hears(TimePoint until) {
  while (!readable_ && !reader_.pending()) {
    short wait_for = POLLIN;
    send_queued(wait_for);
    if (readable_) break;
    const bool ready = co_await Loop::Ready(loop_, fd_.get(), wait_for, until);
    if (!ready) co_return false;
    // It may be the room to send more; then what comes is awaited on.
    readable_ = (wait_for & POLLOUT) == 0;
  }
  co_return true;
}

/// A failure to send is not reported: the peer may have said why it closes, and what there is to
/// read ends with the failure anyway.
void Connection::send_queued(short& wait_for) {
  while (unsent() > 0) {
    const std::string_view rest = std::string_view(out_).substr(out_at_);
    const Io io = tls_ ? tls_->write(rest) : send_some(fd_.get(), rest);
    out_at_ += io.bytes;
    sent_ += io.bytes;
    if (io.state == Io::State::moved) continue;
    if (failure_of(io, tls_.get(), wait_for)) {
      out_at_ = out_.size();
      readable_ = true;
    }
    return;
  }
}

/// Reads once; readable_ tells afterwards whether there may be more.
std::optional<Failure> Connection::take_bytes(short& wait_for, bool& moved) {
  std::array<char, 16384> buffer;
  const Io io = tls_ ? tls_->read(buffer.data(), buffer.size())
                     : receive_some(fd_.get(), buffer.data(), buffer.size());
  moved = io.state == Io::State::moved;
  // A plain socket that gave less than asked for is empty; poll tells when there is more.
  readable_ = moved && (tls_ || io.bytes == buffer.size());
  if (!moved) return failure_of(io, tls_.get(), wait_for);
  // What was whole before the bytes that cannot be read is lost with the connection, too.
  if (!reader_.feed(std::string_view(buffer.data(), io.bytes))) {
    return failure(Failure::Kind::lost, reader_.error());
  }
  return std::nullopt;
}

}  // namespace dcoord::redis
