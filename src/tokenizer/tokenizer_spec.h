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
  bool
      special;  // a control token: decode() can skip it, encode() can ignore it
};

struct TokenizerSpec {
  std::vector<std::string> tokens;  // raw bytes by id; "" for added tokens
  std::vector<std::pair<int32_t, int32_t>> merges;  // ids, most urgent first
  bool ignore_merges = false;  // a word that is a token is not taken apart
  std::vector<AddedToken> added_tokens;     // ascending ids
  std::vector<std::string> split_patterns;  // PreTokenizer's
  bool bos_in_template = false;             // the post-processor puts bos first
  std::string bos_token, eos_token, pad_token;  // contents; "" for none
  std::string chat_template;
  std::string config;  // tokenizer_config.json as read; "" to make a new one
};

}  // namespace seodang
