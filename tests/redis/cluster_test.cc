// A single server's session that meets a cluster: it says so, instead of trying for ever.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <string>
#include <vector>

#include "redis/client.h"
#include "redis/session.h"

namespace dcoord::testing {
namespace {

const TestScript kSet("return redis.call('SET', KEYS[1], ARGV[1])", true);

/// A node of a cluster, with a bus port of its own (the usual one may be no port at all).
struct Node {
  explicit Node(const std::string& program)
      : bus(free_port()),
        server(
            ServerSettings{.program = program,
                           .tcp = true,
                           .config = {"cluster-enabled yes", "cluster-port " + std::to_string(bus),
                                      "cluster-node-timeout 2000"}}) {}
  int bus;
  Server server;
};

bool cluster_is_up(const Node& node) {
  return node.server.command({"CLUSTER", "INFO"}).text().find("cluster_state:ok") !=
         std::string::npos;
}

TEST_CASE("cluster: a node alone, without slots, is not ready") {
  Node node(GENERATE(from_range(server_programs())));
  Client client(node.server.url());
  const Error error = last_error(client, kSet.call({"k"}, {"v"}));
  CHECK(error.code() == ExitCode::unavailable);
  says(error, "CLUSTERDOWN");
  Client other(node.server.url() + "?db=1");
  CHECK(error_of([&] { other.run(kSet.call({"k"}, {"v"})); }).code() == ExitCode::config);
}

TEST_CASE("cluster: a key of another node, and keys of several slots") {
  const std::string program = GENERATE(from_range(server_programs()));
  Node low(program);
  Node high(program);
  REQUIRE_FALSE(low.server.command({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"}).is_error());
  REQUIRE_FALSE(high.server.command({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"}).is_error());
  low.server.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(high.server.port()),
                      std::to_string(high.bus)});
  REQUIRE(wait_until([&] { return cluster_is_up(low) && cluster_is_up(high); }));

  Client client(low.server.url());
  CHECK(client.run(kSet.call({"{bar}1"}, {"v"})).text() == "OK");                   // slot 5061
  const Error moved = error_of([&] { client.run(kSet.call({"{foo}1"}, {"v"})); });  // slot 12182
  CHECK(moved.code() == ExitCode::config);
  CHECK(moved.kind() == "cluster");
  says(moved, std::to_string(high.server.port()));
  CHECK_FALSE(client.wait_message("{foo}mailbox", 60s));
  CHECK(error_of([&] {
          client.run(kSet.call({"{bar}1", "{foo}1"}, {"v"}));
        }).code() == ExitCode::internal);
  CHECK(client.run(kSet.call({"{bar}2"}, {"v"})).text() == "OK");
}

}  // namespace
}  // namespace dcoord::testing
