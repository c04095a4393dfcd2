#include "tokenizer/sentencepiece.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/json_object.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/token_table.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxPieces = 1 << 24;

// Steps through the fields of one protocol buffer message (the wire format of
// protobuf.dev/programming-guides/encoding). Throws Error when it is cut short.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  // Goes to the next field; false at the end.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = read_varint();
    field_ = key >> 3;
    switch (key & 7) {
      case 0:
        number_ = read_varint();
        bytes_ = {};
        break;
      case 1:
        bytes_ = take(8);
        break;
      case 2:
        bytes_ = take(read_varint());
        break;
      case 5:
        bytes_ = take(4);
        break;
      default:
        throw Error("not a SentencePiece model");
    }
    kind_ = key & 7;
    return true;
  }

  uint64_t field() const { return field_; }
  std::string_view bytes() const { return of_kind(2), bytes_; }
  uint64_t number() const { return of_kind(0), number_; }
  float real() const {
    of_kind(5);
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i)
      bits |= static_cast<uint32_t>(static_cast<uint8_t>(bytes_[i])) << 8 * i;
    return std::bit_cast<float>(bits);
  }

 private:
  void of_kind(uint64_t kind) const {
    if (kind_ != kind) throw Error("field {} is of a wrong kind", field_);
  }

  std::string_view take(uint64_t size) {
    if (size > rest_.size()) throw Error("the file is cut short");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  uint64_t read_varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (!(byte & 0x80)) return value;
    }
    throw Error("not a SentencePiece model");
  }

  std::string_view rest_, bytes_;
  uint64_t field_ = 0, kind_ = 0, number_ = 0;
};

// The numbers of fields are those of sentencepiece_model.proto.
SentencePiece read_piece(std::string_view bytes, size_t id) {
  SentencePiece piece;
  uint64_t type = 1;
  for (Message message(bytes); message.next();) {
    if (message.field() == 1) piece.text = message.bytes();
    if (message.field() == 2) piece.score = message.real();
    if (message.field() == 3) type = message.number();
  }
  if (type < 1 || type > 6) throw Error("piece {} has type {}", id, type);
  piece.type = static_cast<PieceType>(type);
  return piece;
}

struct TrainerSpec {
  uint64_t model_type = 1;  // unigram
  int64_t bos_id = 1, eos_id = 2, pad_id = -1;
};

TrainerSpec read_trainer_spec(std::string_view bytes) {
  TrainerSpec spec;
  for (Message message(bytes); message.next();) {
    if (message.field() == 3) spec.model_type = message.number();
    if (message.field() == 24 && message.number())
      throw Error("treat_whitespace_as_suffix is not supported");
    // Negative numbers are written as 64 bits.
    if (message.field() == 41)
      spec.bos_id = static_cast<int64_t>(message.number());
    if (message.field() == 42)
      spec.eos_id = static_cast<int64_t>(message.number());
    if (message.field() == 43)
      spec.pad_id = static_cast<int64_t>(message.number());
  }
  return spec;
}

void read_normalizer_spec(std::string_view bytes, SentencePieceModel& model) {
  model.remove_extra_whitespaces = true;
  bool escapes_spaces = true;
  for (Message message(bytes); message.next();) {
    if (message.field() == 2 && !message.bytes().empty())
      throw Error("a normalizer with a character map is not supported");
    if (message.field() == 3) model.add_dummy_prefix = message.number() != 0;
    if (message.field() == 4)
      model.remove_extra_whitespaces = message.number() != 0;
    if (message.field() == 5) escapes_spaces = message.number() != 0;
  }
  if (!escapes_spaces)
    throw Error("escape_whitespaces = false is not supported");
}

SentencePieceModel read_model(std::string_view bytes) {
  SentencePieceModel model;
  TrainerSpec trainer;
  std::string_view normalizer;
  for (Message message(bytes); message.next();) {
    if (message.field() == 1) {
      if (model.pieces.size() == kMaxPieces)
        throw Error("more than {} pieces", kMaxPieces);
      model.pieces.push_back(read_piece(message.bytes(), model.pieces.size()));
    }
    if (message.field() == 2) trainer = read_trainer_spec(message.bytes());
    if (message.field() == 3) normalizer = message.bytes();
  }
  if (model.pieces.empty()) throw Error("not a SentencePiece model");
  if (trainer.model_type != 2)
    throw Error("model type {} is not supported, only BPE",
                trainer.model_type == 1   ? "unigram"
                : trainer.model_type == 3 ? "word"
                                          : "char");
  read_normalizer_spec(normalizer, model);
  auto text_of = [&](int64_t id) {
    return id >= 0 && id < static_cast<int64_t>(model.pieces.size())
               ? model.pieces[id].text
               : "";
  };
  model.bos_token = text_of(trainer.bos_id);
  model.eos_token = text_of(trainer.eos_id);
  model.pad_token = text_of(trainer.pad_id);
  for (const SentencePiece& piece : model.pieces)
    if (piece.type == PieceType::unknown) model.unk_token = piece.text;
  return model;
}

// --- Merges: SentencePiece merges the neighbours that make the piece with the
// best score. All pairs that make a piece, best score first, say the same; of
// one piece the pair with the longest left part goes first, as transformers
// orders them.

struct Merge {
  float score;
  int32_t left_size, right_size;  // in characters
  int32_t left, right;

  auto key() const { return std::tuple(score, left_size, right_size); }
};

bool can_be_made(PieceType type) {
  return type == PieceType::normal || type == PieceType::user_defined;
}

void add_merges_making(const SentencePiece& piece, const TokenTable& table,
                       std::vector<Merge>& merges) {
  const std::string_view text = piece.text;
  std::vector<size_t> starts;
  for (size_t at = 0; at < text.size();
       at += utf8_character_size(text.substr(at)))
    starts.push_back(at);
  const size_t first = merges.size();
  for (size_t i = 1; i < starts.size(); ++i) {
    const int32_t left = table.find(text.substr(0, starts[i]));
    const int32_t right = left < 0 ? -1 : table.find(text.substr(starts[i]));
    if (right >= 0)
      merges.push_back({piece.score, static_cast<int32_t>(i),
                        static_cast<int32_t>(starts.size() - i), left, right});
  }
  std::sort(merges.begin() + static_cast<int64_t>(first), merges.end(),
            [](const Merge& a, const Merge& b) {
              return std::tie(a.left, a.right) < std::tie(b.left, b.right);
            });
}

void add_merges(const SentencePieceModel& model, TokenizerSpec& spec) {
  const TokenTable table(spec.tokens);
  std::vector<Merge> merges;
  for (const SentencePiece& piece : model.pieces)
    if (can_be_made(piece.type)) add_merges_making(piece, table, merges);
  std::stable_sort(
      merges.begin(), merges.end(),
      [](const Merge& a, const Merge& b) { return a.key() > b.key(); });
  spec.merges.reserve(merges.size());
  for (const Merge& merge : merges)
    spec.merges.emplace_back(merge.left, merge.right);
}

void add_pieces(const SentencePieceModel& model, TokenizerSpec& spec) {
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePiece& piece = model.pieces[id];
    if (piece.text.empty() ||
        find_invalid_utf8(piece.text) != std::string::npos)
      throw Error("piece {} is empty or not UTF-8", id);
    if (!(piece.score == piece.score)) throw Error("piece {} has no score", id);
    if (piece.type == PieceType::unused)
      throw Error("piece {} is of the kind \"unused\", which is not supported",
                  id);
    spec.tokens.push_back(piece.text);
    if (piece.type == PieceType::byte) spec.byte_fallback = true;
    const bool special =
        piece.type == PieceType::control || piece.type == PieceType::unknown;
    if (special || piece.type == PieceType::user_defined)
      spec.added_tokens.push_back(
          {static_cast<int32_t>(id), piece.text, special});
  }
}

// --- The parts around the model.

ordered_json replace(const char* kind, const char* pattern,
                     const char* content) {
  return {{"type", "Replace"},
          {"pattern", {{kind, pattern}}},
          {"content", content}};
}

std::string sequence(const ordered_json& normalizers) {
  if (normalizers.empty()) return "null";
  if (normalizers.size() == 1) return normalizers[0].dump();
  return ordered_json{{"type", "Sequence"}, {"normalizers", normalizers}}
      .dump();
}

void add_parts(const SentencePieceModel& model, bool prefix_once,
               TokenizerSpec& spec) {
  ordered_json normalizers = ordered_json::array();
  if (model.remove_extra_whitespaces) {
    normalizers.push_back(replace("Regex", "\\A +| +\\z", ""));
    normalizers.push_back(replace("Regex", " {2,}", " "));
  }
  if (model.add_dummy_prefix && prefix_once) {
    spec.pre_tokenizer = ordered_json{
        {"type", "Metaspace"},
        {"replacement", "▁"},
        {"prepend_scheme", "first"},
        {"split", false}}.dump();
  } else {
    if (model.add_dummy_prefix)
      normalizers.push_back({{"type", "Prepend"}, {"prepend", "▁"}});
    normalizers.push_back(replace("String", " ", "▁"));
  }
  spec.normalizer = sequence(normalizers);
  ordered_json steps = ordered_json::array({replace("String", "▁", " "),
                                            {{"type", "ByteFallback"}},
                                            {{"type", "Fuse"}}});
  if (model.add_dummy_prefix)
    steps.push_back(
        {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  spec.decoder = ordered_json{{"type", "Sequence"}, {"decoders", steps}}.dump();
  put_around_text(spec, true, std::nullopt);
}

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes,
                                       std::string_view name) {
  try {
    return read_model(bytes);
  } catch (const Error& error) {
    throw Error("{}: {}", name, error.what());
  }
}

TokenizerSpec tokenizer_of_pieces(const SentencePieceModel& model,
                                  bool prefix_once) {
  TokenizerSpec spec;
  spec.byte_level = false;
  spec.unk_token = model.unk_token;
  spec.fuse_unk = true;
  spec.bos_token = model.bos_token;
  spec.eos_token = model.eos_token;
  spec.pad_token = model.pad_token;
  add_pieces(model, spec);
  add_merges(model, spec);
  add_parts(model, prefix_once, spec);
  return spec;
}

}  // namespace seodang
