#include "tokenizer/post_processor.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json_object.h"
#include "tokenizer/byte_level.h"

namespace seodang {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// What a name of the template stands for: itself, or the list of tokens that
// special_tokens gives it.
std::vector<std::string> tokens_named(const JsonObject& part,
                                      const std::string& name) {
  const json& names = part.value("special_tokens");
  const json named = names.is_object() ? names.value(name, json()) : json();
  const json tokens =
      named.is_object() ? named.value("tokens", json()) : json();
  if (!tokens.is_array() || tokens.empty()) return {name};
  std::vector<std::string> out;
  for (const json& token : tokens) {
    if (!token.is_string())
      throw Error("{}: special_tokens of {} holds {}, which is no token",
                  part.where(), shown(name), shown(token));
    out.push_back(token.get<std::string>());
  }
  return out;
}

void read_template(const JsonObject& part, TokensAround& around) {
  part.only_keys({"type", "single", "pair", "special_tokens"});
  std::vector<std::string> before, after;
  bool text_seen = false;
  for (const json& value : part.list("single")) {
    const JsonObject piece(value, part.where());
    piece.only_keys({"SpecialToken", "Sequence"});
    if (piece.has("Sequence")) {
      text_seen = true;
      continue;
    }
    const auto tokens = tokens_named(
        part, JsonObject(piece.value("SpecialToken"), part.where()).text("id"));
    std::vector<std::string>& side = text_seen ? after : before;
    side.insert(side.end(), tokens.begin(), tokens.end());
  }
  // Of several processors the later one goes around the earlier.
  around.before.insert(around.before.begin(), before.begin(), before.end());
  around.after.insert(around.after.end(), after.begin(), after.end());
}

void read_processor(const JsonObject& part, TokensAround& around) {
  const std::string& type = part.type();
  if (type == "TemplateProcessing") {
    read_template(part, around);
  } else if (type == "Sequence") {
    part.only_keys({"type", "processors"});
    for (const json& value : part.list("processors"))
      read_processor(JsonObject::typed(value, "post_processor"), around);
  } else if (type != "ByteLevel") {
    part.refuse();
  }
}

int32_t id_in(const TokenizerSpec& spec, const std::string& content) {
  for (const AddedToken& token : spec.added_tokens)
    if (token.content == content) return token.id;
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), content);
  if (found == spec.tokens.end())
    throw Error("\"{}\", which stands around a text, is not in the vocabulary",
                content);
  return static_cast<int32_t>(found - spec.tokens.begin());
}

// TemplateProcessing for one text and for a pair of them.
std::string template_putting(const TokensAround& around,
                             const TokenizerSpec& spec) {
  ordered_json single = ordered_json::array(), pair = single, tokens;
  const auto add_all = [&](const std::vector<std::string>& contents, int type,
                           ordered_json& to) {
    for (const std::string& content : contents)
      to.push_back({{"SpecialToken", {{"id", content}, {"type_id", type}}}});
  };
  const auto add_text = [&](const char* name, int type, ordered_json& to) {
    add_all(around.before, type, to);
    to.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    add_all(around.after, type, to);
  };
  add_text("A", 0, single);
  add_text("A", 0, pair);
  add_text("B", 1, pair);
  for (const auto* contents : {&around.before, &around.after})
    for (const std::string& content : *contents)
      tokens[content] = {{"id", content},
                         {"ids", ordered_json::array({id_in(spec, content)})},
                         {"tokens", ordered_json::array({content})}};
  return ordered_json{{"type", "TemplateProcessing"},
                      {"single", single},
                      {"pair", pair},
                      {"special_tokens", tokens}}
      .dump();
}

}  // namespace

TokensAround tokens_around_text(const std::string& text) {
  TokensAround around;
  if (const json value = json::parse(text); !value.is_null())
    read_processor(JsonObject::typed(value, "post_processor"), around);
  return around;
}

void put_around_text(TokenizerSpec& spec, std::optional<bool> add_bos_token,
                     std::optional<bool> add_eos_token) {
  TokensAround around = tokens_around_text(spec.post_processor);
  bool changed = false;
  const auto put = [&](std::optional<bool> wish, const std::string& token,
                       std::vector<std::string>& side) {
    if (!wish) return;
    std::vector<std::string> wanted;
    if (*wish && !token.empty()) wanted.push_back(token);
    if (side == wanted) return;
    side = wanted;
    changed = true;
  };
  put(add_bos_token, spec.bos_token, around.before);
  put(add_eos_token, spec.eos_token, around.after);
  if (!changed) return;  // it may say more than tokens, and stays as it is
  spec.post_processor = around.before.empty() && around.after.empty()
                            ? kByteLevelPart
                            : template_putting(around, spec);
}

}  // namespace seodang
