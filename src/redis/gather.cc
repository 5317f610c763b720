#include "redis/gather.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/error.h"

namespace dcoord::redis {
namespace {

/// A plain command in a pipeline of scripts.
Call as_call(std::vector<std::string> command) {
  Call call;
  call.args = std::move(command);
  return call;
}

}  // namespace

Task<void> Gather::run_readers(std::vector<std::function<Task<void>()>> readers,
                               Patience patience) {
  pipelines_ = 0;
  pending_.clear();
  to_refresh_.clear();
  std::exception_ptr failure;
  const auto lane = [&](const std::function<Task<void>()>& reader) -> Task<void> {
    try {
      Task<void> reading = reader();
      co_await reading;
    } catch (const Error&) {
      failure = std::current_exception();
    }
    progress_.set();
  };
  std::vector<Task<void>> lanes;
  for (const auto& reader : readers) {
    lanes.push_back(lane(reader));
    loop_.start(lanes.back());
  }
  while (true) {
    const auto working = static_cast<size_t>(std::count_if(
        lanes.begin(), lanes.end(), [](const Task<void>& one) { return !one.done(); }));
    if (failure) std::rethrow_exception(failure);
    if (working == 0) break;
    if (pending_.size() == working) {
      Task<void> flushing = flush(patience);
      co_await flushing;
    } else {
      co_await progress_.wait();
    }
  }
}

Task<void> Gather::flush(Patience patience) {
  ++pipelines_;
  const std::vector<Pending*> pending = std::exchange(pending_, {});
  const auto refresh = std::exchange(to_refresh_, {});
  std::vector<Call> calls;
  for (const Pending* one : pending)
    calls.insert(calls.end(), one->calls.begin(), one->calls.end());
  for (const auto& command : refresh) calls.push_back(as_call(command));
  Task<std::vector<Answer>> running = runner_.run_all(std::move(calls), patience);
  std::vector<Answer> answers = co_await running;
  auto next = std::make_move_iterator(answers.begin());
  for (Pending* one : pending) {
    const auto end = next + static_cast<std::ptrdiff_t>(one->calls.size());
    one->answers.assign(next, end);
    next = end;
    one->answered.set();
  }
  for (const auto& command : refresh) known_[command] = *next++;
}

Task<std::vector<Answer>> Gather::ask(std::vector<Call> calls) {
  if (calls.empty()) co_return std::vector<Answer>();
  Pending mine(loop_);
  mine.calls = std::move(calls);
  pending_.push_back(&mine);
  progress_.set();
  co_await mine.answered.wait();
  co_return std::move(mine.answers);
}

Task<Answer> Gather::run(Call call, Patience patience) {
  std::vector<Call> calls;
  calls.push_back(std::move(call));
  Task<std::vector<Answer>> running = run_all(std::move(calls), patience);
  std::vector<Answer> answers = co_await running;
  co_return std::move(answers.front());
}

Task<std::vector<Answer>> Gather::run_all(std::vector<Call> calls, Patience) {
  const bool writes = std::any_of(calls.begin(), calls.end(), [](const Call& call) {
    return call.script != nullptr && call.script->writes;
  });
  if (writes) co_return std::vector<Answer>(calls.size());
  Task<std::vector<Answer>> asking = ask(std::move(calls));
  co_return co_await asking;
}

Task<std::vector<Answer>> Gather::run_commands(std::vector<std::vector<std::string>> commands,
                                               Patience) {
  std::vector<Answer> answers;
  for (const auto& command : commands) {
    const auto found = known_.find(command);
    if (found == known_.end()) break;
    answers.push_back(found->second);
  }
  if (answers.size() == commands.size()) {
    to_refresh_.insert(to_refresh_.end(), commands.begin(), commands.end());
    co_return answers;
  }
  std::vector<Call> calls;
  for (const auto& command : commands) calls.push_back(as_call(command));
  Task<std::vector<Answer>> asking = ask(std::move(calls));
  answers = co_await asking;
  for (size_t i = 0; i < commands.size(); ++i) known_[commands[i]] = answers[i];
  co_return answers;
}

Task<std::optional<std::string>> Gather::wait_message(std::string, TimePoint) {
  throw internal_error("a reader waits for no message");
}

}  // namespace dcoord::redis
