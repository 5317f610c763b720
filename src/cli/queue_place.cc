#include "cli/queue_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/context.h"
#include "cli/queue_verbs.h"

namespace dcoord::cli {
namespace {

using namespace primitives;

constexpr std::string_view kHole = "{}";

void fill(std::string& word, const std::string& payload) {
  for (size_t at = word.find(kHole); at != word.npos; at = word.find(kHole, at + payload.size()))
    word.replace(at, kHole.size(), payload);
}

Error no_input() {
  return Error(ExitCode::internal, "system",
               fmt::format("cannot hand an item to its command: {}", std::strerror(errno)));
}

}  // namespace

QueuePlace::QueuePlace(Context& context, const CommandOptions& options, const LeaseTimes& times,
                       hold::Supervisor& supervisor, QueueDesk& desk, std::string queue, int place)
    : context_(context),
      options_(options),
      times_(times),
      supervisor_(supervisor),
      desk_(desk),
      queue_(std::move(queue)),
      place_(place),
      errors_(context.loop()) {
  // Of -c, the string is a program: an item in it would be part of the program.
  if (!context.tail()) return;
  in_arguments_ = std::any_of(context.tail()->begin(), context.tail()->end(),
                              [](const auto& word) { return word.find(kHole) != word.npos; });
}

hold::Command QueuePlace::command_for(const QueueItem& item) const {
  hold::Command command = options_.command(context_);
  if (in_arguments_) {
    for (auto& word : command.argv) fill(word, item.payload);
  }
  command.env = {{"DCOORD_QUEUE", queue_},
                 {"DCOORD_ITEM_ID", item.id},
                 {"DCOORD_ATTEMPT", std::to_string(item.attempt)},
                 {"DCOORD_RECEIPT", shown_receipt(item.receipt, queue_)}};
  return command;
}

/// A file in memory: no command can block on it, and none has to be fed while it runs.
UniqueFd QueuePlace::input_for(const QueueItem& item) const {
  if (in_arguments_) {
    UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) throw no_input();
    return null;
  }
  UniqueFd input(memfd_create("dcoord-item", MFD_CLOEXEC));
  if (!input) throw no_input();
  std::string_view left = item.payload;
  while (!left.empty()) {
    const ssize_t n = write(input.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw no_input();
    left.remove_prefix(static_cast<size_t>(n));
  }
  lseek(input.get(), 0, SEEK_SET);
  return input;
}

Task<ItemEnd> QueuePlace::run(QueueItem item, TimePoint valid_end) {
  ItemEnd unfit;
  unfit.what = ItemEnd::What::unfit;
  if (in_arguments_ && item.payload.find('\0') != item.payload.npos) {
    unfit.text = "a NUL byte cannot be part of an argument; without {} items are read from stdin";
    co_return unfit;
  }
  hold::Command command = command_for(item);
  UniqueFd input = input_for(item);
  command.input = input.get();
  command.errors = errors_.descriptor();
  errors_.begin();
  HeldLease::Lease lease;
  lease.renew = [this, receipt = item.receipt](TimePoint until) {
    return desk_.extend(receipt, times_.ttl, until);
  };
  lease.times = times_;
  lease.valid_end = valid_end;
  HeldLease held(context_, supervisor_, std::move(lease), place_);
  const hold::Options options = options_.hold_options(times_, std::nullopt);
  Task<hold::Outcome> running = held.run(std::move(command), options);
  const hold::Outcome outcome = co_await running;
  held.stop();
  input.reset();
  Task<void> finishing = errors_.finish();
  co_await finishing;
  const bool too_long =
      outcome.ending == hold::Ending::not_started && in_arguments_ && outcome.exec_errno == E2BIG;
  if (too_long) {
    unfit.text = "too long for an argument; without {} items are read from stdin";
    co_return unfit;
  }
  co_return end_of(outcome, held);
}

ItemEnd QueuePlace::end_of(const hold::Outcome& outcome, const HeldLease& held) const {
  using What = ItemEnd::What;
  ItemEnd end;
  if (!outcome.tree_ended) end.survivors = outcome.survivors;
  switch (outcome.ending) {
    case hold::Ending::not_started:
      end.what = What::not_started;
      end.exec_errno = outcome.exec_errno;
      return end;
    case hold::Ending::lost:
      end.what = What::lost;
      end.text = held.loss() ? held.loss()->text : "its lease ended";
      return end;
    case hold::Ending::stopped:
      end.what = What::stopped;
      return end;
    case hold::Ending::max_time:
      end.code = to_int(ExitCode::timed_out);
      break;
    case hold::Ending::by_itself:
      end.code = wait_code(outcome.status);
  }
  if (end.code == 0) return end;
  end.what = What::failed;
  end.text = errors_.tail();
  return end;
}

}  // namespace dcoord::cli
