#include "tokenizer/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "base/warning.h"
#include "formats/json.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/gguf_pre_type.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_spec.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// tokenizer.ggml.token_type.
enum TokenType : int64_t {
  kNormal = 1,
  kUnknown,
  kControl,
  kUserDefined,
  kUnused,
  kByte
};

// --- Reading.

class GgufReader {
 public:
  explicit GgufReader(const GgufFile& file)
      : file_(file),
        where_(file.path().string()),
        tokens_(file.texts("tokenizer.ggml.tokens")),
        types_(file.integers("tokenizer.ggml.token_type")) {
    if (tokens_.empty())
      throw Error("{}: key tokenizer.ggml.tokens is missing", where_);
    if (!types_.empty() && types_.size() != tokens_.size())
      throw Error("{}: tokenizer.ggml.token_type has {} entries for {} tokens",
                  where_, types_.size(), tokens_.size());
    count_ = tokens_.size();
    while (count_ > 0 && type(count_ - 1) == kUnused) --count_;
    for (size_t id = 0; id < count_; ++id)
      if (find_invalid_utf8(tokens_[id]) != std::string::npos)
        throw Error("{}: token {} is not UTF-8", where_, id);
    for (const std::string& merge : file.texts("tokenizer.ggml.merges"))
      if (find_invalid_utf8(merge) != std::string::npos)
        throw Error("{}: a merge is not UTF-8", where_);
  }

  Tokenizer read() const {
    TokenizerSpec spec = read_spec();
    spec.bos_token = special("bos");
    spec.eos_token = special("eos");
    spec.pad_token = special("padding");
    spec.chat_template = file_.text("tokenizer.chat_template", "");
    try {
      put_around_text(spec, adds("bos"), adds("eos"));
      return Tokenizer(std::move(spec));
    } catch (const Error& error) {
      throw Error("{}: {}", where_, error.what());
    }
  }

 private:
  int64_t type(size_t id) const {
    return types_.empty() ? kNormal : types_[id];
  }

  std::string special(const char* role) const {
    const int64_t id =
        file_.integer(fmt::format("tokenizer.ggml.{}_token_id", role), -1);
    if (id < 0) return "";
    if (id >= static_cast<int64_t>(count_))
      throw Error("{}: {}_token_id {} is outside the {} tokens", where_, role,
                  id, count_);
    return tokens_[static_cast<size_t>(id)];
  }

  // Whether bos or eos stands around a text: as the file says, else as
  // tokenizer.json in it does, else as is usual for its kind (llama.cpp,
  // llama-vocab.cpp).
  std::optional<bool> adds(std::string_view role) const {
    const std::string key = fmt::format("tokenizer.ggml.add_{}_token", role);
    if (file_.find(key) != nullptr) return file_.flag(key, false);
    if (has_json()) return std::nullopt;
    return role == "bos" && (kind() == "llama" || pre_type().adds_bos);
  }

  bool has_json() const {
    return file_.find("tokenizer.huggingface.json") != nullptr;
  }

  std::string kind() const { return file_.text("tokenizer.ggml.model"); }

  TokenizerSpec read_spec() const {
    if (has_json())
      return parse_tokenizer_json(file_.text("tokenizer.huggingface.json"),
                                  where_);
    const std::string kind = this->kind();
    if (kind == "llama") return from_pieces();
    if (kind == "gpt2") return parse_tokenizer_json(byte_level_json(), where_);
    throw Error("{}: tokenizer.ggml.model {} is not supported", where_,
                quoted(kind));
  }

  json added_tokens() const {
    json out = json::array();
    for (size_t id = 0; id < count_; ++id) {
      if (is_added(id))
        out.push_back({{"id", id},
                       {"content", tokens_[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", type(id) != kUserDefined}});
    }
    return out;
  }

  bool is_added(size_t id) const {
    return type(id) == kControl || type(id) == kUserDefined ||
           type(id) == kUnknown;
  }

  // Added tokens behind all others stand in added_tokens alone.
  json vocabulary() const {
    size_t end = count_;
    while (end > 0 && is_added(end - 1)) --end;
    json out = json::object();
    for (size_t id = 0; id < end; ++id) out[tokens_[id]] = id;
    return out;
  }

  const GgufPreType& pre_type() const {
    const std::string pre = file_.text("tokenizer.ggml.pre", "");
    if (pre.empty()) {
      if (guessed_ == nullptr) guessed_ = &guess_pre_type();
      return *guessed_;
    }
    const GgufPreType* type = find_gguf_pre_type(pre);
    if (type == nullptr)
      throw Error("{}: tokenizer.ggml.pre {} is not supported; there are {}",
                  where_, quoted(pre), gguf_pre_names());
    return *type;
  }

  const GgufPreType& guess_pre_type() const {
    std::vector<std::string> normal;
    for (size_t id = 0; id < count_; ++id)
      if (!is_added(id)) normal.push_back(tokens_[id]);
    const GgufPreType& type = guess_gguf_pre_type(normal);
    warn(
        "{}: tokenizer.ggml.pre is missing, so how text is cut into words is "
        "not known; {} fits the vocabulary best and is taken. Answers suffer "
        "where that is wrong: look for a newer file",
        where_, type.names[0]);
    return type;
  }

  std::string byte_level_json() const {
    const GgufPreType& type = pre_type();
    json out = {
        {"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
    out["added_tokens"] = added_tokens();
    out["post_processor"] = json::parse(kByteLevelPart);
    out["normalizer"] = json::parse(type.normalizer);
    out["pre_tokenizer"] = json::parse(type.pre_tokenizer);
    out["decoder"] = json::parse(kByteLevelPart);
    out["model"] = {{"type", "BPE"},
                    {"ignore_merges", type.ignore_merges},
                    {"vocab", vocabulary()},
                    {"merges", file_.texts("tokenizer.ggml.merges")}};
    return out.dump();
  }

  TokenizerSpec from_pieces() const {
    const auto& scores = file_.reals("tokenizer.ggml.scores");
    if (scores.size() != tokens_.size())
      throw Error("{}: tokenizer.ggml.scores has {} entries for {} tokens",
                  where_, scores.size(), tokens_.size());
    SentencePieceModel model;
    for (size_t id = 0; id < count_; ++id) {
      if (type(id) < kNormal || type(id) > kByte)
        throw Error("{}: token {} has type {}", where_, id, type(id));
      model.pieces.push_back({tokens_[id], static_cast<float>(scores[id]),
                              static_cast<PieceType>(type(id))});
    }
    model.add_dummy_prefix =
        file_.flag("tokenizer.ggml.add_space_prefix", true);
    model.bos_token = special("bos");
    model.eos_token = special("eos");
    model.pad_token = special("padding");
    model.unk_token = special("unknown");
    return tokenizer_of_pieces(model, false);
  }

  const GgufFile& file_;
  std::string where_;
  const std::vector<std::string>& tokens_;
  const std::vector<int64_t>& types_;
  size_t count_ = 0;  // without the unused at the end
  mutable const GgufPreType* guessed_ = nullptr;
};

// --- Writing.

bool has_part(const json& part, std::string_view type) {
  return part.dump().find(fmt::format("\"type\":\"{}\"", type)) !=
         std::string::npos;
}

std::vector<std::string> merges_of(const json& model,
                                   const std::string& where) {
  std::vector<std::string> out;
  const json merges = model.value("merges", json::array());
  for (const json& merge : merges) {
    if (merge.is_string())
      out.push_back(merge);
    else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
             merge[1].is_string())
      out.push_back(merge[0].get<std::string>() + " " +
                    merge[1].get<std::string>());
    else
      throw Error("{}: a merge is not two tokens", where);
  }
  return out;
}

std::string pad_token_of(const fs::path& model_dir) {
  for (const char* name :
       {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!fs::exists(model_dir / name)) continue;
    const json file = read_json(model_dir / name);
    json token = file.is_object() ? file.value("pad_token", json()) : json();
    if (token.is_object()) token = token.value("content", json());
    if (token.is_string()) return token;
  }
  return "";
}

// Merges by rank as scores: only their order matters. What no merge makes comes
// last.
constexpr double kNeverMade = -1e9;
std::vector<double> scores_of(const std::vector<std::string>& merges,
                              const std::vector<std::string>& tokens) {
  std::unordered_map<std::string, double> score;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const size_t space = merges[rank].find(' ');
    score.emplace(
        merges[rank].substr(0, space) + merges[rank].substr(space + 1),
        -1.0 - static_cast<double>(rank));
  }
  std::vector<double> out;
  for (const std::string& token : tokens) {
    const auto found = score.find(token);
    out.push_back(found != score.end() ? found->second : kNeverMade);
  }
  return out;
}

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int64_t> types;

  void set(const json& id, const std::string& token, int64_t type,
           const std::string& where) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= tokens.size())
      throw Error("{}: token id {} is outside the model's vocabulary of {}",
                  where, id.dump(), tokens.size());
    tokens[id.get<size_t>()] = token;
    types[id.get<size_t>()] = type;
  }
};

Vocabulary vocabulary_of(const json& file, const std::string& where,
                         int64_t vocab_size) {
  Vocabulary out;
  for (int64_t id = 0; id < vocab_size; ++id) {
    out.tokens.push_back(fmt::format("[PAD{}]", id));
    out.types.push_back(kUnused);
  }
  const json& model = file["model"];
  const bool byte_fallback = model.value("byte_fallback", false);
  for (const auto& [token, id] : model["vocab"].items()) {
    const bool is_byte = byte_fallback && token.size() == 6 &&
                         token.starts_with("<0x") && token.ends_with(">");
    out.set(id, token, is_byte ? kByte : kNormal, where);
  }
  for (const json& token : file.value("added_tokens", json::array()))
    // Behind the model's last row there is nothing that it could mean.
    if (token.value("id", int64_t{0}) < vocab_size)
      out.set(token.value("id", json()), token.value("content", std::string()),
              token.value("special", false) ? kControl : kUserDefined, where);
  return out;
}

}  // namespace

Tokenizer read_gguf_tokenizer(const GgufFile& file) {
  return GgufReader(file).read();
}

GgufVocabulary gguf_vocabulary(const fs::path& model_dir, int64_t vocab_size) {
  const Tokenizer tokenizer = Tokenizer::load(model_dir);  // checks the files
  const std::string where = vocabulary_file(model_dir).string();
  const std::string text = write_tokenizer_json(read_tokenizer_spec(model_dir));
  const json file = parse_json(text, where);
  const bool byte_level =
      has_part(file.value("pre_tokenizer", json()), "ByteLevel");
  const GgufPreType* pre = byte_level ? gguf_pre_type_of(file) : nullptr;
  Vocabulary vocabulary = vocabulary_of(file, where, vocab_size);
  const auto merges = merges_of(file["model"], where);

  GgufVocabulary out;
  const auto add = [&](const char* key, GgufValue value) {
    out.metadata.emplace_back(std::string("tokenizer.") + key,
                              std::move(value));
  };
  const auto add_id = [&](const char* role, int64_t id) {
    if (id >= 0)
      add(fmt::format("ggml.{}_token_id", role).c_str(),
          GgufValue::u32(static_cast<uint32_t>(id)));
  };
  add("ggml.model", GgufValue::string(byte_level ? "gpt2" : "llama"));
  if (byte_level) {
    add("ggml.pre",
        GgufValue::string(std::string(
            (pre != nullptr ? *pre : usual_gguf_pre_type()).names[0])));
    add("ggml.merges", GgufValue::array(merges));
  } else {
    add("ggml.scores",
        GgufValue::f32_array(scores_of(merges, vocabulary.tokens)));
    const std::string parts = file.value("normalizer", json()).dump() +
                              file.value("pre_tokenizer", json()).dump();
    add("ggml.add_space_prefix",
        GgufValue::boolean(parts.find("\"Prepend\"") != parts.npos ||
                           parts.find("\"first\"") != parts.npos ||
                           parts.find("\"always\"") != parts.npos));
  }
  if (const json unknown = file["model"].value("unk_token", json());
      unknown.is_string()) {
    const auto id = tokenizer.find(unknown.get<std::string>());
    if (id) vocabulary.types[static_cast<size_t>(*id)] = kUnknown;
    add_id("unknown", id.value_or(-1));
  }
  add("ggml.tokens", GgufValue::array(std::move(vocabulary.tokens)));
  add("ggml.token_type", GgufValue::i32_array(std::move(vocabulary.types)));
  add_id("bos", tokenizer.bos_token_id());
  add_id("eos", tokenizer.eos_token_id());
  for (const int32_t id : tokenizer.end_of_turn_ids())
    if (id != tokenizer.eos_token_id()) {
      add_id("eot", id);
      break;
    }
  if (const std::string pad = pad_token_of(model_dir); !pad.empty())
    add_id("padding", tokenizer.find(pad).value_or(-1));
  // GGUF can say bos and eos around a text, and nothing else.
  const auto puts = [](std::span<const int32_t> around, int32_t id) {
    return around.size() == 1 && around[0] == id;
  };
  const auto before = tokenizer.ids_before_text();
  const auto after = tokenizer.ids_after_text();
  const bool adds_bos = puts(before, tokenizer.bos_token_id());
  const bool adds_eos = puts(after, tokenizer.eos_token_id());
  if ((!before.empty() && !adds_bos) || (!after.empty() && !adds_eos))
    throw Error(
        "{}: the post_processor puts other tokens around a text than bos_token "
        "and eos_token, which GGUF cannot say",
        where);
  add("ggml.add_bos_token", GgufValue::boolean(adds_bos));
  add("ggml.add_eos_token", GgufValue::boolean(adds_eos));
  if (!tokenizer.chat_template().empty())
    add("chat_template", GgufValue::string(tokenizer.chat_template()));
  if (pre == nullptr) {
    add("huggingface.json", GgufValue::string(text));
    if (byte_level)
      out.note = fmt::format(
          "GGUF has no name for how this tokenizer cuts words; tokenizer.json "
          "goes along, and programs that do not read it cut as {}",
          usual_gguf_pre_type().names[0]);
  }
  return out;
}

}  // namespace seodang
