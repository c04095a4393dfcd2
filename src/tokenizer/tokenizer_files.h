// The vocabulary of a model's directory, whatever files hold it.
#pragma once

#include <filesystem>
#include <string>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// tokenizer.json, or where there is none SentencePiece's tokenizer.model.
std::filesystem::path vocabulary_file(const std::filesystem::path& model_dir);

// For a message about a directory that is no whole model: "; did you mean …?",
// or how to go on with a training run that has not finished; "" for neither.
std::string meant_instead(const std::filesystem::path& model_dir);

// What that file says, and the added tokens that the files beside it name; not
// yet what stands in them besides (tokenizer/tokenizer_config.h). Throws Error
// naming the file, and the part that is not supported.
TokenizerSpec read_tokenizer_spec(const std::filesystem::path& model_dir);

}  // namespace seodang
