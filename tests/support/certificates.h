#pragma once

#include <string>
#include <vector>

#include "support/server.h"

namespace dcoord::testing {

/// A certificate authority and what it signed, made by the openssl command in a directory of its
/// own. Each certificate NAME is NAME.crt with its key NAME.key.
class Certificates {
 public:
  Certificates();

  std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string ca() const { return file("ca.crt"); }

  /// A certificate for these names ("DNS:localhost,IP:127.0.0.1"), signed by the authority.
  /// `expired`: it was valid until yesterday.
  void issue(const std::string& name, const std::string& names, bool expired = false) const;
  /// One that signed itself.
  void self_signed(const std::string& name, const std::string& names) const;
  /// The lines of a server's configuration that use NAME; `clients`: whoever connects has to have
  /// one, too.
  std::vector<std::string> server_lines(const std::string& name, bool clients = false) const;

 private:
  void openssl(const std::string& arguments) const;

  TemporaryDirectory directory_;
};

}  // namespace dcoord::testing
