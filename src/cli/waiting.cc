#include "cli/waiting.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"

namespace dcoord::cli {

using namespace std::chrono_literals;

WaitingLine::WaitingLine(Loop& loop, const Config& config, std::string what)
    : loop_(loop),
      rewrite_(config.progress == Config::Progress::automatic && log::settings().rewrite),
      silent_(config.progress == Config::Progress::none),
      what_(std::move(what)),
      started_(loop.now()) {
  if (silent_) return;
  telling_ = tell();
  loop_.start(telling_);
}

WaitingLine::~WaitingLine() { log::clear_progress(); }

void WaitingLine::update(const primitives::LockWaiting& waiting) {
  latest_ = waiting;
  latest_at_ = loop_.now();
}

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
  const TimePoint now = loop_.now();
  std::string text = fmt::format("waiting for {}", what_);
  if (!latest_) return text + ": no answer from Redis yet";
  const auto& holder = latest_->holder;
  if (!holder.host.empty()) {
    text += fmt::format(": held by {}:{} for {}", holder.host, holder.pid,
                        format_age(latest_->held_for + (now - latest_at_)));
    if (!holder.label.empty())
      text += fmt::format(" [{}]", holder.label);
    else if (!holder.command.empty())
      text += fmt::format(" ({})", holder.command.substr(0, 60));
  }
  text += fmt::format(", place {} of {}", latest_->place + 1, latest_->in_line);
  if (!holder.link.empty() && !rewrite_) text += fmt::format(", see {}", holder.link);
  return text + fmt::format(", waited {}", format_age(now - started_));
}

}  // namespace dcoord::cli
