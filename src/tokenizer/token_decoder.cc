#include "tokenizer/token_decoder.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/json_object.h"
#include "tokenizer/byte_token.h"
#include "tokenizer/regex.h"

namespace seodang {
namespace {

using nlohmann::json;

std::string joined(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

// A run of bytes is text as a whole, or each of its bytes is U+FFFD.
void end_run(std::string& run, std::vector<std::string>& out) {
  if (run.empty()) return;
  if (find_invalid_utf8(run) == run.npos)
    out.push_back(run);
  else
    for (size_t i = 0; i < run.size(); ++i)
      out.emplace_back(kReplacementCharacter);
  run.clear();
}

void decode_bytes(std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string run;
  for (std::string& token : tokens) {
    if (const auto byte = byte_of_token(token)) {
      run += static_cast<char>(*byte);
    } else {
      end_run(run, out);
      out.push_back(std::move(token));
    }
  }
  end_run(run, out);
  tokens = std::move(out);
}

// Cuts `content` off the front `start` times and off the end `stop` times, as
// often as it is there.
void strip_text(std::string& text, const std::string& content, int64_t start,
                int64_t stop) {
  std::string_view rest = text;
  for (; start > 0 && rest.starts_with(content); --start)
    rest.remove_prefix(content.size());
  for (; stop > 0 && rest.ends_with(content); --stop)
    rest.remove_suffix(content.size());
  text = std::string(rest);
}

}  // namespace

TokenDecoder::Step TokenDecoder::replace(const JsonObject& part) {
  part.only_keys({"type", "pattern", "content"});
  const auto change = [pattern = read_pattern(part),
                       content = part.text("content")](std::string& token) {
    token = pattern.replace(token, content);
  };
  return {[change](auto& tokens) {
            for (std::string& token : tokens) change(token);
          },
          change};
}

TokenDecoder::Step TokenDecoder::byte_fallback() {
  return {decode_bytes, [](std::string& token) {
            if (const auto byte = byte_of_token(token))
              token = std::string(1, static_cast<char>(*byte));
          }};
}

TokenDecoder::Step TokenDecoder::strip(const JsonObject& part) {
  part.only_keys({"type", "content", "start", "stop"});
  const std::string& content = part.text("content");
  if (content.empty() || utf8_character_size(content) != content.size())
    throw Error("{}: content must be one character", part.where());
  return {[content, start = part.integer("start", 0, INT32_MAX),
           stop = part.integer("stop", 0, INT32_MAX)](auto& tokens) {
            for (std::string& token : tokens)
              strip_text(token, content, start, stop);
          },
          nullptr};
}

TokenDecoder::Step TokenDecoder::metaspace(const JsonObject& part) {
  part.only_keys({"type", "replacement", "prepend_scheme", "split",
                  "add_prefix_space", "str_rep"});
  const bool prepends = part.flag("add_prefix_space", true) &&
                        part.text_or("prepend_scheme", "always") != "never";
  const Regex mark = Regex::literal(part.text("replacement"));
  return {[mark, prepends](auto& tokens) {
            for (size_t i = 0; i < tokens.size(); ++i)
              tokens[i] =
                  mark.replace(tokens[i], i == 0 && prepends ? "" : " ");
          },
          [mark](std::string& token) { token = mark.replace(token, " "); }};
}

void TokenDecoder::read(const JsonObject& part) {
  const std::string& type = part.type();
  if (type == "Sequence") {
    part.only_keys({"type", "decoders"});
    for (const json& step : part.list("decoders"))
      read(JsonObject::typed(step, "decoder"));
  } else if (type == "ByteLevel") {
    part.only_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    if (byte_level_ || !steps_.empty())
      throw Error("decoder: \"ByteLevel\" must come first");
    byte_level_ = true;
  } else if (type == "Replace") {
    steps_.push_back(replace(part));
  } else if (type == "ByteFallback") {
    part.only_keys({"type"});
    steps_.push_back(byte_fallback());
  } else if (type == "Fuse") {
    part.only_keys({"type"});
    steps_.push_back({[](auto& tokens) { tokens = {joined(tokens)}; }, {}});
  } else if (type == "Strip") {
    steps_.push_back(strip(part));
  } else if (type == "Metaspace") {
    steps_.push_back(metaspace(part));
  } else {
    part.refuse();
  }
}

TokenDecoder::TokenDecoder(const std::string& text) {
  const json value = json::parse(text);
  read(JsonObject::typed(value, "decoder"));
}

std::string TokenDecoder::decode(std::vector<std::string> tokens) const {
  if (byte_level_) tokens = {replace_invalid_utf8(joined(tokens))};
  for (const Step& step : steps_) step.decode(tokens);
  return joined(tokens);
}

std::string TokenDecoder::bytes_of(std::string_view token) const {
  std::string bytes(token);
  for (const Step& step : steps_)
    if (step.bytes_of) step.bytes_of(bytes);
  return bytes;
}

}  // namespace seodang
