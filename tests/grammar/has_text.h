#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/grammar.h"
#include "grammar/recognizer.h"

namespace seodang {

// Whether `text` is one of the grammar's.
inline bool has(Recognizer& recognizer, std::string_view text) {
  Recognizer::State state = recognizer.start();
  for (const char byte : text) {
    state = recognizer.next(state, static_cast<uint8_t>(byte));
    if (state == Recognizer::kNone) return false;
  }
  return recognizer.may_end(state);
}
inline bool has(const Grammar& grammar, std::string_view text) {
  Recognizer recognizer(grammar);
  return has(recognizer, text);
}

}  // namespace seodang
