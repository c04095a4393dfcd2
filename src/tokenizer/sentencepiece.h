// SentencePiece's tokenizer.model (Kudo and Richardson, "SentencePiece: A
// simple and language independent subword tokenizer", EMNLP 2018).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace seodang {

// The kinds of pieces, numbered as in SentencePiece's file (and GGUF).
enum class PieceType {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct SentencePiece {
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

// What a BPE model of SentencePiece says; pieces by id.
struct SentencePieceModel {
  std::vector<SentencePiece> pieces;
  bool add_dummy_prefix = true;  // a space before the text
  // Spaces at the ends of a text are dropped, and several are one.
  bool remove_extra_whitespaces = false;
  std::string bos_token, eos_token, pad_token, unk_token;
};

// Reads the protocol buffer. Throws Error "NAME: …" for what is damaged, and
// for models that are not BPE or that map characters before (the families here
// do not).
SentencePieceModel parse_sentencepiece(std::string_view bytes,
                                       std::string_view name);

// The same tokenizer as tokenizer.json would say it, as transformers converts
// it: ids equal those of the family's tokenizer.json. Control and unknown
// pieces become special tokens, user-defined ones added tokens. `prefix_once`:
// the space goes only before the text and not again after each special token
// ("legacy": false in tokenizer_config.json). Throws Error when the pieces make
// no vocabulary.
TokenizerSpec tokenizer_of_pieces(const SentencePieceModel& model,
                                  bool prefix_once);

}  // namespace seodang
