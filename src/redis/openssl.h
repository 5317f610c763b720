#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace dcoord::redis {

/// Where OpenSSL comes from. Linked into the program, its tables are relocated at each start, which
/// takes longer than all the rest of a one-shot; so it is loaded when the first TLS connection
/// wants it, unless the program is fully static, where nothing is relocated and nothing can be
/// loaded.
#ifdef DCOORD_LINK_OPENSSL
inline constexpr bool kOpensslLinked = true;
#else
inline constexpr bool kOpensslLinked = false;
#endif

/// Must have been called before any of the functions below. Throws Error (78) when there is no
/// OpenSSL 3 on this machine.
void load_openssl();

/// Of the loaded library. Never null.
void* find_in_openssl(const char* name);

/// A function of OpenSSL under its own name: these hide the global declarations inside our
/// namespace, so that code (and OpenSSL's own macros) reads as it would anywhere.
template <auto Function>
class OpensslFunction;

template <typename Result, typename... Parameters, Result (*Function)(Parameters...)>
class OpensslFunction<Function> {
 public:
  constexpr explicit OpensslFunction(const char* name) : name_(name) {}
  Result operator()(Parameters... parameters) const {
    if constexpr (kOpensslLinked) {
      return Function(parameters...);
    } else {
      if (function_ == nullptr) {
        function_ = reinterpret_cast<Result (*)(Parameters...)>(find_in_openssl(name_));
      }
      return function_(parameters...);
    }
  }

 private:
  const char* name_;
  mutable Result (*function_)(Parameters...) = nullptr;
};

inline const OpensslFunction<&::BIO_clear_flags> BIO_clear_flags("BIO_clear_flags");
inline const OpensslFunction<&::BIO_get_data> BIO_get_data("BIO_get_data");
inline const OpensslFunction<&::BIO_get_new_index> BIO_get_new_index("BIO_get_new_index");
inline const OpensslFunction<&::BIO_meth_free> BIO_meth_free("BIO_meth_free");
inline const OpensslFunction<&::BIO_meth_new> BIO_meth_new("BIO_meth_new");
inline const OpensslFunction<&::BIO_meth_set_ctrl> BIO_meth_set_ctrl("BIO_meth_set_ctrl");
inline const OpensslFunction<&::BIO_meth_set_read> BIO_meth_set_read("BIO_meth_set_read");
inline const OpensslFunction<&::BIO_meth_set_write> BIO_meth_set_write("BIO_meth_set_write");
inline const OpensslFunction<&::BIO_new> BIO_new("BIO_new");
inline const OpensslFunction<&::BIO_set_data> BIO_set_data("BIO_set_data");
inline const OpensslFunction<&::BIO_set_flags> BIO_set_flags("BIO_set_flags");
inline const OpensslFunction<&::BIO_set_init> BIO_set_init("BIO_set_init");
inline const OpensslFunction<&::ERR_clear_error> ERR_clear_error("ERR_clear_error");
inline const OpensslFunction<&::ERR_get_error> ERR_get_error("ERR_get_error");
inline const OpensslFunction<&::ERR_peek_error> ERR_peek_error("ERR_peek_error");
inline const OpensslFunction<&::ERR_reason_error_string> ERR_reason_error_string(
    "ERR_reason_error_string");
inline const OpensslFunction<&::SSL_CTX_check_private_key> SSL_CTX_check_private_key(
    "SSL_CTX_check_private_key");
inline const OpensslFunction<&::SSL_CTX_ctrl> SSL_CTX_ctrl("SSL_CTX_ctrl");
inline const OpensslFunction<&::SSL_CTX_free> SSL_CTX_free("SSL_CTX_free");
inline const OpensslFunction<&::SSL_CTX_load_verify_dir> SSL_CTX_load_verify_dir(
    "SSL_CTX_load_verify_dir");
inline const OpensslFunction<&::SSL_CTX_load_verify_file> SSL_CTX_load_verify_file(
    "SSL_CTX_load_verify_file");
inline const OpensslFunction<&::SSL_CTX_new> SSL_CTX_new("SSL_CTX_new");
inline const OpensslFunction<&::SSL_CTX_set_default_passwd_cb> SSL_CTX_set_default_passwd_cb(
    "SSL_CTX_set_default_passwd_cb");
inline const OpensslFunction<&::SSL_CTX_set_default_verify_paths> SSL_CTX_set_default_verify_paths(
    "SSL_CTX_set_default_verify_paths");
inline const OpensslFunction<&::SSL_CTX_set_verify> SSL_CTX_set_verify("SSL_CTX_set_verify");
inline const OpensslFunction<&::SSL_CTX_use_PrivateKey_file> SSL_CTX_use_PrivateKey_file(
    "SSL_CTX_use_PrivateKey_file");
inline const OpensslFunction<&::SSL_CTX_use_certificate_chain_file>
    SSL_CTX_use_certificate_chain_file("SSL_CTX_use_certificate_chain_file");
inline const OpensslFunction<&::SSL_ctrl> SSL_ctrl("SSL_ctrl");
inline const OpensslFunction<&::SSL_do_handshake> SSL_do_handshake("SSL_do_handshake");
inline const OpensslFunction<&::SSL_free> SSL_free("SSL_free");
inline const OpensslFunction<&::SSL_get0_param> SSL_get0_param("SSL_get0_param");
inline const OpensslFunction<&::SSL_get_error> SSL_get_error("SSL_get_error");
inline const OpensslFunction<&::SSL_get_verify_result> SSL_get_verify_result(
    "SSL_get_verify_result");
inline const OpensslFunction<&::SSL_new> SSL_new("SSL_new");
inline const OpensslFunction<&::SSL_read_ex> SSL_read_ex("SSL_read_ex");
inline const OpensslFunction<&::SSL_set1_host> SSL_set1_host("SSL_set1_host");
inline const OpensslFunction<&::SSL_set_bio> SSL_set_bio("SSL_set_bio");
inline const OpensslFunction<&::SSL_set_connect_state> SSL_set_connect_state(
    "SSL_set_connect_state");
inline const OpensslFunction<&::SSL_set_hostflags> SSL_set_hostflags("SSL_set_hostflags");
inline const OpensslFunction<&::SSL_write_ex> SSL_write_ex("SSL_write_ex");
inline const OpensslFunction<&::TLS_client_method> TLS_client_method("TLS_client_method");
inline const OpensslFunction<&::X509_VERIFY_PARAM_set1_ip_asc> X509_VERIFY_PARAM_set1_ip_asc(
    "X509_VERIFY_PARAM_set1_ip_asc");
inline const OpensslFunction<&::X509_get_default_cert_file> X509_get_default_cert_file(
    "X509_get_default_cert_file");
inline const OpensslFunction<&::X509_get_default_cert_file_env> X509_get_default_cert_file_env(
    "X509_get_default_cert_file_env");
inline const OpensslFunction<&::X509_verify_cert_error_string> X509_verify_cert_error_string(
    "X509_verify_cert_error_string");

}  // namespace dcoord::redis
