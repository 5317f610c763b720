#include "cli/hold.h"

#include <catch2/catch_test_macros.hpp>
#include <new>
#include <system_error>

#include "base/error.h"

namespace dcoord::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a renewal that fails in a way that nobody thought of is tried again") {
  SystemClock clock;
  Loop loop(clock);
  cli::LeaseTimes times;
  times.ttl = 3s;
  times.renew_every = 10ms;
  times.attempt = 10ms;
  times.margin = 500ms;
  int asked = 0;
  bool lost = false;
  Event extended(loop);
  cli::LeaseKeeper::Hooks hooks;
  hooks.renew = [&](TimePoint) -> Task<cli::LeaseKeeper::RenewResult> {
    switch (++asked) {
      case 1:
        throw std::bad_alloc();
      case 2:
        throw std::system_error(std::make_error_code(std::errc::too_many_files_open));
      case 3:
        throw Error(ExitCode::unavailable, "unreachable", "no answer");
      default:
        break;
    }
    primitives::LockRenewed renewed;
    renewed.valid_end = loop.now() + 3s;
    co_return renewed;
  };
  hooks.extended = [&](TimePoint) {
    extended.set();
    return true;
  };
  hooks.lost = [&](const cli::LossReason&) { lost = true; };
  cli::LeaseKeeper keeper(loop, times, loop.now() + times.ttl, std::move(hooks));
  keeper.start();
  auto wait = [](Event& event, TimePoint until) -> Task<bool> {
    co_return co_await event.wait(until);
  };
  CHECK(loop.run(wait(extended, loop.now() + 10s)));
  CHECK(asked == 4);
  CHECK_FALSE(lost);
}

}  // namespace
}  // namespace dcoord::testing
