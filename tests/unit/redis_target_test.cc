#include "redis/target.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "base/error.h"

namespace dcoord::redis {
namespace {

using Topology = Target::Topology;

std::string password_of(const Server& server) {
  return server.password ? server.password().value_or("") : "";
}

TEST_CASE("target: sentinels and the master that they name") {
  struct Row {
    std::string url;
    std::string described;
    std::string password;
  };
  const std::vector<Row> rows = {
      {"redis+sentinel://h/main", "redis+sentinel://h:26379/main/0", ""},
      {"redis-sentinel://h/main", "redis+sentinel://h:26379/main/0", ""},
      {"valkey+sentinel://h1,h2:7/main/", "redis+sentinel://h1:26379,h2:7/main/0", ""},
      {"REDIS+SENTINEL://h/Main/2", "redis+sentinel://h:26379/Main/2", ""},
      {"rediss+sentinel://h/main", "rediss+sentinel://h:26379/main/0", ""},
      {"valkeys-sentinel://h/main", "rediss+sentinel://h:26379/main/0", ""},
      {"redis+sentinel://al:p%2Fw@h1,[::1]:5,h3/main/1",
       "redis+sentinel://al@h1:26379,[::1]:5,h3:26379/main/1", "p/w"},
      {"redis+sentinel://pw@h/main", "redis+sentinel://h:26379/main/0", "pw"},
      {"redis+sentinel://h/a%2Fb/1?db=3", "redis+sentinel://h:26379/a/b/3", ""},
      {"redis-sentinel://h?sentinelMasterId=main", "redis+sentinel://h:26379/main/0", ""},
      {"redis-sentinel://h/?sentinelMasterId=main", "redis+sentinel://h:26379/main/0", ""},
      {"redis-sentinel://h/4?sentinelMasterId=main", "redis+sentinel://h:26379/main/4", ""},
  };
  for (const Row& row : rows) {
    INFO(row.url);
    const Target target = parse_target(row.url, "-u");
    CHECK(target.topology == Topology::sentinel);
    CHECK(describe(target) == row.described);
    CHECK(password_of(target.server) == row.password);
    CHECK(target.server.origin == "-u");
    CHECK(target.server.host.empty());
  }
  CHECK(parse_target("redis+sentinel://h/a%20b", "-u").master == "a b");
}

TEST_CASE("target: nodes of a cluster") {
  const Target target = parse_target("rediss-cluster://al:pw@h1,h2:7/0", "-u");
  CHECK(target.topology == Topology::cluster);
  CHECK(target.nodes == std::vector<HostPort>{{"h1", 6379}, {"h2", 7}});
  CHECK(target.server.tls.enabled);
  CHECK(target.server.user == "al");
  CHECK(password_of(target.server) == "pw");
  CHECK(describe(target) == "rediss-cluster://al@h1:6379,h2:7/0");
  CHECK(describe(parse_target("valkey-cluster://h", "-u")) == "redis-cluster://h:6379/0");
  CHECK(describe(parse_target("redis+cluster://h?db=0", "-u")) == "redis-cluster://h:6379/0");
}

TEST_CASE("target: one server is what parse_url says") {
  const Target target = parse_target("redis://al:pw@h:1/2", "-u");
  CHECK(target.topology == Topology::single);
  CHECK(target.nodes.empty());
  CHECK(describe(target) == "redis://al@h:1/2");
  CHECK(describe(parse_target("local:", "-u")) == "local:");
}

TEST_CASE("target: what is wrong is said, with its origin and without the password") {
  struct Row {
    std::string url;
    std::string says;
  };
  const std::vector<Row> rows = {
      {"redis+sentinel://h", "the name of the master is missing"},
      {"redis+sentinel://h/", "the name of the master is missing"},
      {"redis+sentinel://h//2", "the name of the master is missing"},
      {"redis+sentinel:///main", "a host is missing"},
      {"redis+sentinel://h1,/main", "a host is missing"},
      {"redis+sentinel://h1,:7/main", "a host is missing"},
      {"redis+sentinel://h1,h2:x/main", "'x' is not a port"},
      {"redis+sentinel://h1,::1/main", "brackets"},
      {"redis+sentinel://h1 ,h2/main", "spaces"},
      {"redis+sentinel://h!/main", "'h!' is not a host name"},
      {"redis+sentinel://h/main/x", "database 'x'"},
      {"redis+sentinel://h/main/1/2", "database '1/2'"},
      {"redis+sentinel://h/main?sentinelMasterId=main", "database 'main'"},
      {"redis+sentinel://h/main?timeout=1", "unknown parameter 'timeout'"},
      {"redis+sentinel://h/main?sentinelMasterId", "unknown parameter 'sentinelMasterId'"},
      {"redis+sentinel://al:s/ecret@h/main", "has to be written"},
      {"redis+sentinel://al:secret@h/main#x", "'#'"},
      {"redis+sentinel://al:%secret@h/main", "'%' in the password"},
      {"unix+sentinel://h/main", "unknown scheme 'unix+sentinel'"},
      {"+sentinel://h/main", "unknown scheme '+sentinel'"},
      {"sentinel://h/main", "unknown scheme 'sentinel'"},
      {"redissentinel://h/main", "unknown scheme 'redissentinel'"},
      {"redis-cluster://", "a host is missing"},
      {"redis-cluster://h/x", "database 'x'"},
      {"redis-cluster://h?sentinelMasterId=main", "unknown parameter 'sentinelMasterId'"},
      {"redis://h1,h2", "it names several servers"},
      {"", "empty"},
  };
  for (const Row& row : rows) {
    INFO(row.url);
    std::string message;
    ExitCode code = ExitCode::ok;
    try {
      (void)parse_target(row.url, "DCOORD_URL");
    } catch (const Error& error) {
      message = error.what();
      code = error.code();
      CHECK_FALSE(error.hint().empty());
    }
    INFO(message);
    CHECK(code == ExitCode::config);
    CHECK(message.starts_with("DCOORD_URL: "));
    CHECK(message.find(row.says) != std::string::npos);
    CHECK(message.find("ecret") == std::string::npos);
  }
}

}  // namespace
}  // namespace dcoord::redis
