// Checks and settles the options of a run, and turns them into the text by
// which a run is recognised.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/batches.h"
#include "model/config.h"
#include "tensor/tensor.h"
#include "train/options.h"

namespace seodang {

// "auto" is what this machine multiplies fastest.
Dtype precision_of(const TrainOptions& options);
// A context of 0 becomes the model's; a longer one than that, or one that no
// batch can hold, is a UsageError.
void settle_context(TrainOptions& options, const ModelConfig& config);
// Steps of 0 become those that `epochs` need.
void settle_steps(TrainOptions& options, const BatchSource& batches);

// An option's value as text.
std::string show_option(const std::string& value);
std::string show_option(const std::vector<std::string>& value);
template <class Number>
std::string show_option(Number value) {
  return fmt::format("{}", value);
}

// Options that change what is logged and saved but not what is learned may
// change between a stop and a resume.
bool shapes_result(std::string_view option);

template <class Options>
std::map<std::string, std::string> identity_of(Options options) {
  std::map<std::string, std::string> out;
  visit_options(options, [&](const char* name, auto& value, const auto&...) {
    if (shapes_result(name)) out[name] = show_option(value);
  });
  return out;
}

}  // namespace seodang
