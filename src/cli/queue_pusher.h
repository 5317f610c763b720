#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/task.h"
#include "cli/queue_input.h"
#include "primitives/queue.h"

namespace dcoord::cli {

class Context;

struct PushWishes {
  std::string name;
  std::vector<std::string> items;
  std::string file;
  bool null = false, whole = false, json_lines = false;
  std::optional<long long> batch_size;
  Duration batch_timeout = std::chrono::milliseconds(100);
  primitives::PushOptions push;
  long long priority = primitives::kNormalPriority;
  std::optional<Duration> wait;
  long long max_size = 1 << 20;
  long long resume_from = 0;
  std::string request_id;
};

/// Pushes a stream of items in batches, each once however often it is sent. What ends it tells how
/// far it came, and how to go on from there.
class QueuePusher {
 public:
  QueuePusher(Context& context, const PushWishes& wishes);

  Task<void> push_all(std::vector<std::string> items);
  Task<void> push_input(int fd, Framing framing);

 private:
  size_t max_size() const { return static_cast<size_t>(o_.max_size); }
  bool json() const;
  bool take(ItemReader& reader, std::string& item);
  void gather(std::string item);
  bool full() const;
  Error with_progress(const Error& error) const;
  std::vector<primitives::PushBatch> batches();
  Task<void> send();
  Error queue_full() const;
  void take_answer(const primitives::Pushed& answer, long long end);
  void print_ids(const primitives::Pushed& answer);
  void print_id(long long id, bool duplicate);
  void show_progress();

  Context& context_;
  const PushWishes& o_;
  primitives::Keys keys_;
  primitives::Queue queue_;
  const std::string producer_;
  long long position_;
  long long batch_, group_;
  std::vector<std::string> items_;
  size_t bytes_ = 0;
  long long length_ = 0;
  TimePoint started_, next_progress_{};
  bool shows_progress_;
};

}  // namespace dcoord::cli
