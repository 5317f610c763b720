#include "cli/batch_funnel.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "redis/runner.h"

namespace dcoord::cli {
namespace {

// A thing remembers its last 16 requests: more must not be under way at once, or one that is sent
// again after a lost connection would be done twice.
constexpr int kMostOfOneKey = 16;

}  // namespace

/// The end that a command has.
class BatchFunnel::Mouth : public redis::ScriptRunner {
 public:
  Mouth(BatchFunnel& funnel, bool checked) : funnel_(funnel), checked_(checked) {}

  Task<redis::Answer> run(redis::Call call, redis::Patience patience) override {
    std::vector<redis::Call> calls;
    calls.push_back(std::move(call));
    Task<std::vector<redis::Answer>> asking = funnel_.ask(std::move(calls), {}, checked_, patience);
    std::vector<redis::Answer> answers = co_await asking;
    if (answers.front().error) throw *answers.front().error;
    co_return std::move(answers.front());
  }
  Task<std::vector<redis::Answer>> run_all(std::vector<redis::Call> calls,
                                           redis::Patience patience) override {
    Task<std::vector<redis::Answer>> asking = funnel_.ask(std::move(calls), {}, checked_, patience);
    std::vector<redis::Answer> answers = co_await asking;
    for (const redis::Answer& answer : answers) {
      if (answer.error) throw *answer.error;
    }
    co_return answers;
  }
  Task<std::vector<redis::Answer>> run_commands(std::vector<std::vector<std::string>> commands,
                                                redis::Patience patience) override {
    Task<std::vector<redis::Answer>> asking =
        funnel_.ask({}, std::move(commands), checked_, patience);
    std::vector<redis::Answer> answers = co_await asking;
    for (const redis::Answer& answer : answers) {
      if (answer.error) throw *answer.error;
    }
    co_return answers;
  }
  Task<std::optional<std::string>> wait_message(std::string, TimePoint) override {
    throw internal_error("a command of a batch waits");
  }

 private:
  BatchFunnel& funnel_;
  const bool checked_;
};

BatchFunnel::BatchFunnel(Context& context)
    : context_(context),
      event_(context.loop()),
      plain_(std::make_unique<Mouth>(*this, false)),
      checked_(std::make_unique<Mouth>(*this, true)) {}

BatchFunnel::~BatchFunnel() = default;

redis::ScriptRunner& BatchFunnel::runner(const Context::Storage& storage) {
  // Or a lock would be taken on the first of them alone.
  if (context_.config().targets.size() > 1)
    throw usage_error("a batch goes to one server", "give one URL");
  if (storage.replicas > 0)
    throw usage_error("--replicas does not go into a batch", "run that command by itself");
  return storage.refuse_eviction ? *checked_ : *plain_;
}

Task<std::vector<redis::Answer>> BatchFunnel::ask(std::vector<redis::Call> calls,
                                                  std::vector<std::vector<std::string>> commands,
                                                  bool checked, redis::Patience patience) {
  if (calls.empty() && commands.empty()) co_return std::vector<redis::Answer>();
  Question question(context_.loop());
  question.calls = std::move(calls);
  question.commands = std::move(commands);
  question.checked = checked;
  question.patience = patience;
  asked_.push_back(&question);
  event_.set();
  co_await question.answered.wait();
  co_return std::move(question.answers);
}

/// As many as can go together, in order.
std::vector<BatchFunnel::Question*> BatchFunnel::next_pipeline() {
  std::vector<Question*> questions;
  std::map<std::string, int, std::less<>> keys;
  while (!asked_.empty()) {
    Question* const next = asked_.front();
    const bool fits =
        questions.empty() || (questions.front()->commands.empty() == next->commands.empty() &&
                              questions.front()->checked == next->checked);
    const bool room = std::all_of(next->calls.begin(), next->calls.end(), [&](const auto& call) {
      return ++keys[call.keys.front()] <= kMostOfOneKey || questions.empty();
    });
    if (!fits || !room) break;
    questions.push_back(next);
    asked_.pop_front();
  }
  return questions;
}

Task<void> BatchFunnel::flush() {
  while (!asked_.empty()) {
    Task<void> sending = send(next_pipeline());
    co_await sending;
  }
}

Task<void> BatchFunnel::send(std::vector<Question*> questions) {
  redis::Patience patience = questions.front()->patience;
  std::vector<redis::Call> calls;
  std::vector<std::vector<std::string>> commands;
  std::vector<size_t> sizes;
  for (Question* question : questions) {
    patience.until = std::max(patience.until, question->patience.until);
    patience.connect_until = std::max(patience.connect_until, question->patience.connect_until);
    sizes.push_back(question->calls.size() + question->commands.size());
    std::move(question->calls.begin(), question->calls.end(), std::back_inserter(calls));
    std::move(question->commands.begin(), question->commands.end(), std::back_inserter(commands));
  }
  redis::ScriptRunner& to = server(questions.front()->checked);
  const size_t count = calls.size() + commands.size();
  std::vector<redis::Answer> answers;
  std::optional<Error> failure;
  try {
    Task<std::vector<redis::Answer>> running = commands.empty()
                                                   ? to.run_each(std::move(calls), patience)
                                                   : to.run_commands(std::move(commands), patience);
    answers = co_await running;
  } catch (const Error& error) {
    failure.emplace(error);
  }
  if (failure) {
    answers.assign(count, redis::Answer{redis::Reply::nil(), context_.loop().now()});
    for (redis::Answer& answer : answers) answer.error = failure;
  }
  size_t at = 0;
  for (size_t i = 0; i < questions.size(); ++i) {
    const auto from = answers.begin() + static_cast<std::ptrdiff_t>(at);
    at += sizes[i];
    std::move(from, from + static_cast<std::ptrdiff_t>(sizes[i]),
              std::back_inserter(questions[i]->answers));
    questions[i]->answered.set();
  }
}

/// A server that was found to drop nothing serves all.
redis::ScriptRunner& BatchFunnel::server(bool checked) {
  if (!server_ || (checked && !server_checked_)) {
    redis::SessionOptions options = context_.session_options();
    options.refuse_eviction = checked;
    server_ = context_.traced(
        context_.loop(),
        redis::make_runner(context_.loop(), context_.config().targets.front(), options));
    server_checked_ = checked;
  }
  return *server_;
}

}  // namespace dcoord::cli
