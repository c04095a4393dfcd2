// Binds options (base/options.h) to a command's flags.
#pragma once

#include <CLI/App.hpp>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/options.h"

namespace seodang {

// Refuses on the command line what check_options would refuse.
template <class T>
CLI::Validator validator(const Allowed& allowed) {
  return {[allowed](std::string& text) -> std::string {
            bool holds = true;
            if constexpr (std::is_arithmetic_v<T>)
              holds = allowed.holds(std::strtod(text.c_str(), nullptr));
            else if constexpr (std::is_same_v<T, std::string>)
              holds = allowed.holds(std::string_view(text));
            return holds ? "" : "must be " + allowed.text() + ", not " + text;
          },
          ""};
}

template <class Options>
void add_options(CLI::App* command, Options& options) {
  visit_options(options, [&](const char* name, auto& value, const char* help,
                             const Allowed& allowed = {}) {
    using T = std::decay_t<decltype(value)>;
    const std::string flag = std::string("--") + name;
    if constexpr (std::is_same_v<T, bool>) {
      command->add_flag(flag + ",!--no-" + name, value, help);
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      command->add_option(flag, value, help)
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    } else {
      command->add_option(flag, value, help)
          ->check(validator<T>(allowed))
          ->capture_default_str();
    }
  });
}

}  // namespace seodang
