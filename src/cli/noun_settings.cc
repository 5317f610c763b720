#include "cli/noun_settings.h"

#include <algorithm>

namespace dcoord::cli {
namespace {

Setting setting_of(const std::string& noun, const Option& option) {
  Setting setting;
  setting.name = noun + '.' + option.long_name;
  if (option.given) {
    setting.value = *option.given;
    setting.origin = option.origin.where;
  } else {
    const bool flag = option.value_name.empty();
    setting.value = flag ? "false" : option.default_text;
    setting.origin = setting.value.empty() ? "" : "default";
  }
  return setting;
}

}  // namespace

std::vector<Setting> noun_settings(const Environment& environment,
                                   const std::vector<ConfigFile>& files, const std::string& profile,
                                   const std::vector<NounEntry>& nouns) {
  const std::vector<Given> no_flags;
  const Sources sources{no_flags, environment, files, profile};
  std::vector<Setting> list;
  for (const auto& entry : nouns) {
    const Noun noun = entry.make();
    const size_t first = list.size();
    for (const auto& verb : noun.verbs) {
      OptionSet options;
      if (verb.declare) verb.declare(options);
      resolve(options, noun.name, sources);
      for (const auto& option : options.all()) {
        if (option.positional || !option.from_environment || option.long_name.empty()) continue;
        Setting setting = setting_of(noun.name, option);
        const auto known =
            std::find_if(list.begin() + static_cast<std::ptrdiff_t>(first), list.end(),
                         [&](const Setting& other) { return other.name == setting.name; });
        if (known == list.end())
          list.push_back(std::move(setting));
        else if (known->value != setting.value)
          known->value = known->origin = "";
      }
    }
  }
  return list;
}

}  // namespace dcoord::cli
