#include "support/certificates.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace dcoord::testing {
namespace {

const char* const kKey = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

}  // namespace

Certificates::Certificates() {
  std::ofstream(file("ca.cnf"))
      << "[ca]\ndefault_ca = test\n[test]\ndatabase = " << file("index")
      << "\nnew_certs_dir = " << directory_.path()
      << "\nrand_serial = yes\ndefault_md = sha256\npolicy = any\n"
      << "copy_extensions = copy\nunique_subject = no\n[any]\ncommonName = supplied\n";
  std::ofstream(file("index")) << "";
  openssl(std::string("req -x509 -days 30 -subj '/CN=Test CA' ") + kKey +
          " -keyout ca.key -out ca.crt");
}

void Certificates::openssl(const std::string& arguments) const {
  const std::string line =
      "cd '" + directory_.path() + "' && openssl " + arguments + " >>log 2>&1 </dev/null";
  if (std::system(line.c_str()) != 0) {
    std::ifstream log(file("log"));
    throw std::runtime_error("openssl " + arguments + ": " +
                             std::string(std::istreambuf_iterator<char>(log), {}));
  }
}

void Certificates::issue(const std::string& name, const std::string& names, bool expired) const {
  openssl("req -new -subj '/CN=" + name + "' -addext 'subjectAltName=" + names + "' " + kKey +
          " -keyout " + name + ".key -out " + name + ".csr");
  openssl("ca -batch -notext -config ca.cnf -cert ca.crt -keyfile ca.key -in " + name +
          ".csr -out " + name + ".crt " +
          (expired ? "-startdate 20200101000000Z -enddate 20200201000000Z" : "-days 30"));
}

void Certificates::self_signed(const std::string& name, const std::string& names) const {
  openssl("req -x509 -days 30 -subj '/CN=" + name + "' -addext 'subjectAltName=" + names + "' " +
          kKey + " -keyout " + name + ".key -out " + name + ".crt");
}

std::vector<std::string> Certificates::server_lines(const std::string& name, bool clients) const {
  return {"tls-cert-file " + file(name + ".crt"), "tls-key-file " + file(name + ".key"),
          "tls-ca-cert-file " + ca(), std::string("tls-auth-clients ") + (clients ? "yes" : "no")};
}

}  // namespace dcoord::testing
