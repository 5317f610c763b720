#include "redis/classify.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace dcoord::redis {
namespace {

struct Row {
  std::string text;
  Verdict verdict;
  bool half_done = false;
  std::string detail = "";  // the command, or the target of a redirection
};

const std::string kIn7 = " script: a26f54bc7138f72ca56fdbbb74284de8742fc346, on @user_script:1.";
const std::string kIn6 =
    "ERR Error running script (call to f_a26f54bc7138f72ca56fdbbb74284de8742fc346): "
    "@user_script:1: ";

// As redis 6.2, 7.0, 8.0 and valkey 8.0 write them.
const std::vector<Row> kRows = {
    {"NOSCRIPT No matching script. Please use EVAL.", Verdict::load_script},
    {"NOSCRIPT No matching script.", Verdict::load_script},
    {"MOVED 3999 127.0.0.1:6381", Verdict::redirect, false, "127.0.0.1:6381"},
    {"MOVED 3999 :6381", Verdict::redirect, false, ":6381"},
    {"ASK 3999 127.0.0.1:6381", Verdict::redirect, false, "127.0.0.1:6381"},
    {"TRYAGAIN Multiple keys request during rehashing of slot", Verdict::back_off},
    {"CLUSTERDOWN The cluster is down", Verdict::back_off},
    {"CLUSTERDOWN Hash slot not served", Verdict::back_off},
    {"LOADING Redis is loading the dataset in memory", Verdict::back_off},
    {"LOADING Valkey is loading the dataset in memory", Verdict::back_off},
    {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
     Verdict::back_off},
    {"ERR Script killed by user with SCRIPT KILL." + kIn7, Verdict::back_off},
    {kIn6 + "Script killed by user with SCRIPT KILL...", Verdict::back_off},
    {"NOREPLICAS Not enough good replicas to write.", Verdict::back_off},
    {"NOREPLICAS Not enough good replicas to write." + kIn7, Verdict::back_off},
    {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
     "disk.",
     Verdict::back_off},
    {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
     Verdict::reconnect},
    {"READONLY You can't write against a read only replica.", Verdict::reconnect},
    {"READONLY You can't write against a read only replica." + kIn7, Verdict::reconnect},
    {kIn6 + "@user_script: 1: -READONLY You can't write against a read only replica.",
     Verdict::reconnect},
    {"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
     Verdict::reconnect},
    {"ERR max number of clients reached", Verdict::reconnect},
    {"NOAUTH Authentication required.", Verdict::authentication},
    {"WRONGPASS invalid username-password pair or user is disabled.", Verdict::authentication},
    {"ERR invalid password", Verdict::authentication},
    {"ERR Client sent AUTH, but no password is set", Verdict::authentication},
    {"ERR AUTH <password> called without any password configured for the default user. Are you "
     "sure your "
     "configuration is correct?",
     Verdict::authentication},
    {"ERR Protocol error: unauthenticated multibulk length", Verdict::authentication},
    {"ERR Protocol error: unauthenticated bulk length", Verdict::authentication},
    {"NOPERM this user has no permissions to run the 'evalsha' command", Verdict::permission, false,
     "evalsha"},
    {"NOPERM this user has no permissions to run the 'evalsha' command or its subcommand",
     Verdict::permission, false, "evalsha"},
    {"NOPERM User al has no permissions to run the 'script|load' command", Verdict::permission,
     false, "script|load"},
    {"NOPERM this user has no permissions to access one of the keys used as arguments",
     Verdict::permission},
    {"NOPERM No permissions to access a key", Verdict::permission},
    {"ERR The user executing the script can't run this command or subcommand" + kIn7,
     Verdict::permission, true},
    {"ERR The user executing the script can't access at least one of the keys mentioned in the "
     "command arguments" +
         kIn7,
     Verdict::permission, true},
    {"ERR ACL failure in script: User al has no permissions to run the 'set' command" + kIn7,
     Verdict::permission, true, "set"},
    {"ERR ACL failure in script: No permissions to access a key" + kIn7, Verdict::permission, true},
    {kIn6 + "@user_script: 1: The user executing the script can't run this command or subcommand",
     Verdict::permission, true},
    {"OOM command not allowed when used memory > 'maxmemory'.", Verdict::out_of_memory},
    {"OOM command not allowed when used memory > 'maxmemory'." + kIn7, Verdict::out_of_memory},
    {kIn6 + "@user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
     Verdict::out_of_memory},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", Verdict::wrong_type},
    {"WRONGTYPE Operation against a key holding the wrong kind of value" + kIn7,
     Verdict::wrong_type, true},
    {kIn6 + "WRONGTYPE Operation against a key holding the wrong kind of value",
     Verdict::wrong_type, true},
    {"DENIED Redis is running in protected mode because protected mode is enabled",
     Verdict::unsupported},
    {"ERR unknown command 'evalsha', with args beginning with: 'a' 'b' ", Verdict::unsupported,
     false, "evalsha"},
    {"ERR unknown command `evalsha`, with args beginning with: ", Verdict::unsupported, false,
     "evalsha"},
    {"ERR Unknown Redis command called from script" + kIn7, Verdict::unsupported, true},
    {"ERR Unknown command called from script" + kIn7, Verdict::unsupported, true},
    {kIn6 + "@user_script: 1: Unknown Redis command called from Lua script", Verdict::unsupported,
     true},
    {"ERR DB index is out of range", Verdict::unsupported},
    {"ERR SELECT is not allowed in cluster mode", Verdict::unsupported},
    {"CROSSSLOT Keys in request don't hash to the same slot", Verdict::bug},
    {"ERR Script attempted to access a non local key in a cluster node" + kIn7, Verdict::bug, true},
    {kIn6 + "@user_script: 1: Lua script attempted to access a non local key in a cluster node",
     Verdict::bug, true},
    {"ERR Protocol error: invalid bulk length", Verdict::bug},
    {"ERR wrong number of arguments for 'evalsha' command", Verdict::bug},
    {"ERR user_script:1: Script attempted to access nonexistent global variable 'foo'" + kIn7,
     Verdict::unknown, true},
    {"ERR value is not an integer or out of range", Verdict::unknown, true},
    {"EXECABORT Transaction discarded because of previous errors.", Verdict::unknown, true},
    {"NOGOODSLAVE No suitable replica to promote", Verdict::unknown, true},
    {"SOMETHING raised" + kIn7, Verdict::unknown, true},
    {"", Verdict::unknown, true},
    {"what is this", Verdict::unknown, true},
    {"Err no", Verdict::unknown, true},
    {"VERSION this lock has layout 2", Verdict::own},
    {"LAYOUT", Verdict::own},
    {"A_B2 x", Verdict::own},
};

TEST_CASE("classify: every text that is known") {
  for (const Row& row : kRows) {
    INFO(row.text);
    const ErrorInfo info = classify(row.text);
    CHECK(static_cast<int>(info.verdict) == static_cast<int>(row.verdict));
    CHECK(info.half_done == row.half_done);
    CHECK((row.verdict == Verdict::redirect ? info.target : info.command) == row.detail);
  }
}

TEST_CASE("classify: what the server adds about the script is not shown") {
  CHECK(classify("OOM command not allowed." + kIn7).text == "OOM command not allowed.");
  CHECK(classify(kIn6 + "@user_script: 12: -OOM command not allowed.").text ==
        "OOM command not allowed.");
  CHECK(classify("VERSION a script: b").text == "VERSION a script: b");
  CHECK(classify("ERR Error running script").text == "ERR Error running script");
  CHECK(classify("ERR Error running script @user_script:1: ").verdict == Verdict::unknown);
}

}  // namespace
}  // namespace dcoord::redis
