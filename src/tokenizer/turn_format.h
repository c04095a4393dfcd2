// How the open families write the turns of a chat.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace seodang {

class Tokenizer;

struct TurnFormat {
  std::string_view name;
  std::vector<std::string_view> tokens;  // added ones that it is written with
  std::string_view end;  // the token that ends an answer; "": eos_token
  std::string_view chat_template;  // Jinja
};

// llama3 (Llama 3), gemma, chatml (Qwen), mistral (Mistral since v0.3, Nemo)
// and eos, which any vocabulary with an eos token can write (Llama 2, the first
// Mistral), in the shape that Zephyr and TinyLlama have.
std::span<const TurnFormat> turn_formats();

// What the models that Seodang pretrains are taught: llama3's.
extern const char kLlama3ChatTemplate[];

// The format to teach a base model that has no chat template: the first whose
// tokens the tokenizer has, so that an answer can be ended. Throws Error when
// there is none.
const TurnFormat& turn_format_of(const Tokenizer& tokenizer);

// The tokens by which families end a turn, beside eos.
std::span<const std::string_view> end_of_turn_tokens();

}  // namespace seodang
