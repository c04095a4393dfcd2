#include "tokenizer/utf8_stream.h"

#include "base/utf8.h"

namespace seodang {

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  // An unfinished character is at most three bytes, at the very end.
  size_t whole = pending_.size();
  for (size_t tail = 1; tail <= 3 && tail <= pending_.size(); ++tail) {
    if (is_incomplete_utf8(
            std::string_view(pending_).substr(pending_.size() - tail)))
      whole = pending_.size() - tail;
  }
  std::string out =
      replace_invalid_utf8(std::string_view(pending_).substr(0, whole));
  pending_.erase(0, whole);
  return out;
}

std::string Utf8Stream::finish() {
  std::string out = replace_invalid_utf8(pending_);
  pending_.clear();
  return out;
}

}  // namespace seodang
