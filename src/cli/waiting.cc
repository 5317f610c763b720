#include "cli/waiting.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"

namespace dcoord::cli {

using namespace std::chrono_literals;

WaitingLine::WaitingLine(Loop& loop, const Config& config, std::string what,
                         std::function<std::string(bool)> state)
    : loop_(loop),
      rewrite_(config.progress == Config::Progress::automatic && log::settings().rewrite),
      silent_(config.progress == Config::Progress::none),
      what_(std::move(what)),
      state_(std::move(state)),
      started_(loop.now()) {
  if (silent_) return;
  telling_ = tell();
  loop_.start(telling_);
}

WaitingLine::~WaitingLine() { log::clear_progress(); }

Task<void> WaitingLine::tell() {
  co_await loop_.sleep(1s);
  while (true) {
    if (rewrite_)
      log::progress("dcoord: " + line());
    else
      log::note(0, line());
    co_await loop_.sleep(rewrite_ ? Duration(1s) : Duration(60s));
  }
}

std::string WaitingLine::line() const {
  return fmt::format("waiting for {}{}, waited {}", what_, state_(!rewrite_),
                     format_age(loop_.now() - started_));
}

}  // namespace dcoord::cli
