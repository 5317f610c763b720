#include "primitives/servers.h"

#include <algorithm>

#include "primitives/protocol.h"

namespace dcoord::primitives {

using namespace std::chrono_literals;

namespace {
// Whoever frees something tells so on all servers: the other messages come right behind the first.
constexpr Duration kSameNews = 5ms;
}  // namespace

struct Servers::Round {
  Round(Loop& loop, size_t servers) : answers(servers), progress(loop) {}
  Answers answers;
  size_t woken = 0;
  Event progress;
};

Servers::Servers(Loop& loop, std::vector<redis::ScriptRunner*> runners,
                 std::vector<std::string> names)
    : loop_(loop), runners_(std::move(runners)), names_(std::move(names)), lanes_(size()) {}

Task<void> Servers::run_on(size_t i, redis::Call call, std::string what, TimePoint until,
                           std::shared_ptr<Round> round) {
  ServerAnswer& mine = round->answers[i];
  const redis::Script* const script = call.script;
  const redis::Patience patience{until, until};
  try {
    Task<redis::Answer> running = runners_[i]->run(std::move(call), patience);
    redis::Answer answer = co_await running;
    check_reply(*script, answer.reply, what);
    mine.answer.emplace(std::move(answer));
  } catch (const Error& error) {
    mine.error.emplace(error);
  }
  round->progress.set();
}

Task<Servers::Answers> Servers::ask(Calls calls, std::string what, TimePoint until,
                                    std::function<bool(const Answers&)> enough) {
  const auto round = std::make_shared<Round>(loop_, size());
  const TimePoint start = loop_.now();
  for (size_t i = 0; i < size(); ++i) {
    if (!calls[i]) continue;
    round->answers[i].asked = true;
    lanes_[i].cancel();  // before its runner is used again
    lanes_[i] = run_on(i, std::move(*calls[i]), what, until, round);
    loop_.start(lanes_[i]);
  }
  TimePoint end = kNever;
  const auto done = [](const ServerAnswer& answer) { return answer.done(); };
  while (!std::all_of(round->answers.begin(), round->answers.end(), done)) {
    const TimePoint now = loop_.now();
    if (end == kNever && enough && enough(round->answers)) end = now + (now - start) + 2ms;
    if (now >= end) break;
    co_await round->progress.wait(end);
  }
  co_return round->answers;
}

Task<void> Servers::listen_on(size_t i, std::string mailbox, TimePoint until, OnMessage on_message,
                              std::shared_ptr<Round> round) {
  try {
    while (loop_.now() < until) {
      Task<std::optional<std::string>> waiting = runners_[i]->wait_message(mailbox, until);
      const std::optional<std::string> message = co_await waiting;
      // None: at the end, or cut short, and then the others tell.
      if (message) until = on_message(*message, until);
    }
    ++round->woken;
  } catch (const Error&) {  // it may not wait there; messages are hints
  }
  round->progress.set();
}

Task<void> Servers::listen(std::string mailbox, TimePoint until, OnMessage on_message) {
  const auto round = std::make_shared<Round>(loop_, size());
  for (size_t i = 0; i < size(); ++i) {
    lanes_[i].cancel();
    lanes_[i] = listen_on(i, mailbox, until, on_message, round);
    loop_.start(lanes_[i]);
  }
  while (round->woken == 0 && loop_.now() < until) co_await round->progress.wait(until);
  const TimePoint end = loop_.now() + kSameNews;
  while (round->woken < size() && loop_.now() < end) co_await round->progress.wait(end);
  for (Task<void>& lane : lanes_) lane.cancel();
}

Task<void> Servers::wait_for_look(std::string mailbox, TimePoint look) {
  OnMessage on_message = [this](const std::string& message, TimePoint until) {
    const Duration delay = look_delay(message).value_or(Duration::zero());
    return std::min(until, add(loop_.now(), delay));
  };
  return listen(std::move(mailbox), look, std::move(on_message));
}

Task<bool> Servers::hear(std::string mailbox, std::string word, TimePoint until) {
  bool heard = false;
  OnMessage on_message = [&](const std::string& message, TimePoint end) {
    heard = heard || message == word;
    return heard ? loop_.now() : end;
  };
  Task<void> listening = listen(std::move(mailbox), until, std::move(on_message));
  co_await listening;
  co_return heard;
}

}  // namespace dcoord::primitives
