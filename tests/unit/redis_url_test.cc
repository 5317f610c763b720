#include "redis/url.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace dcoord::redis {
namespace {

std::string password_of(const Server& server) {
  return server.password ? server.password().value_or("") : "";
}

/// The error of a URL that cannot be read.
Error error_of(const std::string& url) {
  try {
    (void)parse_url(url, "DCOORD_URL");
  } catch (const Error& error) {
    return error;
  }
  FAIL("accepted: " << url);
  throw internal_error("not reached");
}

TEST_CASE("url: what names a TCP server") {
  struct Row {
    std::string url;
    std::string host;
    int port;
    int db;
    std::string user;
    std::string password;
    bool tls;
  };
  const std::vector<Row> rows = {
      {"redis://h", "h", 6379, 0, "", "", false},
      {"redis://", "127.0.0.1", 6379, 0, "", "", false},
      {"redis:///2", "127.0.0.1", 6379, 2, "", "", false},
      {"redis://:7000", "127.0.0.1", 7000, 0, "", "", false},
      {"redis://h/", "h", 6379, 0, "", "", false},
      {"redis://h:1/3", "h", 1, 3, "", "", false},
      {"redis://h:65535?db=4", "h", 65535, 4, "", "", false},
      {"redis://h/3?db=4", "h", 6379, 4, "", "", false},
      {"REDIS://h", "h", 6379, 0, "", "", false},
      {"valkey://h", "h", 6379, 0, "", "", false},
      {"rediss://h", "h", 6379, 0, "", "", true},
      {"valkeys://h:6380/1", "h", 6380, 1, "", "", true},
      {"redis://secret@h", "h", 6379, 0, "", "secret", false},
      {"redis://:secret@h", "h", 6379, 0, "", "secret", false},
      {"redis://al:secret@h", "h", 6379, 0, "al", "secret", false},
      {"redis://al:@h", "h", 6379, 0, "al", "", false},
      {"redis://@h", "h", 6379, 0, "", "", false},
      {"redis://a%40b:p%2Fq%3a%25@h", "h", 6379, 0, "a@b", "p/q:%", false},
      {"redis://al:p@q@h", "h", 6379, 0, "al", "p@q", false},
      {"redis://al:p:q@h", "h", 6379, 0, "al", "p:q", false},
      {"redis://[::1]", "::1", 6379, 0, "", "", false},
      {"redis://x@[fe80::1%25eth0]:7/1", "fe80::1%eth0", 7, 1, "", "x", false},
      {"redis://db-1.example_x.org:7", "db-1.example_x.org", 7, 0, "", "", false},
  };
  for (const Row& row : rows) {
    INFO(row.url);
    const Server server = parse_url(row.url, "-u");
    CHECK(server.kind == Server::Kind::tcp);
    CHECK(server.host == row.host);
    CHECK(server.port == row.port);
    CHECK(server.db == row.db);
    CHECK(server.user == row.user);
    CHECK(password_of(server) == row.password);
    CHECK(server.tls.enabled == row.tls);
    CHECK(server.origin == "-u");
  }
}

TEST_CASE("url: sockets and the private server") {
  const Server socket = parse_url("unix:///run/a@b%20c.sock?db=2", "-u");
  CHECK(socket.kind == Server::Kind::unix_socket);
  CHECK(socket.path == "/run/a@b c.sock");
  CHECK(socket.db == 2);
  CHECK(socket.user.empty());
  const Server named = parse_url("unix://al:se%2Fcret@/run/s", "-u");
  CHECK(named.path == "/run/s");
  CHECK(named.user == "al");
  CHECK(password_of(named) == "se/cret");
  const Server local = parse_url("local:", "-u");
  CHECK(local.kind == Server::Kind::local);
  CHECK(parse_url("local:?db=3", "-u").db == 3);
}

TEST_CASE("url: what is wrong is said, with its origin and without the password") {
  struct Row {
    std::string url;
    std::string says;
  };
  const std::vector<Row> rows = {
      {"", "empty"},
      {"localhost:6379", "no scheme"},
      {"redis:/h", "no scheme"},
      {"http://h", "unknown scheme 'http'"},
      {"redis+sentinel://h/m", "unknown scheme 'redis+sentinel'"},
      {"redis://h:0", "'0' is not a port"},
      {"redis://h:65536", "'65536' is not a port"},
      {"redis://h:", "'' is not a port"},
      {"redis://h:12x", "'12x' is not a port"},
      {"redis://h:-1", "'-1' is not a port"},
      {"redis://h/x", "database 'x'"},
      {"redis://h/-1", "database '-1'"},
      {"redis://h/1/2", "database '1/2'"},
      {"redis://h/99999999999", "database '99999999999'"},
      {"redis://h?db=", "database ''"},
      {"redis://h?timeout=5", "unknown parameter 'timeout'"},
      {"redis://h?db=1&x=2", "unknown parameter 'x'"},
      {"redis://h?db", "unknown parameter 'db'"},
      {"redis://h#f", "'#'"},
      {"redis://::1", "brackets"},
      {"redis://[::1", "']'"},
      {"redis://[::1]x", "is not a port"},
      {"redis://[h]", "not an IPv6 address"},
      {"redis://h1,h2", "it names several servers"},
      {"redis://h1:1,h2:2", "it names several servers"},
      {"redis://h/ 1", "spaces"},
      {"redis://h\n", "spaces"},
      {"redis://a!b", "not a host name"},
      {"redis://al:%zz@h", "'%' in the password"},
      {"redis://a%2:x@h", "'%' in the user"},
      {"redis://al:pa/ss@h:1", "in the password has to be written"},
      {"redis://al:pa?ss@h:1", "in the password has to be written"},
      {"redis://al:pa#ss@h:1", "in the password has to be written"},
      {"unix://run/s", "has to begin with '/'"},
      {"unix://", "missing"},
      {"unix:///", "missing"},
      {"unix:///run/%00", "zero byte"},
      {"unix:///run/s?x=1", "unknown parameter 'x'"},
      {"local:/x", "nothing may follow"},
      {"local:?x=1", "unknown parameter"},
  };
  for (const Row& row : rows) {
    INFO(row.url);
    const Error error = error_of(row.url);
    const std::string message = error.what();
    INFO(message);
    CHECK(error.code() == ExitCode::config);
    CHECK(message.starts_with("DCOORD_URL: "));
    CHECK(message.find(row.says) != std::string::npos);
    CHECK_FALSE(error.hint().empty());
  }
}

TEST_CASE("url: a password is never shown") {
  struct Row {
    std::string url;
    std::string shown;
  };
  const std::vector<Row> rows = {
      {"redis://al:secret@h:1/2", "redis://al:***@h:1/2"},
      {"redis://secret@h", "redis://***@h"},
      {"redis://:secret@h", "redis://:***@h"},
      {"redis://al:sec/ret@h", "redis://al:***@h"},
      {"redis://al:sec?r@et@h", "redis://al:***@h"},
      {"al:secret@h", "al:***@h"},
      {"secret@h", "***@h"},
      {"redis:///:secret@h", "redis:///:***@h"},
      {"unix://al:secret@/s", "unix://al:***@/s"},
      {"unix:///run/a@b", "unix:///run/a@b"},
      {"redis://h:1/2", "redis://h:1/2"},
      {"", ""},
  };
  for (const Row& row : rows) {
    INFO(row.url);
    CHECK(redact_url(row.url) == row.shown);
  }
  for (const std::string url :
       {"redis://al:secret@h:x", "redis://al:secret@h?a=b", "redis://al:sec/secret@h",
        "http://secret@h", "redis://al:%secret@h", "redis://al:secret@h,i",
        "redis://al:secret@h/secret@"}) {
    const Error error = error_of(url);
    INFO(error.what());
    CHECK(std::string(error.what()).find("secret") == std::string::npos);
  }
}

TEST_CASE("url: a server is described without its password") {
  for (const std::string url : {"redis://h:6379/0", "rediss://al@h:1/2", "redis://[::1]:6379/3",
                                "unix:///s", "unix:///s?db=1", "local:", "local:?db=2"}) {
    INFO(url);
    Server server = parse_url(url == "rediss://al@h:1/2" ? "rediss://al:x@h:1/2" : url, "-u");
    CHECK(describe(server) == url);
  }
}

}  // namespace
}  // namespace dcoord::redis
