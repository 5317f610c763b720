#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <sstream>

#include "support/checkers.h"
#include "support/good_history.h"

namespace dcoord::testing {
namespace {

/// "WHAT ID INVOKE RETURN OUTCOME KEY=VALUE..." a line; RETURN `-`: never.
History history_of(const std::string& lines) {
  History history;
  std::istringstream input(lines);
  for (std::string line; std::getline(input, line);) {
    std::istringstream words(line);
    Operation o;
    std::string returned, outcome;
    if (!(words >> o.what >> o.id >> o.invoke >> returned >> outcome)) continue;
    if (returned != "-") o.returned = std::stoll(returned);
    o.outcome = outcome == "done"      ? Operation::Outcome::done
                : outcome == "refused" ? Operation::Outcome::refused
                                       : Operation::Outcome::unknown;
    o.process = o.id;
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      o.with[word.substr(0, equals)] = word.substr(equals + 1);
    }
    history.push_back(std::move(o));
  }
  return history;
}

struct Bad {
  const char* name;
  const char* lines;
};

const Bad kBad[] = {
    {"exclusion.two_writers", "hold a 0 10 done mode=x fence=1\nhold b 9 20 done mode=x fence=2"},
    {"exclusion.two_writers",
     "hold a 0 - unknown mode=x fence=1\nhold b 90 95 done mode=x fence=2"},
    {"exclusion.reader_and_writer",
     "hold a 0 10 done mode=s fence=1\nhold b 1 5 done mode=s fence=2\nhold c 9 12 done mode=x "
     "fence=3"},
    {"exclusion.same_slot",
     "hold a 0 10 done mode=slot slot=1 limit=3 fence=1\nhold b 5 9 done mode=slot slot=1 limit=3 "
     "fence=2"},
    {"exclusion.too_many",
     "hold a 0 10 done mode=slot slot=0 limit=1 fence=1\nhold b 5 9 done mode=slot slot=1 limit=1 "
     "fence=2"},
    {"fence.not_rising", "hold a 0 10 done mode=x fence=7\nhold b 11 20 done mode=x fence=6"},
    {"fence.not_rising",
     "hold a 0 10 done mode=x fence=9\nhold b 11 12 done mode=x fence=7\nhold c 13 20 done mode=x "
     "fence=8"},
    {"fence.reused", "hold a 0 10 done mode=x fence=7\nhold b 11 20 done mode=x fence=7"},
    {"fence.missing", "hold a 0 10 done mode=x"},
    {"fence.inexact", "hold a 0 10 done mode=x fence=9007199254740993"},
    {"fifo.overtaken", "wait a 0 100 done placed=5\nwait b 6 50 done placed=8"},
    {"fifo.overtaken", "wait a 0 100 done placed=5 fence=9\nwait b 6 101 done placed=8 fence=8"},
    {"fifo.overtaken", "wait a 0 100 done placed=5 shared=0\nwait b 6 50 done placed=8 shared=1"},
    {"queue.lost", "push a 0 1 done item=i"},
    {"queue.lost",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=1 lease_end=9\nack c 4 5 "
     "refused receipt=r"},
    {"queue.invented", "found q 9 9 done item=i place=ready"},
    {"queue.invented", "take b 2 3 done item=i receipt=r attempt=1 lease_end=9"},
    {"queue.in_two_places",
     "push a 0 1 done item=i\nfound q 9 9 done item=i place=ready\nfound q 9 9 done item=i "
     "place=dead"},
    {"queue.done_twice",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=1 lease_end=4\nack b 5 6 "
     "done receipt=r\n"
     "take c 5 6 done item=i receipt=s attempt=2 lease_end=9\nack c 7 8 done receipt=s"},
    {"queue.done_and_kept",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=1 lease_end=9\nack b 4 5 "
     "done receipt=r\n"
     "found q 9 9 done item=i place=delayed"},
    {"queue.delivered_after_done",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=1 lease_end=9\nack b 4 5 "
     "done receipt=r\n"
     "take c 6 7 done item=i receipt=s attempt=2 lease_end=20"},
    {"queue.delivered_early",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=1 lease_end=30\n"
     "take c 6 7 done item=i receipt=s attempt=2 lease_end=40\nack c 8 9 done receipt=s"},
    {"queue.acked_without_delivery", "push a 0 1 done item=i\nack c 8 9 done receipt=s"},
    {"queue.same_receipt",
     "push a 0 1 done item=i\npush b 0 1 done item=j\ntake c 2 3 done item=i receipt=r attempt=1 "
     "lease_end=9\n"
     "take d 2 3 done item=j receipt=r attempt=1 lease_end=9"},
    {"queue.attempt_fell",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=2 lease_end=4\n"
     "take c 6 7 done item=i receipt=s attempt=1 lease_end=40\nack c 8 9 done receipt=s"},
    {"queue.attempt_not_counted",
     "push a 0 1 done item=i\ntake b 2 3 done item=i receipt=r attempt=1 lease_end=4\n"
     "take c 6 7 done item=i receipt=s attempt=1 lease_end=40\nack c 8 9 done receipt=s"},
    {"queue.refused_but_there", "push a 0 1 refused item=i\nfound q 9 9 done item=i place=ready"},
    {"state.not_linearizable",  // a stale read
     "set a 0 1 done value=1 version=5\nset b 2 3 done value=2 version=6\nget c 4 5 done value=1 "
     "version=5"},
    {"state.not_linearizable",  // two of one compare-and-set
     "set a 0 1 done value=1 version=5\nset b 2 9 done value=2 version=6 if_version=5\n"
     "set c 3 9 done value=3 version=7 if_version=5"},
    {"state.not_linearizable",  // an increment counted twice
     "incr a 0 1 done by=1 number=1 version=5\nincr b 2 3 done by=1 number=3 version=6"},
    {"state.not_linearizable",  // refused although nothing forbade it
     "set a 0 1 refused value=1 if_version=0"},
    {"state.not_linearizable",  // said to be not done, but seen
     "set a 0 1 refused value=1 if_version=9\nget b 2 3 done value=1 version=4"},
    {"state.not_linearizable",  // lost
     "set a 0 1 done value=1 version=5\nget c 4 5 done absent=1"},
    {"state.version_reused", "set a 0 1 done value=1 version=5\nset b 2 3 done value=2 version=5"},
    {"state.version_fell", "set a 0 1 done value=1 version=5\nset b 2 3 done value=2 version=4"},
    {"barrier.passed_early",
     "arrive a 0 5 done party=a generation=1 index=0 parties=2\narrive b 9 20 done party=b "
     "generation=1 index=1 parties=2"},
    {"barrier.passed_early", "arrive a 0 5 done party=a generation=1 index=0 parties=2"},
    {"barrier.index_twice",
     "arrive a 0 9 done party=a generation=1 index=0 parties=2\narrive b 1 9 done party=b "
     "generation=1 index=0 parties=2"},
    {"barrier.two_leaders",
     "arrive a 0 9 done party=a generation=1 index=0 parties=2 leads=1\n"
     "arrive b 1 9 done party=b generation=1 index=1 parties=2 leads=1"},
    {"barrier.counted_twice",
     "arrive a 0 9 done party=a generation=1 index=0 parties=2\narrive b 1 9 done party=a "
     "generation=1 index=1 parties=2"},
    {"barrier.passed_and_broken",
     "arrive a 0 9 done party=a generation=1 index=0 parties=2\narrive b 1 9 done party=b "
     "generation=1 index=1 parties=2\n"
     "arrive c 1 9 refused party=c generation=1"},
    {"barrier.generation_fell",
     "arrive a 0 9 refused party=a generation=2\narrive b 10 19 refused party=a generation=1"},
    {"barrier.not_told",
     "arrive a 0 9 done party=a generation=1 index=0 parties=2\narrive b 1 9 refused party=b "
     "generation=1"},
    {"job.two_at_once", "run a 0 10 done job=j attempt=1\nrun b 9 20 done job=j attempt=2"},
    {"job.succeeded_twice",
     "run a 0 10 done job=j attempt=1 result=success\nrun b 11 20 done job=j attempt=2 "
     "result=success"},
    {"job.before_dependency",
     "run a 0 10 done job=i attempt=1 result=success\nrun b 9 20 done job=j attempt=1 after=i"},
    {"job.before_dependency",
     "run a 0 5 done job=i attempt=1 result=failure\nrun b 9 20 done job=j attempt=1 after=i"},
    {"job.attempt_reused", "run a 0 5 done job=j attempt=1\nrun b 9 20 done job=j attempt=1"},
    {"liveness.stuck", "wait a 0 - unknown bound=100"},
    {"liveness.late", "wait a 0 101 refused bound=100"},
    {"liveness.key_left", "left k 0 0 done key=dcoord:{1}:lock:x"},
};

TEST_CASE("each checker flags histories that are bad in its way, by name") {
  for (const Bad& bad : kBad) {
    CAPTURE(bad.name, bad.lines);
    const Violations found = check_all(history_of(bad.lines));
    CAPTURE(text(found));
    CHECK(has(found, bad.name));
  }
  CHECK(std::size(kBad) >= 30);
}

TEST_CASE("10,000 histories of things that work, with crashes and lost answers, are not flagged") {
  size_t operations = 0;
  for (unsigned seed = 1; seed <= 10000; ++seed) {
    const History history = good_history(seed);
    operations += history.size();
    const Violations found = check_all(history);
    if (found.empty()) continue;
    CAPTURE(seed, text(found));
    FAIL("flagged");
  }
  CHECK(operations > 100000);
}

TEST_CASE("a history is read from the lines that workloads append") {
  const History history = parse_history(
      "begin 1 p hold 100 mode=x\n"
      "begin 2 q hold 50 mode=x\n"
      "end 1 200 done fence=7\n");
  REQUIRE(history.size() == 2);
  CHECK(history[0].id == "2");
  CHECK(history[0].outcome == Operation::Outcome::unknown);
  CHECK(history[0].returned == Operation::kNoReturn);
  CHECK(history[1].process == "p");
  CHECK(history[1].value("mode") == "x");
  CHECK(history[1].number("fence") == 7);
  CHECK(history[1].returned == 200);
  CHECK_THROWS(parse_history("end 9 200 done\n"));
  CHECK_THROWS(parse_history("begin 1 p hold\n"));
  CHECK_THROWS(parse_history("begin 1 p hold 1\nend 1 2 perhaps\n"));
}

}  // namespace
}  // namespace dcoord::testing
