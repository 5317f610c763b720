#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace dcoord::redis {

/// How to speak TLS to a server.
struct TlsOptions {
  bool enabled = false;
  bool insecure = false;  ///< accept any certificate; said loudly on every use
  std::string ca_file;    ///< PEM; with neither ca_file nor ca_dir the system's roots
  std::string ca_dir;
  std::string cert_file;  ///< client certificate and key, PEM
  std::string key_file;
  std::string sni;  ///< name asked for and verified; "" for the host
};

struct HostPort {
  std::string host = "127.0.0.1";
  int port = 6379;
  bool operator==(const HostPort&) const = default;
};

/// "HOST:PORT", an IPv6 address in brackets.
std::string to_string(const HostPort& address);

/// One server to connect to, and as whom.
struct Server {
  enum class Kind { tcp, unix_socket, local };
  Kind kind = Kind::tcp;
  std::string host = "127.0.0.1";  ///< "" when it has to be found out first
  int port = 6379;
  std::string path;  ///< of the unix socket
  int db = 0;
  std::string user;  ///< "" for the default user
  /// The password, asked for at the first connection (it may prompt or read a file); null or an
  /// empty result: none.
  std::function<std::optional<std::string>()> password;
  TlsOptions tls;
  std::string origin;  ///< where the URL came from, for messages: "-u", "DCOORD_URL", "default",
                       ///< "FILE: url"
  std::string part;    ///< what it is of something larger, for messages: "master 'main'"; else ""

  HostPort address() const { return {host, port}; }
  void set_address(const HostPort& address) {
    host = address.host;
    port = address.port;
  }
};

/// Reads the URL of one server: redis:// rediss:// valkey:// valkeys:// unix:// and local:. User
/// info is percent-decoded and `redis://x@h` means the password x; the database comes from the path
/// or
/// `?db=N`, which wins. Throws Error (78) that names `origin`, shows the URL without its password
/// and says what is wrong, for anything else, unknown parameters included.
Server parse_url(std::string_view url, std::string_view origin);

/// The URL of a server, without the password: for messages.
std::string describe(const Server& server);

/// `url` with the password in it, if any, replaced by ***; for URLs that may be malformed.
std::string redact_url(std::string_view url);

}  // namespace dcoord::redis
