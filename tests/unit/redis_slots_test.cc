#include "redis/slots.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace dcoord::redis {
namespace {

TEST_CASE("slots: of keys, as CLUSTER KEYSLOT says") {
  CHECK(slot_of("123456789") == 0x31c3);
  CHECK(slot_of("") == 0);
  CHECK(slot_of("foo") == 12182);
  CHECK(slot_of("bar") == 5061);
  CHECK(slot_of("{foo}1") == 12182);
  CHECK(slot_of("a{foo}b{bar}") == 12182);
  CHECK(slot_of("dcoord:{17}:lock:a}b{c}") == slot_of("17"));
  CHECK(slot_of("{}foo") != slot_of("foo"));
  CHECK(slot_of("{foo") != slot_of("foo"));
  CHECK(slot_of("{{foo}}") == slot_of("{foo"));
}

Reply range(int first, int last, const Reply& host, int port) {
  return Reply::array({Reply::integer(first), Reply::integer(last),
                       Reply::array({host, Reply::integer(port), Reply::string("id")})});
}

TEST_CASE("slots: the map of a cluster") {
  SlotMap map;
  CHECK(map.owner(0) == nullptr);
  map.assign(7, {"h", 1});
  CHECK(*map.owner(7) == HostPort{"h", 1});
  CHECK(map.owner(6) == nullptr);

  map.load(Reply::array({range(0, 99, Reply::string("h"), 1), range(200, 16383, Reply::nil(), 2),
                         range(100, 100, Reply::string(""), 3)}),
           {"asked", 9});
  CHECK(*map.owner(0) == HostPort{"h", 1});
  CHECK(*map.owner(99) == HostPort{"h", 1});
  CHECK(*map.owner(100) == HostPort{"asked", 3});
  CHECK(map.owner(101) == nullptr);
  CHECK(*map.owner(16383) == HostPort{"asked", 2});

  map.forget({"h", 1});
  CHECK(map.owner(0) == nullptr);
  CHECK(*map.owner(100) == HostPort{"asked", 3});
  map.forget({"nobody", 1});
  CHECK(map.nodes().size() == 3);
  map.load(Reply::array({}), {"asked", 9});
  CHECK(map.owner(100) == nullptr);
}

}  // namespace
}  // namespace dcoord::redis
