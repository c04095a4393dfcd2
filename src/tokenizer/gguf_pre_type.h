// How a byte-level tokenizer cuts text, by the name that tokenizer.ggml.pre of
// a GGUF file has for it (llama.cpp, convert_hf_to_gguf_update.py and
// llama-vocab.cpp).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

struct GgufPreType {
  std::vector<std::string_view> names;  // the first is the one that is written
  std::string pre_tokenizer;            // as in tokenizer.json
  std::string normalizer;
  bool ignore_merges;
  bool adds_bos;  // where tokenizer.ggml.add_bos_token is absent
};

// nullptr when the name is not known.
const GgufPreType* find_gguf_pre_type(std::string_view name);
// For a message: the names that are known.
std::string gguf_pre_names();
// The one under which the fewest of these tokens, spelled as in a byte-level
// vocabulary, would be cut in pieces: no merge can have made those. Of several
// the one that cuts most otherwise.
const GgufPreType& guess_gguf_pre_type(const std::vector<std::string>& tokens);
// The one that cuts exactly as this tokenizer.json; nullptr if there is none.
const GgufPreType* gguf_pre_type_of(const nlohmann::json& tokenizer_json);
// The one that is named where there is none, by which other programs will cut.
const GgufPreType& usual_gguf_pre_type();

}  // namespace seodang
