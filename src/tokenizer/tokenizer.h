// Text to token ids and back, as a model directory's tokenizer files say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

struct TokenizerSpec;  // tokenizer/tokenizer_spec.h

// How a text is read.
struct EncodeOptions {
  // Puts what the post-processor says around the text: for most families bos
  // before it.
  bool add_special_tokens = false;
  // Special tokens written in the text become their ids. Text from users should
  // not have this: it could forge turns.
  bool parse_special = false;
  // The text goes on where another ended: SentencePiece's space is not put
  // before it.
  bool continues = false;
};

// Places in a text, as ascending offsets in bytes.
struct TextMarks {
  std::vector<size_t> literal;  // a special token written there stays text
  std::vector<size_t> cuts;     // no token reaches across
};

// A BPE tokenizer, of bytes or of characters. Cheap to copy (shared, immutable
// parts); every const member may be called from many threads at once.
class Tokenizer {
 public:
  // Reads tokenizer.json, or where there is none SentencePiece's
  // tokenizer.model; and where present tokenizer_config.json,
  // chat_template.jinja and special_tokens_map.json. Or a .gguf file. Throws
  // Error naming the file, and the part that is not supported.
  static Tokenizer load(const std::filesystem::path& model_dir);
  explicit Tokenizer(TokenizerSpec spec);
  ~Tokenizer();
  Tokenizer(const Tokenizer&);
  Tokenizer& operator=(const Tokenizer&);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json
  // as transformers and llama.cpp's converter read them.
  void save(const std::filesystem::path& model_dir) const;

  // `text` is UTF-8; ill-formed bytes are encoded as U+FFFD (to refuse them:
  // base/utf8.h).
  std::vector<int32_t> encode(std::string_view text,
                              EncodeOptions options = {}) const;
  // The text as a prompt that is to be continued: with what the post-processor
  // puts before it, without what it puts after.
  std::vector<int32_t> encode_prompt(std::string_view text) const;
  // A text in the parts that the cuts make of it, one more than cuts, special
  // tokens parsed. A part goes on where the one before ended: SentencePiece's
  // space before a text is not put again in the midst of it. `text` is valid
  // UTF-8, and no cut is within a character.
  std::vector<std::vector<int32_t>> encode_parts(std::string_view text,
                                                 const TextMarks& marks) const;
  // Where special tokens are written in `text`.
  std::vector<size_t> special_offsets(std::string_view text) const;

  // The text of `ids`, always valid UTF-8: bytes that form no character become
  // U+FFFD. As Hugging Face's: where encode() puts a space before the text,
  // that space is taken away. Throws Error for an id outside [0, vocab_size).
  std::string decode(std::span<const int32_t> ids,
                     bool skip_special_tokens = true) const;

  // The raw bytes of one token in the midst of a text (a space for "▁"); of a
  // special token, its content. Valid as long as this tokenizer. Throws Error
  // for an id outside [0, vocab_size).
  std::string_view token_bytes(int32_t id) const;

  int32_t vocab_size() const;  // largest id + 1, special tokens included
  // The id of an added token's content, or of the token that the vocabulary
  // has so: as raw bytes if it is of bytes, else as it is spelled ("▁the").
  std::optional<int32_t> find(std::string_view special_or_token) const;
  // The same of added tokens alone.
  std::optional<int32_t> find_added(std::string_view content) const;
  bool is_special(int32_t id) const;
  bool is_added(int32_t id) const;

  int32_t bos_token_id() const;  // -1 if there is none
  int32_t eos_token_id() const;  // -1 if there is none
  // What add_special_tokens puts before a text, and after it.
  std::span<const int32_t> ids_before_text() const;
  std::span<const int32_t> ids_after_text() const;
  // Tokens that end an answer: those by which families end a turn
  // (tokenizer/turn_format.h), then eos.
  std::vector<int32_t> end_of_turn_ids() const;

  const std::string& chat_template() const;  // Jinja; empty if there is none
  void set_chat_template(std::string jinja);

 private:
  void check(int32_t id) const;
  struct Parts;
  std::shared_ptr<const Parts> parts_;
  std::string chat_template_;
};

}  // namespace seodang
