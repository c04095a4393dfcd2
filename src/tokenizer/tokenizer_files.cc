#include "tokenizer/tokenizer_files.h"

#include "base/error.h"
#include "base/files.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizerJson = "tokenizer.json";
constexpr const char* kPieces = "tokenizer.model";

TokenizerSpec read_pieces(const fs::path& model_dir) {
  const fs::path path = model_dir / kPieces;
  const SentencePieceModel model =
      parse_sentencepiece(MappedFile(path).text(), path.string());
  try {
    return tokenizer_of_pieces(model, read_prefix_once(model_dir));
  } catch (const Error& error) {
    throw Error("{}: {}", path.string(), error.what());
  }
}

}  // namespace

fs::path vocabulary_file(const fs::path& model_dir) {
  const fs::path json = model_dir / kTokenizerJson,
                 pieces = model_dir / kPieces;
  return !fs::exists(json) && fs::exists(pieces) ? pieces : json;
}

TokenizerSpec read_tokenizer_spec(const fs::path& model_dir) {
  const fs::path path = vocabulary_file(model_dir);
  const bool is_json = path.filename() == kTokenizerJson;
  TokenizerSpec spec =
      is_json ? parse_tokenizer_json(MappedFile(path).text(), path.string())
              : read_pieces(model_dir);
  read_added_tokens(model_dir, is_json, spec);
  return spec;
}

}  // namespace seodang
