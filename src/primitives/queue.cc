#include "primitives/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/duration.h"
#include "base/error.h"
#include "primitives/protocol.h"
#include "primitives/queue_internal.h"
#include "redis/scripts.h"

namespace dcoord::primitives {
namespace {

namespace scripts = redis::scripts;
using redis::Answer;
using redis::Patience;
using redis::Reply;

constexpr size_t kConsuming = 8, kAllParts = 9;

Pushed decode_push(const Reply& r) {
  using What = Pushed::What;
  const std::string_view word = r.word();
  Pushed p;
  if (word == "pushed" || word == "again") {
    p.what = word == "pushed" ? What::pushed : What::again;
    p.first_id = r.at(1).number();
    p.count = r.at(2).number();
    p.behind = r.at(3).number();
    if (p.what == What::pushed) p.length = r.at(4).number();
  } else if (word == "duplicate") {
    p.what = What::duplicate;
  } else if (word == "full") {
    p.what = What::full;
    p.length = r.at(1).number();
  } else if (word == "gap") {
    p.what = What::gap;
    p.behind = r.at(1).number();
  } else {
    throw unexpected_reply(scripts::queue_push, r);
  }
  return p;
}

Taken decode_taken(const Reply& r, TimePoint sent) {
  Taken taken;
  taken.valid_end = sent + Millis(r.at(1).number());
  const auto count = static_cast<size_t>(r.at(2).number());
  taken.done = r.at(3).number();
  taken.items.reserve(count);
  for (size_t n = 0, i = 4; n < count; ++n, i += 4) {
    QueueItem item;
    item.receipt = r.at(i).text();
    item.id = r.at(i + 1).text();
    item.attempt = static_cast<int>(r.at(i + 2).number());
    item.payload = r.at(i + 3).text();
    taken.items.push_back(std::move(item));
  }
  return taken;
}

/// Items under one receipt, as they stood in the list: id, attempts before, bytes.
Taken decode_bundle(const Reply& r, const std::string& token, TimePoint sent) {
  constexpr size_t kHead = sizeof(double) + sizeof(uint16_t);
  Taken taken;
  taken.valid_end = sent + Millis(r.at(1).number());
  taken.done = r.at(3).number();
  taken.items.reserve(r.at(4).size());
  for (const Reply& entry : r.at(4).elements()) {
    const std::string& bytes = entry.text();
    if (bytes.size() < kHead) throw unexpected_reply(scripts::queue_take, r);
    double id = 0;
    uint16_t attempts = 0;
    std::memcpy(&id, bytes.data(), sizeof id);
    std::memcpy(&attempts, bytes.data() + sizeof id, sizeof attempts);
    taken.items.push_back({"&" + token, std::to_string(static_cast<long long>(id)), attempts + 1,
                           bytes.substr(kHead)});
  }
  return taken;
}

TakeAnswer decode_take(const Reply& r, const std::string& token, TimePoint sent, TimePoint now) {
  const std::string_view word = r.word();
  if (word == "taken") return decode_taken(r, sent);
  if (word == "bundle") return decode_bundle(r, token, sent);
  if (word == "wait") {
    QueueWaiting w;
    w.look_at = now + Millis(r.at(1).number());
    w.place = r.at(2).number();
    w.in_line = r.at(3).number();
    w.ticket = r.at(4).text();
    w.done = r.at(5).number();
    return w;
  }
  if (word == "empty") {
    return QueueEmpty{r.at(1).number(), r.at(2).number(), r.at(3).number(), r.at(4).number()};
  }
  if (word == "gone") return TakeGone{};
  throw unexpected_reply(scripts::queue_take, r);
}

/// How many elements of a take's reply are its own: messages that could not be pushed follow.
size_t own_size(const Reply& r) {
  const std::string_view word = r.word();
  if (word == "taken") return 4 + 4 * static_cast<size_t>(r.at(2).number());
  return word == "wait" ? 6 : word == "empty" || word == "bundle" ? 5 : r.size();
}

}  // namespace

Queue::Queue(Loop& loop, redis::ScriptRunner& scripts, const Keys& keys, std::string name)
    : loop_(loop), scripts_(scripts), keys_(keys), name_(std::move(name)) {
  parts_.push_back(keys_.queue(name_));
  for (const char* part : {"r", "l", "b", "t", "d", "q", "w", "f"})
    parts_.push_back(keys_.queue_part(name_, part));
}

std::vector<std::string> Queue::parts(size_t n) const {
  return {parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(n)};
}

Task<Answer> Queue::run(const redis::Script& script, std::vector<std::string> keys,
                        std::vector<std::string> args, Patience patience) {
  return run_script(scripts_, script, std::move(keys), std::move(args), patience, what());
}

Task<std::vector<Pushed>> Queue::push(std::string producer, PushOptions options,
                                      std::vector<PushBatch> batches, Patience patience) {
  std::vector<std::string> keys = parts(kConsuming);
  for (const char* part : {"p", "o", "i"}) keys.push_back(keys_.queue_part(name_, part));
  keys.push_back(keys_.index_of(name_, "queue"));
  keys.push_back(parts_.back());
  std::vector<redis::Call> calls;
  calls.reserve(batches.size());
  for (PushBatch& batch : batches) {
    redis::Call call;
    call.script = &scripts::queue_push;
    call.keys = keys;
    call.args.reserve(11 + batch.items.size());
    call.args = {producer,
                 std::to_string(batch.position),
                 batch.follows ? "f" : "",
                 std::to_string(to_ms(options.delay)),
                 std::to_string(options.priority),
                 options.lane,
                 std::to_string(options.max_length),
                 options.id,
                 std::to_string(to_ms(options.window)),
                 name_,
                 options.waits ? mailbox(producer) : ""};
    std::move(batch.items.begin(), batch.items.end(), std::back_inserter(call.args));
    calls.push_back(std::move(call));
  }
  const std::vector<Answer> answers = co_await scripts_.run_all(std::move(calls), patience);
  std::vector<Pushed> results;
  for (const Answer& answer : answers) {
    check_reply(scripts::queue_push, answer.reply, what());
    results.push_back(decode_push(answer.reply));
    if (answer.reply.word() == "pushed") co_await deliver(scripts_, answer.reply, 5, patience);
  }
  co_return results;
}

Task<TakeAnswer> Queue::ask(TakeRequest request, bool waits, std::string ticket,
                            Patience patience) {
  std::string flags = waits ? "w" : "";
  if (request.until_drained) flags += 'e';
  if (request.steal) flags += 's';
  if (request.together) flags += 'b';
  std::vector<std::string> args{request.token,
                                std::to_string(to_ms(request.lease)),
                                std::to_string(std::min(request.count, kMostTaken)),
                                std::move(flags),
                                request.lane,
                                std::to_string(request.max_attempts),
                                ticket.empty() ? "0" : std::move(ticket),
                                mailbox(request.token),
                                request.who};
  args.insert(args.end(), request.done.begin(), request.done.end());
  const Answer answer = co_await run(scripts::queue_take, parts(kAllParts), args, patience);
  co_await deliver(scripts_, answer.reply, own_size(answer.reply), patience);
  co_return decode_take(answer.reply, request.token, answer.sent, loop_.now());
}

Task<TakeAnswer> Queue::take(TakeRequest request, TimePoint until, Patience first) {
  Patience patience = first;
  // However little of the wait is left, an ask that is under way gets the time to be answered.
  const Duration answer_time = first.until - loop_.now();
  std::string ticket;
  while (true) {
    TakeAnswer answer = co_await ask(request, true, ticket, patience);
    auto* waiting = std::get_if<QueueWaiting>(&answer);
    if (waiting == nullptr) co_return answer;
    request.done.clear();
    ticket = waiting->ticket;
    co_await wait(request.token, std::min(waiting->look_at, until));
    patience = {std::max(until, add(loop_.now(), answer_time)), kNever};
    if (loop_.now() >= until) co_return answer;
  }
}

Task<void> Queue::wait(std::string token, TimePoint look_at) {
  co_await wait_for_look(loop_, scripts_, mailbox(token), look_at);
}

Task<long long> Queue::leave(std::string token, Patience patience) {
  std::vector<std::string> args{std::move(token)};
  const Answer answer =
      co_await run(scripts::queue_leave, parts(kConsuming), std::move(args), patience);
  if (answer.reply.word() != "left") throw unexpected_reply(scripts::queue_leave, answer.reply);
  co_await deliver(scripts_, answer.reply, 2, patience);
  co_return answer.reply.at(1).number();
}

Task<Acked> Queue::ack(std::string request, std::vector<std::string> receipts, Patience patience) {
  std::vector<std::string> keys{parts_[0], parts_[3], parts_[4], parts_[6], parts_[7]};
  std::vector<std::string> args{std::move(request)};
  args.insert(args.end(), receipts.begin(), receipts.end());
  const Answer answer =
      co_await run(scripts::queue_ack, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  Acked acked;
  if (r.word() == "again") {
    acked.again = true;
    acked.count = static_cast<long long>(receipts.size());
  } else if (r.word() == "done") {
    acked.count = r.at(1).number();
    const size_t end = 3 + static_cast<size_t>(r.at(2).number());
    for (size_t i = 3; i < end; ++i) acked.gone.push_back(r.at(i).text());
    co_await deliver(scripts_, r, end, patience);
  } else {
    throw unexpected_reply(scripts::queue_ack, r);
  }
  co_return acked;
}

Task<std::optional<long long>> Queue::nack(std::string request, std::vector<std::string> receipts,
                                           Fate fate, Duration delay, DeathCause cause,
                                           Patience patience) {
  const char* word = fate == Fate::dead ? "dead" : fate == Fate::retry ? "retry" : "untried";
  std::vector<std::string> args{std::move(request), std::to_string(to_ms(delay)), word,
                                fate == Fate::dead ? encode(cause) : ""};
  args.insert(args.end(), receipts.begin(), receipts.end());
  const Answer answer =
      co_await run(scripts::queue_nack, parts(kConsuming), std::move(args), patience);
  const Reply& r = answer.reply;
  if (r.word() == "again") co_return std::nullopt;
  if (r.word() != "returned") throw unexpected_reply(scripts::queue_nack, r);
  co_await deliver(scripts_, r, 2, patience);
  co_return r.at(1).number();
}

Task<std::vector<std::optional<TimePoint>>> Queue::extend(std::vector<std::string> receipts,
                                                          Duration lease, Patience patience,
                                                          Millis* server_time) {
  std::vector<std::string> keys{parts_[4]};
  std::vector<std::string> args{std::to_string(to_ms(lease))};
  args.insert(args.end(), receipts.begin(), receipts.end());
  const Answer answer =
      co_await run(scripts::queue_extend, std::move(keys), std::move(args), patience);
  const Reply& r = answer.reply;
  if (r.word() != "extended") throw unexpected_reply(scripts::queue_extend, r);
  if (server_time != nullptr) *server_time = Millis(r.at(1).number());
  std::vector<std::optional<TimePoint>> ends;
  for (size_t i = 2; i < r.size(); ++i) {
    const Millis left(r.at(i).number());
    ends.push_back(left > Millis(0) ? std::optional(answer.sent + left) : std::nullopt);
  }
  co_return ends;
}

}  // namespace dcoord::primitives
