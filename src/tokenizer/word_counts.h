// How often each word of a corpus occurs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/pre_tokenizer.h"

namespace seodang {

using WordCounts = std::vector<std::pair<std::string, int64_t>>;

// Reads all documents and cuts them on all threads. Sorted by the words' bytes,
// so the result does not depend on threads. Ill-formed bytes count as U+FFFD.
WordCounts count_words(
    const std::function<bool(std::string& text)>& next_document,
    const PreTokenizer& pre_tokenizer);

}  // namespace seodang
