// Binds a stage's list of options (visit_options) to a command's flags.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <type_traits>

namespace seodang {

template <class Options>
void add_options(CLI::App* command, Options& options) {
  visit_options(options, [&](const char* name, auto& value, const char* help) {
    const std::string flag = std::string("--") + name;
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, bool>)
      command->add_flag(flag + ",!--no-" + name, value, help);
    else
      command->add_option(flag, value, help)->capture_default_str();
  });
}

}  // namespace seodang
