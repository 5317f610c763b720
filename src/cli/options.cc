#include "cli/options.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "base/duration.h"
#include "base/error.h"

namespace dcoord::cli {
namespace {

bool from_file(const Origin& origin) {
  using Source = Origin::Source;
  return origin.source == Source::profile || origin.source == Source::user_file ||
         origin.source == Source::system_file;
}

template <class Target>
void take_duration(std::string_view value, const Origin& origin, Target& target) {
  const auto parsed = parse_duration(value);
  if (!parsed) throw bad_value("duration", value, origin, "try 30s, 5m, 1h30m");
  target = *parsed;
}

template <class Target>
void take_integer(std::string_view value, const Origin& origin, Target& target, long long least,
                  long long most) {
  long long number = 0;
  const auto* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stop != end || number < least || number > most) {
    const bool unbounded = most == std::numeric_limits<long long>::max();
    throw bad_value("number", value, origin,
                    unbounded ? fmt::format("a whole number, at least {}", least)
                              : fmt::format("a whole number from {} to {}", least, most));
  }
  target = number;
}

}  // namespace

Error bad_value(std::string_view what, std::string_view value, const Origin& origin,
                std::string_view advice) {
  // A file's origin reads "FILE:LINE: KEY"; the place comes first there, where editors look for it.
  if (from_file(origin)) {
    return config_error(fmt::format("{}: invalid {} '{}' ({})", origin.where, what, value, advice));
  }
  return usage_error(fmt::format("invalid {} '{}' for {} ({})", what, value, origin.where, advice));
}

bool parse_bool(std::string_view value, const Origin& origin) {
  for (const char* yes : {"true", "1", "yes", "on"}) {
    if (value == yes) return true;
  }
  for (const char* no : {"false", "0", "no", "off"}) {
    if (value == no) return false;
  }
  throw bad_value("value", value, origin, "true or false");
}

Option& OptionSet::add(std::string_view names, std::string_view value_name, std::string help) {
  if (options_.empty()) options_.reserve(48);  // moving one is dear, and few commands have more
  Option& option = options_.emplace_back();
  while (!names.empty()) {
    const auto comma = names.find(',');
    const auto name = names.substr(0, comma);
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
    if (name.starts_with("--"))
      option.long_name = name.substr(2);
    else
      option.short_name = name.at(1);
  }
  option.value_name = value_name;
  option.help = std::move(help);
  return option;
}

Option& OptionSet::flag(std::string_view names, bool& target, std::string help) {
  Option& option = add(names, "", std::move(help));
  option.set = [&target](std::string_view value, const Origin& origin) {
    target = parse_bool(value, origin);
  };
  return option;
}

Option& OptionSet::text(std::string_view names, std::string_view value_name, std::string& target,
                        std::string help) {
  Option& option = add(names, value_name, std::move(help));
  option.default_text = target;
  option.set = [&target](std::string_view value, const Origin&) { target = value; };
  return option;
}

Option& OptionSet::text(std::string_view names, std::string_view value_name,
                        std::optional<std::string>& target, std::string help) {
  Option& option = add(names, value_name, std::move(help));
  option.default_text = target.value_or("");
  option.set = [&target](std::string_view value, const Origin&) { target = std::string(value); };
  return option;
}

Option& OptionSet::texts(std::string_view names, std::string_view value_name,
                         std::vector<std::string>& target, std::string help) {
  Option& option = add(names, value_name, std::move(help));
  option.repeatable = true;
  option.set = [&target](std::string_view value, const Origin&) { target.emplace_back(value); };
  return option;
}

Option& OptionSet::duration(std::string_view names, Duration& target, std::string help) {
  Option& option = add(names, "DUR", std::move(help));
  option.default_text = format_duration(target);
  option.set = [&target](std::string_view value, const Origin& origin) {
    take_duration(value, origin, target);
  };
  return option;
}

Option& OptionSet::duration(std::string_view names, std::optional<Duration>& target,
                            std::string help) {
  Option& option = add(names, "DUR", std::move(help));
  if (target) option.default_text = format_duration(*target);
  option.set = [&target](std::string_view value, const Origin& origin) {
    take_duration(value, origin, target);
  };
  return option;
}

Option& OptionSet::integer(std::string_view names, std::string_view value_name, long long& target,
                           long long least, long long most, std::string help) {
  Option& option = add(names, value_name, std::move(help));
  option.default_text = std::to_string(target);
  option.set = [&target, least, most](std::string_view value, const Origin& origin) {
    take_integer(value, origin, target, least, most);
  };
  return option;
}

Option& OptionSet::integer(std::string_view names, std::string_view value_name,
                           std::optional<long long>& target, long long least, long long most,
                           std::string help) {
  Option& option = add(names, value_name, std::move(help));
  if (target) option.default_text = std::to_string(*target);
  option.set = [&target, least, most](std::string_view value, const Origin& origin) {
    take_integer(value, origin, target, least, most);
  };
  return option;
}

Option& OptionSet::choice(std::string_view names, std::string_view value_name, std::string& target,
                          std::initializer_list<const char*> choices, std::string help) {
  Option& option = add(names, value_name, std::move(help));
  option.choices.assign(choices.begin(), choices.end());
  option.default_text = target;
  option.set = [&target, allowed = option.choices](std::string_view value, const Origin& origin) {
    for (const auto& choice : allowed) {
      if (choice != value) continue;
      target = value;
      return;
    }
    throw bad_value("value", value, origin, fmt::format("one of {}", fmt::join(allowed, ", ")));
  };
  return option;
}

Option& OptionSet::custom(std::string_view names, std::string_view value_name, std::string help,
                          std::function<void(std::string_view, const Origin&)> set) {
  Option& option = add(names, value_name, std::move(help));
  option.set = std::move(set);
  return option;
}

Option& OptionSet::positional(std::string_view name, std::string_view kind, std::string& target,
                              std::string help, bool required) {
  Option& option = add("", "", std::move(help));
  option.long_name = name;
  option.kind = kind;
  option.positional = true;
  option.required = required;
  option.from_environment = false;
  option.set = [&target](std::string_view value, const Origin&) { target = value; };
  return option;
}

Option& OptionSet::positionals(std::string_view name, std::vector<std::string>& target,
                               std::string help) {
  Option& option = add("", "", std::move(help));
  option.long_name = name;
  option.positional = option.repeatable = true;
  option.from_environment = false;
  option.set = [&target](std::string_view value, const Origin&) { target.emplace_back(value); };
  return option;
}

}  // namespace dcoord::cli
