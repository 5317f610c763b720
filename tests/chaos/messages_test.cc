// Every operation x every message x every fault: what the client says of it is true, and the same
// request sent again has been done once.
#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <cstdlib>
#include <map>
#include <optional>

#include "base/error.h"
#include "support/operations.h"
#include "support/peer.h"
#include "support/server.h"

namespace dcoord::testing {
namespace {

using namespace std::chrono_literals;

/// What a server says that did not execute what it was asked, and what it may have executed in
/// part.
const std::vector<std::string> kErrors = {
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "READONLY You can't write against a read only replica.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    "disk.",
    "NOREPLICAS Not enough good replicas to write.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "NOSCRIPT No matching script. Please use EVAL.",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "ERR max number of clients reached",
    "ERR The user executing the script can't run this command or subcommand script: 1, on "
    "@user_script:1.",
    "MOVED 1 127.0.0.1:1",
    "ASK 1 127.0.0.1:1",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "DENIED Redis is running in protected mode",
    "NEVERHEARDOF this one",
};

std::vector<Fault> faults() {
  using Kind = Fault::Kind;
  std::vector<Fault> all = {{Kind::reset_request}, {Kind::silence}, {Kind::hold_reply}};
  for (const size_t bytes : {0, 1, 4, 5, 6, 9, 12, 17}) {
    all.push_back({Kind::reset_reply, bytes});
    all.push_back({Kind::close_reply, bytes});
  }
  for (const size_t bytes : {1, 10, 39, 40, 60, 90, 120}) all.push_back({Kind::cut_request, bytes});
  for (const char* text : {"HTTP/1.1 400 Bad Request\r\n\r\n", "*1000000000\r\n", "$-5\r\n",
                           "+OK\r\n*2\r\n$1\r\nx\r\n", "+OK\r\n:7\r\n", "+OK\r\n$-1\r\n",
                           "+OK\r\n*0\r\n", "+OK\r\n*1\r\n$8\r\nnonsense\r\n"}) {
    all.push_back({Kind::garbage, 0, text});
  }
  all.push_back({Kind::garbage, 0, std::string("\0\xff\0\n", 4)});
  for (const auto& error : kErrors) all.push_back({Kind::refuse, 0, "+OK\r\n-" + error + "\r\n"});
  // In the pipeline of the first message, the second reply is the operation's.
  for (const auto& error : kErrors)
    all.push_back({Kind::refuse, 0, "-" + error + "\r\n-" + error + "\r\n"});
  return all;
}

std::string name_of(const Fault& f) {
  return fmt::format("kind {} bytes {} skip {} text '{}'", static_cast<int>(f.kind), f.bytes,
                     f.skip, f.text.substr(0, 40));
}

struct Outcome {
  std::string text;
  std::optional<Error> error;
};

class Matrix {
 public:
  explicit Matrix(const std::string& program) : server_(program), plain_(server_.url()) {}

  /// One cell: the first `connections` connections meet the fault.
  void cell(const KnownOperation& operation, const Fault& fault, int connections,
            bool scripts_known) {
    const std::string thing = "t" + std::to_string(++things_);
    CAPTURE(operation.name, name_of(fault), connections, scripts_known, thing);
    operation.prepare(plain_, thing);
    const std::string before = operation.look(plain_, thing);
    if (!scripts_known) server_.command({"SCRIPT", "FLUSH"});
    const Outcome outcome = faulted(operation, fault, connections, thing);
    const std::string after = operation.look(plain_, thing);
    CAPTURE(before, after, expected(operation).first, expected(operation).second);
    if (outcome.error) {
      CAPTURE(outcome.error->what());
      ++errors;
      // Whatever went wrong, an operation is done or not; of those errors that say "not done" it is
      // not.
      CHECK((after == before || after == expected(operation).second));
      const ExitCode code = outcome.error->code();
      if (code == ExitCode::unavailable || code == ExitCode::config) CHECK(after == before);
      // A lying peer may look like a bug, but never like a refusal of the operation.
      CHECK((code == ExitCode::unavailable || code == ExitCode::unknown ||
             code == ExitCode::config || code == ExitCode::permission || code == ExitCode::data ||
             code == ExitCode::internal));
    } else {
      CHECK(outcome.text == expected(operation).first);
      CHECK(after == expected(operation).second);
    }
    // The same request once more, undisturbed: it has been done once.
    CHECK(operation.run(plain_, thing) == expected(operation).first);
    CHECK(operation.look(plain_, thing) == expected(operation).second);
    ++cells;
  }

  long long cells = 0, errors = 0, effective = 0;

 private:
  Outcome faulted(const KnownOperation& operation, const Fault& fault, int connections,
                  const std::string& thing) {
    Peer peer(server_.socket());
    for (int i = 0; i < connections; ++i) peer.plan(i, fault);
    redis::SessionOptions options;
    options.connect_timeout = options.command_timeout = 40ms;
    Side faulty(peer.url(), options);
    // Once: there is time to try again. Always: until patience ends.
    faulty.limit = connections == 1 ? Duration(20s) : Duration(100ms);
    Outcome outcome;
    try {
      outcome.text = operation.run(faulty, thing);
    } catch (const Error& error) {
      outcome.error.emplace(error);
    }
    effective += peer.faults() > 0;
    peer.release();
    // What the server still has to read of this client, it reads before anybody asks it again.
    peer.reset_all();
    return outcome;
  }

  /// The answer and the state without any fault, and that asking twice is asking once.
  const std::pair<std::string, std::string>& expected(const KnownOperation& operation) {
    auto [at, fresh] = expected_.try_emplace(operation.name);
    if (fresh) {
      const std::string thing = "reference of " + operation.name;
      operation.prepare(plain_, thing);
      at->second.first = operation.run(plain_, thing);
      at->second.second = operation.look(plain_, thing);
      REQUIRE(operation.run(plain_, thing) == at->second.first);
      REQUIRE(operation.look(plain_, thing) == at->second.second);
    }
    return at->second;
  }

  Server server_;
  Side plain_;
  int things_ = 0;
  std::map<std::string, std::pair<std::string, std::string>> expected_;
};

TEST_CASE(
    "messages: operation x message x fault, each outcome is true and the request is done once") {
  const char* const given = std::getenv("DCOORD_CHAOS_EVERY");
  const size_t every = given == nullptr ? 41 : std::stoul(given);
  const std::string program = GENERATE(from_range(server_programs()));
  CAPTURE(program);
  Matrix matrix(program);
  size_t n = 0;
  const auto operations = known_operations();
  for (const auto& operation : operations) {
    for (const Fault& kind : faults()) {
      for (const int skip : {0, 1}) {
        for (const int connections : {1, 1000}) {
          // Each operation, each fault, each message, but not each of the combinations: only each
          // 41st, or what DCOORD_CHAOS_EVERY says.
          if (++n % every != 0) continue;
          Fault fault = kind;
          fault.skip = skip;
          fault.once = connections == 1;
          // Without the script there, the operation's second message is another try with it.
          matrix.cell(operation, fault, connections, skip == 0);
        }
      }
    }
  }
  WARN(fmt::format(
      "{}: {} operations, {} faults, {} cells, {} faults took place, {} ended in an error", program,
      operations.size(), faults().size(), matrix.cells, matrix.effective, matrix.errors));
  CHECK(matrix.effective > matrix.cells * 9 / 10);
  CHECK(matrix.errors > matrix.cells / 10);
}

}  // namespace
}  // namespace dcoord::testing
