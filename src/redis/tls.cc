#include "redis/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "redis/openssl.h"

namespace dcoord::redis {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct FreeMethod {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};

/// The reason of the oldest error in OpenSSL's queue, which is emptied.
std::string take_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "error in TLS" : reason;
}

bool is_numeric(const std::string& host) {
  unsigned char address[16];
  return inet_pton(AF_INET, host.c_str(), address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address) == 1;
}

// OpenSSL's own socket BIO writes in a way that raises SIGPIPE.
int bio_write(BIO* bio, const char* data, int size) {
  const Io io = send_some(static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))),
                          std::string_view(data, static_cast<size_t>(size)));
  BIO_clear_retry_flags(bio);
  if (io.state == Io::State::moved) return static_cast<int>(io.bytes);
  if (io.state == Io::State::want_write) BIO_set_retry_write(bio);
  return -1;
}

int bio_read(BIO* bio, char* buffer, int size) {
  const Io io = receive_some(static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))),
                             buffer, static_cast<size_t>(size));
  BIO_clear_retry_flags(bio);
  if (io.state == Io::State::moved) return static_cast<int>(io.bytes);
  if (io.state == Io::State::want_read) BIO_set_retry_read(bio);
  return io.state == Io::State::closed ? 0 : -1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

Error unusable(const char* what, const std::string& file) {
  return config_error(fmt::format("cannot use the {} '{}': {}", what, file, take_reason()));
}

/// The system's roots: where OpenSSL was built to look (or SSL_CERT_FILE says), else where
/// distributions have them, because a program that is linked statically runs on others than it was
/// built on.
void use_system_roots(SSL_CTX* context) {
  SSL_CTX_set_default_verify_paths(context);
  const char* const named = getenv(X509_get_default_cert_file_env());
  if (named != nullptr || access(X509_get_default_cert_file(), R_OK) == 0) return;
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (access(file, R_OK) == 0 && SSL_CTX_load_verify_file(context, file) == 1) break;
  }
  ERR_clear_error();
}

void use_certificates(SSL_CTX* context, const TlsOptions& tls) {
  if (!tls.ca_file.empty() && SSL_CTX_load_verify_file(context, tls.ca_file.c_str()) != 1) {
    throw unusable("CA certificate", tls.ca_file);
  }
  if (!tls.ca_dir.empty() && (access(tls.ca_dir.c_str(), R_OK | X_OK) != 0 ||
                              SSL_CTX_load_verify_dir(context, tls.ca_dir.c_str()) != 1)) {
    throw unusable("CA directory", tls.ca_dir);
  }
  if (tls.ca_file.empty() && tls.ca_dir.empty()) use_system_roots(context);
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    throw config_error("a client certificate needs its key, and the key its certificate",
                       "give both --cert and --key");
  }
  if (tls.cert_file.empty()) return;
  if (SSL_CTX_use_certificate_chain_file(context, tls.cert_file.c_str()) != 1) {
    throw unusable("client certificate", tls.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, tls.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    throw unusable("client key", tls.key_file);
  }
}

/// A key that wants a passphrase is refused: asking for it would block.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

class TlsStream::Settings {
 public:
  std::unique_ptr<SSL_CTX, FreeContext> context;
  std::unique_ptr<BIO_METHOD, FreeMethod> method;
  bool insecure = false;
};

struct TlsStream::State {
  std::shared_ptr<const Settings> settings;
  std::unique_ptr<SSL, FreeSsl> ssl;
};

std::shared_ptr<const TlsStream::Settings> TlsStream::load(const Server& server) {
  load_openssl();
  auto settings = std::make_shared<Settings>();
  settings->insecure = server.tls.insecure;
  settings->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = settings->context.get();
  if (context == nullptr) throw internal_error("OpenSSL: " + take_reason());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  use_certificates(context, server.tls);
  SSL_CTX_set_verify(context, settings->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);

  settings->method.reset(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dcoord socket"));
  BIO_meth_set_write(settings->method.get(), bio_write);
  BIO_meth_set_read(settings->method.get(), bio_read);
  BIO_meth_set_ctrl(settings->method.get(), bio_control);
  static bool warned = false;
  if (settings->insecure && !std::exchange(warned, true)) {
    log::warning(fmt::format("--insecure: whoever answers at {}:{} is trusted without a check",
                             server.host, server.port));
  }
  return settings;
}

TlsStream::TlsStream(std::shared_ptr<const Settings> settings, const Server& server, int fd)
    : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
  const Settings& s = *state_->settings;
  SSL* const ssl = SSL_new(s.context.get());
  BIO* const bio = BIO_new(s.method.get());
  state_->ssl.reset(ssl);
  if (ssl == nullptr || bio == nullptr) throw internal_error("OpenSSL: " + take_reason());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_connect_state(ssl);
  // Verified, and asked for unless it is a number.
  const std::string& name = server.tls.sni.empty() ? server.host : server.tls.sni;
  bool ok = true;
  if (is_numeric(name)) {
    ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ok = SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  }
  // Without the name set, any certificate of the CA would do.
  if (!ok) throw config_error(fmt::format("'{}' cannot be verified as a TLS name", name));
}

TlsStream::~TlsStream() = default;

Io TlsStream::handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(state_->ssl.get()));
}

Io TlsStream::write(std::string_view data) {
  ERR_clear_error();
  size_t moved = 0;
  Io io = outcome(SSL_write_ex(state_->ssl.get(), data.data(), data.size(), &moved));
  io.bytes = moved;
  return io;
}

Io TlsStream::read(char* buffer, size_t size) {
  ERR_clear_error();
  size_t moved = 0;
  Io io = outcome(SSL_read_ex(state_->ssl.get(), buffer, size, &moved));
  io.bytes = moved;
  return io;
}

Io TlsStream::outcome(int result) {
  Io io;
  if (result == 1) return io;
  SSL* const ssl = state_->ssl.get();
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      io.state = Io::State::want_read;
      return io;
    case SSL_ERROR_WANT_WRITE:
      io.state = Io::State::want_write;
      return io;
    case SSL_ERROR_ZERO_RETURN:
      io.state = Io::State::closed;
      return io;
    case SSL_ERROR_SSL:
      break;
    default:
      io.state = Io::State::closed;
      return io;  // the socket failed
  }
  io.state = Io::State::failed;
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  io.error = take_reason();
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    io.error = fmt::format("its certificate is not accepted: {}",
                           X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    refusal_ = Refusal::verification;
  } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    io.state = Io::State::closed;
  } else if (reason > SSL_AD_REASON_OFFSET) {
    // An alert: the server says what it does not like about us (no or a bad certificate, the
    // version).
    io.error = "it refuses the TLS connection: " + io.error;
    refusal_ = Refusal::verification;
  } else if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_UNSUPPORTED_PROTOCOL) {
    io.error = "it does not speak TLS 1.2 or later";
    refusal_ = Refusal::protocol;
  }
  return io;
}

}  // namespace dcoord::redis
