#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "redis/socket.h"
#include "redis/url.h"

namespace dcoord::redis {

/// TLS over a connected socket that it does not own: version 1.2 at least, the peer's certificate
/// and name verified (unless insecure). Never blocks: whoever calls waits for what a result wants
/// and calls again.
///
/// OpenSSL is not touched before the first one is made.
class TlsStream {
 public:
  /// What is read from files, once. Throws Error (78) that names the file which cannot be
  /// used.
  class Settings;
  static std::shared_ptr<const Settings> load(const Server& server);

  /// Verifies the server's host, or the --sni of it.
  TlsStream(std::shared_ptr<const Settings> settings, const Server& server, int fd);
  ~TlsStream();

  /// `moved` when done.
  Io handshake();
  Io write(std::string_view data);
  Io read(char* buffer, size_t size);
  /// Why trying again is of no use: one side does not accept the other, or the peer speaks no TLS.
  enum class Refusal { none, verification, protocol };
  Refusal refusal() const { return refusal_; }

 private:
  struct State;
  Io outcome(int result);

  std::unique_ptr<State> state_;
  Refusal refusal_ = Refusal::none;
};

}  // namespace dcoord::redis
