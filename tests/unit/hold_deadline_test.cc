#include "hold/deadline.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>

namespace {

using namespace dcoord;
using namespace dcoord::hold;
using std::chrono::milliseconds;
using std::chrono::seconds;

TimePoint at(Duration d) { return TimePoint(d); }

}  // namespace

TEST_CASE("hold deadline: its moments follow the lease's end", "[hold]") {
  Deadline d;
  d.start(at(seconds(30)), seconds(5), milliseconds(300));
  CHECK(d.valid_end() == at(seconds(30)));
  CHECK(d.kill_at() == at(milliseconds(29'700)));
  CHECK(d.term_at() == at(milliseconds(24'700)));
  CHECK(d.extend(at(seconds(40))));
  CHECK(d.kill_at() == at(milliseconds(39'700)));
  CHECK(d.extend(at(seconds(35))));  // never back
  CHECK(d.valid_end() == at(seconds(40)));
  CHECK_FALSE(d.ending());
}

TEST_CASE("hold deadline: without a lease there is none", "[hold]") {
  Deadline d;
  d.start(kNever, seconds(5), milliseconds(300));
  CHECK(d.valid_end() == kNever);
  CHECK(d.kill_at() == kNever);
  CHECK(d.term_at() == kNever);
  d.end_if_due(at(seconds(1'000'000)));
  CHECK_FALSE(d.ending());
  d.end(Reason::max_time, at(seconds(7)));
  CHECK(d.ending());
  CHECK(d.valid_end() == kNever);
  CHECK(d.kill_at() == at(seconds(7)));
}

TEST_CASE("hold deadline: ending cannot be turned back", "[hold]") {
  Deadline d;
  d.start(at(seconds(30)), seconds(5), seconds(1));
  d.end_if_due(at(seconds(23)));
  CHECK_FALSE(d.ending());
  SECTION("when its moment came") {
    d.end_if_due(at(seconds(24)));
    CHECK(d.ending());
    CHECK(d.reason() == Reason::lost);
  }
  SECTION("when somebody says so") {
    d.end(Reason::max_time, at(seconds(12)));
    CHECK(d.kill_at() == at(seconds(12)));
    d.end(Reason::lost, at(seconds(11)));  // the first reason stays, the earlier moment counts
    CHECK(d.reason() == Reason::max_time);
    CHECK(d.kill_at() == at(seconds(11)));
  }
  SECTION("never later than the lease") {
    d.end(Reason::lost, at(seconds(100)));
    CHECK(d.kill_at() == at(seconds(29)));
  }
  CHECK_FALSE(d.extend(at(seconds(60))));
  CHECK(d.valid_end() == at(seconds(30)));
}

TEST_CASE("hold deadline: a renewal and the ending exclude each other", "[hold]") {
  for (int round = 0; round < 2000; ++round) {
    Deadline d;
    d.start(at(seconds(30)), seconds(5), seconds(1));
    bool extended = false;
    std::thread other([&] { extended = d.extend(at(seconds(60))); });
    d.end_if_due(at(seconds(25)));
    other.join();
    CHECK(extended != d.ending());
    CHECK(d.valid_end() == at(seconds(extended ? 60 : 30)));
  }
}
