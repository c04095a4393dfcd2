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

std::string meant_instead(const fs::path& model_dir) {
  std::string checkpoint, model;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(model_dir, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("checkpoint-")) checkpoint = name;
    if (fs::exists(entry.path() / "config.json") && name > model) model = name;
  }
  if (!checkpoint.empty())
    return fmt::format(
        "; training has not finished: start it again to go on, or take {}",
        (model_dir / checkpoint).string());
  if (!model.empty())
    return fmt::format("; did you mean {}?", (model_dir / model).string());
  return "";
}

TokenizerSpec read_tokenizer_spec(const fs::path& model_dir) {
  const fs::path path = vocabulary_file(model_dir);
  if (!fs::exists(path))
    throw Error("{}: neither tokenizer.json nor tokenizer.model is in it{}",
                model_dir.string(),
                fs::exists(model_dir / "config.json")
                    ? "; copy it from where the model is from"
                    : meant_instead(model_dir));
  const bool is_json = path.filename() == kTokenizerJson;
  TokenizerSpec spec =
      is_json ? parse_tokenizer_json(MappedFile(path).text(), path.string())
              : read_pieces(model_dir);
  read_added_tokens(model_dir, is_json, spec);
  return spec;
}

}  // namespace seodang
