// What stages keep in their stamps: options and results as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "train/training.h"
#include "upbringing/stages.h"

namespace seodang {

// The values of a section's options, as texts to compare and to read.
template <class Options>
StageOptions option_texts(Options options) {
  StageOptions texts;
  visit_options(options,
                [&](const char* name, const auto& value, const auto&...) {
                  texts[name] = nlohmann::json(value).dump(
                      -1, ' ', false, nlohmann::json::error_handler_t::replace);
                });
  return texts;
}

inline nlohmann::json summary_json(const TrainSummary& s) {
  nlohmann::json out;
  visit_summary(
      s, [&](const char* name, const auto& value) { out[name] = value; });
  return out;
}

}  // namespace seodang
