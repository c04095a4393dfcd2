#include "tokenizer/post_processor.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/json_part.h"

namespace seodang {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string read_template(const JsonPart& part) {
  part.only_keys({"type", "single", "pair", "special_tokens"});
  std::string before;
  bool text_seen = false;
  for (const json& value : part.list("single")) {
    const JsonPart piece(value, part.where());
    piece.only_keys({"SpecialToken", "Sequence"});
    if (piece.has("Sequence")) {
      text_seen = true;
      continue;
    }
    if (text_seen || !before.empty())
      throw Error("{}: only one token before the text is supported",
                  part.where());
    before = JsonPart(piece.value("SpecialToken"), part.where()).text("id");
  }
  return before;
}

std::string read(const JsonPart& part) {
  const std::string& type = part.type();
  if (type == "TemplateProcessing") return read_template(part);
  if (type == "Sequence") {
    part.only_keys({"type", "processors"});
    std::string before;
    for (const json& value : part.list("processors")) {
      const std::string token = read(JsonPart::typed(value, "post_processor"));
      if (!token.empty() && !before.empty())
        throw Error("{}: only one token before the text is supported",
                    part.where());
      if (!token.empty()) before = token;
    }
    return before;
  }
  if (type != "ByteLevel") part.refuse();
  return "";
}

}  // namespace

std::string token_before_text(const std::string& text) {
  const json value = json::parse(text);
  return value.is_null() ? "" : read(JsonPart::typed(value, "post_processor"));
}

std::string post_processor_putting(const std::string& content, int32_t id) {
  if (content.empty()) return kByteLevelPart;
  auto token = [&](int type) -> ordered_json {
    return {{"SpecialToken", {{"id", content}, {"type_id", type}}}};
  };
  auto text = [](const char* name, int type) -> ordered_json {
    return {{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  ordered_json tokens;
  tokens[content] = {{"id", content},
                     {"ids", ordered_json::array({id})},
                     {"tokens", ordered_json::array({content})}};
  const ordered_json single = ordered_json::array({token(0), text("A", 0)});
  const ordered_json pair =
      ordered_json::array({token(0), text("A", 0), token(1), text("B", 1)});
  return ordered_json{{"type", "TemplateProcessing"},
                      {"single", single},
                      {"pair", pair},
                      {"special_tokens", tokens}}
      .dump();
}

}  // namespace seodang
