// What a tokenizer's files say, before anything is built of it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace seodang {

// A token that is found in the text before any splitting.
struct AddedToken {
  int32_t id;
  std::string content;
  bool special;  // a control token: decode() can skip it, encode() ignore it
  bool single_word = false;  // not inside a longer word
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // is searched in the normalized text
};

// A tokenizer.json, its vocabulary taken out of the JSON. Readers of other
// formats (tokenizer.model) fill it too.
struct TokenizerSpec {
  // By id. With `byte_level` the raw bytes, else the text as the vocabulary
  // spells it ("▁the", "<0x0A>"); "" for tokens that are only added ones.
  std::vector<std::string> tokens;
  bool byte_level = true;
  std::vector<std::pair<int32_t, int32_t>> merges;  // ids, most urgent first
  bool ignore_merges = false;  // a word that is a token is not taken apart
  bool byte_fallback = false;  // a character without token becomes <0x..> bytes
  bool fuse_unk = false;       // several unknown characters are one unk_token
  std::string unk_token;       // "" for none: the unknown is left out
  std::vector<AddedToken> added_tokens;  // ascending ids

  // JSON, as in tokenizer.json. See the header of each part.
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string post_processor = "null";
  std::string decoder = "null";

  std::string bos_token, eos_token, pad_token;  // contents; "" for none
  std::string chat_template;
  std::string config;  // tokenizer_config.json as read; "" to make a new one
};

}  // namespace seodang
