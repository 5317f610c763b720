#include "redis/classify.h"

#include <algorithm>

namespace dcoord::redis {
namespace {

using std::string_view;

struct Word {
  string_view word;
  Verdict verdict;
};

// What the first word alone tells.
constexpr Word kWords[] = {
    {"NOSCRIPT", Verdict::load_script},
    {"TRYAGAIN", Verdict::back_off},
    {"CLUSTERDOWN", Verdict::back_off},
    {"LOADING", Verdict::back_off},
    {"BUSY", Verdict::back_off},
    {"NOREPLICAS", Verdict::back_off},
    {"MISCONF", Verdict::back_off},
    {"MASTERDOWN", Verdict::reconnect},
    {"READONLY", Verdict::reconnect},
    {"UNBLOCKED", Verdict::reconnect},
    {"MOVED", Verdict::redirect},
    {"ASK", Verdict::redirect},
    {"NOAUTH", Verdict::authentication},
    {"WRONGPASS", Verdict::authentication},
    {"NOPERM", Verdict::permission},
    {"OOM", Verdict::out_of_memory},
    {"WRONGTYPE", Verdict::wrong_type},
    {"DENIED", Verdict::unsupported},
    {"CROSSSLOT", Verdict::bug},
    // Redis' own words that no script of ours can have meant.
    {"BUSYGROUP", Verdict::unknown},
    {"BUSYKEY", Verdict::unknown},
    {"EXECABORT", Verdict::unknown},
    {"INPROG", Verdict::unknown},
    {"INVALIDOBJ", Verdict::unknown},
    {"IOERR", Verdict::unknown},
    {"NOGOODSLAVE", Verdict::unknown},
    {"NOGROUP", Verdict::unknown},
    {"NOMASTERLINK", Verdict::unknown},
    {"NOPROTO", Verdict::unknown},
    {"NOQUORUM", Verdict::unknown},
    {"NOTBUSY", Verdict::unknown},
    {"NOTREADY", Verdict::unknown},
    {"REDIRECT", Verdict::unknown},
    {"STALE", Verdict::unknown},
    {"UNKILLABLE", Verdict::unknown},
};

struct Phrase {
  string_view part;
  Verdict verdict;
};

// What says ERR, by a part of the text (in lower case).
constexpr Phrase kPhrases[] = {
    {"max number of clients", Verdict::reconnect},
    {"script killed by user", Verdict::back_off},
    {"unauthenticated multibulk", Verdict::authentication},  // the server's limits before AUTH
    {"unauthenticated bulk", Verdict::authentication},
    {"without any password configured", Verdict::authentication},
    {"no password is set", Verdict::authentication},
    {"invalid password", Verdict::authentication},
    {"user executing the script can't", Verdict::permission},
    {"acl failure in script", Verdict::permission},
    {"no permissions to", Verdict::permission},
    {"unknown command", Verdict::unsupported},
    {"unknown redis command", Verdict::unsupported},
    {"unknown subcommand", Verdict::unsupported},
    {"db index", Verdict::unsupported},
    {"select is not allowed", Verdict::unsupported},
    {"cluster support disabled", Verdict::unsupported},
    {"non local key", Verdict::bug},
    {"protocol error", Verdict::bug},
    {"wrong number of arg", Verdict::bug},
    {"not allowed from script", Verdict::bug},
    {"undeclared key", Verdict::bug},
};

string_view first_word(string_view text) { return text.substr(0, text.find(' ')); }

string_view between_quotes(string_view text) {
  for (const char quote : {'\'', '`'}) {
    const size_t from = text.find(quote);
    if (from == string_view::npos) continue;
    const size_t to = text.find('\'', from + 1);
    const size_t other = text.find(quote, from + 1);
    const size_t end = std::min(to, other);
    if (end != string_view::npos) return text.substr(from + 1, end - from - 1);
  }
  return {};
}

/// Takes off what the server adds when a script raised the error: behind it from Redis 7 on, before
/// it up to 6.2.
bool strip_script(string_view& text) {
  bool in_script = false;
  const size_t behind = text.rfind(" script: ");
  if (behind != string_view::npos && text.find("@user_script", behind) != string_view::npos) {
    text = text.substr(0, behind);
    in_script = true;
  }
  constexpr string_view kRunning = "ERR Error running script";
  if (text.starts_with(kRunning)) {
    in_script = true;
    constexpr string_view kPlace = "user_script:";
    const size_t place = text.rfind(kPlace);
    if (place != string_view::npos) {
      string_view inner = text.substr(place + kPlace.size());
      inner.remove_prefix(std::min(inner.size(), inner.find_first_not_of(" 0123456789:")));
      if (inner.starts_with('-')) inner.remove_prefix(1);
      if (!inner.empty()) text = inner;
    }
  }
  return in_script;
}

bool is_word(string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool contains(string_view text, string_view lower_part) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::search(text.begin(), text.end(), lower_part.begin(), lower_part.end(), same) !=
         text.end();
}

Verdict judge(string_view word, string_view text, bool in_script) {
  for (const Word& known : kWords) {
    if (known.word == word) return known.verdict;
  }
  // Up to 6.2 what a script met comes without its first word.
  if (word == "ERR" || in_script) {
    for (const Phrase& known : kPhrases) {
      if (contains(text, known.part)) return known.verdict;
    }
    return Verdict::unknown;
  }
  return is_word(word) ? Verdict::own : Verdict::unknown;
}

}  // namespace

ErrorInfo classify(string_view reply) {
  ErrorInfo info;
  info.text = reply;
  const bool in_script = strip_script(info.text);
  info.word = first_word(info.text);
  info.verdict = judge(info.word, info.text, in_script);
  switch (info.verdict) {
    case Verdict::permission:
    case Verdict::unsupported:
      info.half_done = in_script;
      info.command = between_quotes(info.text);
      break;
    case Verdict::redirect:
      info.target = info.text.substr(info.text.rfind(' ') + 1);
      break;
    case Verdict::wrong_type:
    case Verdict::bug:
      info.half_done = in_script;
      break;
    case Verdict::unknown:
      info.half_done = true;
      break;
    default:
      break;  // refused before the first write, which is where a script meets these
  }
  return info;
}

}  // namespace dcoord::redis
