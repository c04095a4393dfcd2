// From tokens back to text. (Not the model's decoder: model/decoder.h.)
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

class JsonObject;

// The "decoder" of tokenizer.json: ByteLevel, Replace, ByteFallback, Fuse,
// Strip, Metaspace and Sequence.
class TokenDecoder {
 public:
  // `json`: the part's JSON. Throws Error naming what is not supported.
  explicit TokenDecoder(const std::string& json);

  // It begins with ByteLevel, so tokens are raw bytes and not spelled text.
  bool byte_level() const { return byte_level_; }

  // The text of tokens: raw bytes if byte_level(), else as the vocabulary
  // spells them. Valid UTF-8: bytes that form no character become U+FFFD, with
  // ByteFallback every byte of a run that is not text as a whole.
  std::string decode(std::vector<std::string> tokens) const;

  // The bytes that a spelled token stands for in the midst of a text.
  std::string bytes_of(std::string_view token) const;

 private:
  struct Step {
    std::function<void(std::vector<std::string>&)> decode;
    std::function<void(std::string&)> bytes_of;  // may be empty
  };
  static Step replace(const JsonObject& part);
  static Step byte_fallback();
  static Step strip(const JsonObject& part);
  static Step metaspace(const JsonObject& part);
  void read(const JsonObject& part);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace seodang
