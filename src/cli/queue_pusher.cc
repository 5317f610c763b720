#include "cli/queue_pusher.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/token.h"
#include "cli/context.h"
#include "cli/held.h"
#include "output/payload.h"

namespace dcoord::cli {
namespace {

using namespace primitives;
using namespace std::chrono_literals;

constexpr size_t kGroupBytes = 2 << 20;    // in one pipeline
constexpr size_t kBatchBytes = 256 << 10;  // in one script
constexpr long long kGroupBatches = 16;
constexpr Duration kLook = 10s;  // who waits for room and is not called looks again
// Of input that comes as fast as it is read; of other input a batch is sent sooner.
constexpr long long kFastBatch = 500, kSlowBatch = 50;

/// How many items one script takes.
long long most_in_batch(const PushOptions& push) {
  const bool plain =
      push.delay == Duration::zero() && push.lane.empty() && push.priority == kNormalPriority;
  return plain ? kMostPushed : kMostMoved;
}

}  // namespace

QueuePusher::QueuePusher(Context& context, const PushWishes& o)
    : context_(context),
      o_(o),
      keys_(context.config().key_namespace),
      queue_(context.loop(), context.scripts(), keys_, o.name),
      producer_(o.request_id.empty() ? random_token() : request_token(o.request_id)),
      position_(o.resume_from),
      batch_(std::min(o.batch_size.value_or(kFastBatch), most_in_batch(o.push))),
      // One after the other where the next one depends on what became of the last.
      group_(o.push.max_length > 0 || json() ? batch_ : batch_ * kGroupBatches),
      started_(context.loop().now()),
      shows_progress_(log::settings().rewrite &&
                      context.config().progress == Config::Progress::automatic) {}

Task<void> QueuePusher::push_all(std::vector<std::string> items) {
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].size() > max_size())
      refuse_large_item(static_cast<long long>(i) + 1, items[i].size(), max_size());
  for (auto& item : items) {
    gather(std::move(item));
    if (full()) co_await send();
  }
  co_await send();
}

Task<void> QueuePusher::push_input(int fd, Framing framing) {
  ItemReader reader(context_.loop(), fd, framing, max_size());
  const long long enough = o_.batch_size.value_or(kSlowBatch);
  TimePoint until = kNever;
  std::string item;
  while (true) {
    if (take(reader, item)) {
      if (reader.count() <= o_.resume_from) continue;
      if (items_.empty()) until = add(context_.loop().now(), o_.batch_timeout);
      gather(std::move(item));
      if (full()) co_await send();
      continue;
    }
    if (reader.at_end()) break;
    const bool waits = static_cast<long long>(items_.size()) >= enough && !reader.ready();
    const bool more = waits ? false : co_await reader.fill(items_.empty() ? kNever : until);
    if (!more) co_await send();
  }
  co_await send();
  if (reader.count() < o_.resume_from) {
    throw Error(ExitCode::data, "resume",
                fmt::format("--resume-from {}: the input has {} items only", o_.resume_from,
                            reader.count()));
  }
}

bool QueuePusher::json() const { return context_.json(); }

/// The next item of the input, checked. What is wrong with one stops all that is not sent yet.
bool QueuePusher::take(ItemReader& reader, std::string& item) {
  try {
    if (!reader.pop(item)) return false;
    if (o_.json_lines && !output::is_json(item)) {
      throw Error(ExitCode::data, "invalid_json",
                  fmt::format("line {} is not JSON", reader.count()));
    }
    return true;
  } catch (const Error& error) {
    throw with_progress(error);
  }
}

void QueuePusher::gather(std::string item) {
  bytes_ += item.size();
  items_.push_back(std::move(item));
}

bool QueuePusher::full() const {
  return static_cast<long long>(items_.size()) >= group_ || bytes_ >= kGroupBytes;
}

/// What was pushed of an input, and how to go on behind it.
Error QueuePusher::with_progress(const Error& error) const {
  std::string hint = error.hint();
  if (position_ > 0) {
    if (!hint.empty()) hint += "; ";
    hint += fmt::format("{} items were pushed: go on with --request-id {} --resume-from {}",
                        position_, producer_, position_);
  } else if (error.code() == ExitCode::unknown) {
    hint = fmt::format("run it again with --request-id {}: nothing is pushed twice", producer_);
  } else {
    hint += hint.empty() ? "nothing was pushed" : "; nothing was pushed";
  }
  return Error(error.code(), error.kind(), error.what(), hint);
}

/// Cuts what was gathered into batches.
std::vector<PushBatch> QueuePusher::batches() {
  std::vector<PushBatch> out;
  size_t bytes = 0;
  long long position = position_;
  for (auto& item : items_) {
    const bool fits = !out.empty() && static_cast<long long>(out.back().items.size()) < batch_ &&
                      bytes + item.size() <= kBatchBytes;
    if (!fits) {
      out.emplace_back();
      out.back().position = position;
      out.back().follows = out.size() == 1;  // all before was answered
      bytes = 0;
    }
    bytes += item.size();
    ++position;
    if (o_.push.max_length > 0)
      out.back().items.push_back(item);
    else
      out.back().items.push_back(std::move(item));
  }
  return out;
}

Task<void> QueuePusher::send() {
  const TimePoint until = add(context_.loop().now(), o_.wait.value_or(Duration::zero()));
  while (!items_.empty()) {
    std::vector<PushBatch> out = batches();
    // With a limit the answer to one decides on the next.
    if (o_.push.max_length > 0) out.resize(1);
    const long long before = position_;
    std::vector<long long> ends;
    for (const PushBatch& batch : out)
      ends.push_back(batch.position + static_cast<long long>(batch.items.size()));
    std::optional<Error> failure;
    try {
      Task<std::vector<Pushed>> pushing =
          queue_.push(producer_, o_.push, std::move(out), context_.patience());
      const std::vector<Pushed> answers = co_await pushing;
      for (size_t i = 0; i < answers.size(); ++i) take_answer(answers[i], ends[i]);
    } catch (const Error& error) {
      failure.emplace(with_progress(error));
    }
    if (failure) throw *failure;
    const auto gone = static_cast<std::ptrdiff_t>(
        std::min<long long>(position_ - before, static_cast<long long>(items_.size())));
    items_.erase(items_.begin(), items_.begin() + gone);
    show_progress();
    if (gone > 0) continue;
    if (context_.loop().now() >= until) throw with_progress(queue_full());
    const TimePoint look_at = std::min(until, add(context_.loop().now(), kLook));
    co_await queue_.wait(producer_, look_at);
  }
  bytes_ = 0;
}

Error QueuePusher::queue_full() const {
  return Error(ExitCode::refused, "full",
               fmt::format("queue '{}' is full: {} items, --max-length {}", queue_.name(), length_,
                           o_.push.max_length),
               o_.wait ? "" : "-w waits for room");
}

/// The answer to a batch that ends at a position.
void QueuePusher::take_answer(const Pushed& answer, long long end) {
  switch (answer.what) {
    case Pushed::What::pushed:
    case Pushed::What::again:
      position_ = std::min(end, answer.behind);
      print_ids(answer);
      break;
    case Pushed::What::duplicate:
      ++position_;
      log::note(1, fmt::format("an item with the id '{}' was pushed before", o_.push.id));
      if (json()) print_id(0, true);
      break;
    case Pushed::What::full:
      length_ = answer.length;
      break;
    case Pushed::What::gap:
      throw Error(ExitCode::unavailable, "gap",
                  fmt::format("the server has only {} of the {} items that it said it had",
                              answer.behind, position_),
                  "it lost data: see its persistence settings");
  }
}

void QueuePusher::print_ids(const Pushed& answer) {
  if (!json()) return;
  for (long long i = 0; i < answer.count; ++i)
    print_id(answer.first_id == 0 ? 0 : answer.first_id + i, false);
}
void QueuePusher::print_id(long long id, bool duplicate) {
  output::Record record;
  if (id == 0)
    record.add_null("id");
  else
    record.add("id", std::to_string(id));
  if (duplicate) record.add_bool("duplicate", true);
  context_.printer().print(record);
}

void QueuePusher::show_progress() {
  if (!shows_progress_) return;
  const TimePoint now = context_.loop().now();
  if (now < next_progress_) return;
  next_progress_ = now + 200ms;
  const double seconds = std::chrono::duration<double>(now - started_).count();
  log::progress(
      fmt::format("dcoord: pushed {} items, {:.0f}/s", position_,
                  seconds > 0 ? static_cast<double>(position_ - o_.resume_from) / seconds : 0));
}

}  // namespace dcoord::cli
