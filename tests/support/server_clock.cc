#include "support/server_clock.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <stdexcept>

#include "base/unique_fd.h"

namespace dcoord::testing {
namespace {

constexpr size_t kSize = 3 * sizeof(int64_t);  // the last two stay 0: it stands still

std::string file_in(const TemporaryDirectory& directory) { return directory.path() + "/clock"; }

}  // namespace

ServerClock::ServerClock() {
  const UniqueFd fd(open(file_in(directory_).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  void* map = MAP_FAILED;
  if (fd && ftruncate(fd.get(), kSize) == 0)
    map = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) throw std::runtime_error("cannot make a clock");
  microseconds_ = static_cast<volatile int64_t*>(map);
  set(Millis(20000LL * 86400 * 1000));
}

ServerClock::~ServerClock() { munmap(const_cast<int64_t*>(microseconds_), kSize); }

std::vector<std::string> ServerClock::variables() const {
  return {"LD_PRELOAD=" DCOORD_TEST_CLOCK_SHIM, "DCOORD_TEST_CLOCK=" + file_in(directory_)};
}

}  // namespace dcoord::testing
