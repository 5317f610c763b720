// What reads bytes that others wrote, for libFuzzer: `tests/chaos/fuzz/run` builds and runs it. The
// first byte chooses: one program, one corpus.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/duration.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/config_file.h"
#include "output/encode.h"
#include "primitives/holder.h"
#include "redis/classify.h"
#include "redis/protocol.h"
#include "redis/target.h"
#include "redis/url.h"

namespace {

using namespace dcoord;

void require(bool condition) {
  if (!condition) std::abort();
}

/// However the bytes are cut, the same replies come of them.
void replies(std::string_view bytes) {
  const auto read = [&](size_t step) {
    redis::ReplyReader reader(
        {.elements = 1000, .depth = 8, .bulk = 1 << 16, .line = 1 << 12, .total = 1 << 18});
    std::string all;
    for (size_t at = 0; at < bytes.size(); at += step) {
      if (!reader.feed(bytes.substr(at, step))) return all + "!";
      while (const auto reply = reader.next()) {
        all += static_cast<char>('a' + static_cast<int>(reply->type()));
        if (reply->is_error()) redis::classify(reply->text());
        all += reply->word();
      }
    }
    return all;
  };
  const std::string whole = read(bytes.size() + 1), single = read(1);
  // A bad end may take replies before it with it when all came at once; never may there be others.
  require(whole == single || whole.ends_with('!') || single.ends_with('!'));
}

void errors(std::string_view bytes) {
  const redis::ErrorInfo info = redis::classify(bytes);
  require(info.text.size() <= bytes.size() && info.word.size() <= info.text.size() + 1);
}

void durations(std::string_view bytes) {
  const auto duration = parse_duration(bytes);
  if (!duration) return;
  require(*duration >= Duration::zero());
  // What is printed is read as the same again, as far as it was printed.
  const auto again = parse_duration(format_duration(*duration));
  require(again.has_value());
  format_age(*duration);
}

void urls(std::string_view bytes) {
  const std::string hidden = redis::redact_url(bytes);
  try {
    const redis::Target target = redis::parse_target(std::string(bytes), "fuzz");
    const std::string text = redis::describe(target);
    require(!text.empty() || bytes.empty());
    require(target.server.port > 0 && target.server.port < 65536);
  } catch (const Error& error) {
    require(error.code() == ExitCode::usage || error.code() == ExitCode::config);
    // No message says a password. (It may say other parts of the URL.)
    const size_t at = bytes.find(":sEcReT@");
    if (at != std::string_view::npos && bytes.find("sEcReT") == at + 1)
      require(std::string(error.what()).find("sEcReT") == std::string::npos);
  }
}

void configuration(std::string_view bytes) {
  try {
    for (const cli::Entry& entry : cli::parse_toml(bytes, "fuzz.toml")) cli::dotted(entry);
  } catch (const Error& error) {
    require(error.code() == ExitCode::config);
  }
}

void output_of_others(std::string_view bytes) {
  for (const char c : log::printable(bytes))
    require(static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7f);
  const primitives::Holder holder = primitives::decode_holder(bytes);
  const primitives::Holder again = primitives::decode_holder(primitives::encode(holder));
  require(again.owner == holder.owner && again.pid == holder.pid && again.label == holder.label);
  require(output::base64(bytes).size() == (bytes.size() + 2) / 3 * 4);
  output::is_utf8(bytes);
}

void merging(std::string_view bytes) {
  const size_t half = bytes.find('\n');
  if (half == std::string_view::npos) return;
  try {
    output::merge_json(bytes.substr(0, half), bytes.substr(half + 1));
  } catch (const Error& error) {
    require(error.code() == ExitCode::data || error.code() == ExitCode::usage);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'r':
      replies(bytes);
      break;
    case 'e':
      errors(bytes);
      break;
    case 'd':
      durations(bytes);
      break;
    case 'u':
      urls(bytes);
      break;
    case 'c':
      configuration(bytes);
      break;
    case 'o':
      output_of_others(bytes);
      break;
    case 'm':
      merging(bytes);
      break;
    default:
      return -1;  // not into the corpus
  }
  return 0;
}
