#include "primitives/holder.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <string>

using namespace dcoord::primitives;

TEST_CASE("a holder is read back as it was written") {
  Holder who = this_process("owner", "make deploy", "label");
  who.proposal = "proposal";
  who.within = "0123456789ab ba9876543210";
  who.guard = 4711;
  who.guard_start = 123456789012;
  const Holder read = decode_holder(encode(who));
  CHECK(read.owner == "owner");
  CHECK(read.command == "make deploy");
  CHECK(read.pid == getpid());
  CHECK(read.start_time == start_time_of(getpid()));
  CHECK(read.start_time > 0);
  CHECK(read.boot_id == who.boot_id);
  CHECK(read.proposal == "proposal");
  CHECK(read.within == who.within);
  CHECK(read.guard == 4711);
  CHECK(read.guard_start == 123456789012);
}

TEST_CASE("a record that ends earlier, as older ones do, has nothing in what is missing") {
  const std::string old =
      "owner\x1fhost\x1f"
      "42\x1fuser\x1f"
      "command\x1flabel\x1f"
      "boot\x1fns\x1f"
      "7\x1flink\x1f"
      "proposal\x1f";
  const Holder who = decode_holder(old);
  CHECK(who.host == "host");
  CHECK(who.start_time == 7);
  CHECK(who.proposal == "proposal");
  CHECK(who.within.empty());
  CHECK(who.guard == 0);
  CHECK(encode(who) == old);
}

TEST_CASE("what is empty at the end takes no room") {
  Holder who;
  who.owner = "o";
  who.host = "h";
  CHECK(encode(who).size() < 20);
  CHECK(decode_holder(encode(who)).host == "h");
  CHECK(decode_holder(encode(Holder())).owner.empty());
}
