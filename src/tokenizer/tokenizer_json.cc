#include "tokenizer/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "formats/json.h"
#include "tokenizer/byte_level.h"

namespace seodang {
namespace {

using nlohmann::json;

constexpr size_t kMaxTokens = 1 << 24;

// GPT-2's split, which ByteLevel makes by itself when use_regex is set.
constexpr const char* kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";

// --- Strict reading: a key that is not understood is refused by name.

// `value` printed for a message.
std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 60 ? "a value of type " + std::string(value.type_name())
                          : text;
}

void only_keys(const json& object, std::string_view where,
               std::initializer_list<std::string_view> keys) {
  if (!object.is_object()) throw Error("{}: expected an object", where);
  for (const auto& [key, value] : object.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      throw Error("{}: key {} is not supported", where, shown(key));
}

// The key may be absent, null, or one of `values`.
void only_values(const json& object, std::string_view where, const char* key,
                 std::initializer_list<json> values) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  if (std::find(values.begin(), values.end(), *found) == values.end())
    throw Error("{}: {} = {} is not supported", where, key, shown(*found));
}

bool bool_or(const json& object, std::string_view where, const char* key,
             bool otherwise) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return otherwise;
  if (!found->is_boolean())
    throw Error("{}: {} must be true or false", where, key);
  return found->get<bool>();
}

const std::string& string_of(const json& object, std::string_view where,
                             const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string())
    throw Error("{}: needs a string \"{}\"", where, key);
  return found->get_ref<const std::string&>();
}

const json& array_of(const json& object, std::string_view where,
                     const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array())
    throw Error("{}: needs an array \"{}\"", where, key);
  return *found;
}

[[noreturn]] void refuse(const char* part, const json& type) {
  throw Error("{} {} is not supported", part, shown(type));
}

// --- The parts, one function each.

void read_normalizer(const json& part) {
  if (!part.is_null())
    refuse("normalizer", string_of(part, "normalizer", "type"));
}

void read_split(const json& part, TokenizerSpec& spec) {
  constexpr const char* kWhere = "pre_tokenizer \"Split\"";
  only_keys(part, kWhere, {"type", "pattern", "behavior", "invert"});
  only_values(part, kWhere, "behavior", {"Isolated"});
  only_values(part, kWhere, "invert", {false});
  const json pattern = part.value("pattern", json());
  only_keys(pattern, kWhere, {"Regex"});
  spec.split_patterns.push_back(string_of(pattern, kWhere, "Regex"));
}

// Returns true when the part was ByteLevel, which must be the last.
bool read_pre_tokenizer(const json& part, TokenizerSpec& spec) {
  const std::string& type = string_of(part, "pre_tokenizer", "type");
  if (type == "Split") {
    read_split(part, spec);
    return false;
  }
  if (type == "ByteLevel") {
    constexpr const char* kWhere = "pre_tokenizer \"ByteLevel\"";
    only_keys(part, kWhere,
              {"type", "add_prefix_space", "trim_offsets", "use_regex"});
    if (bool_or(part, kWhere, "add_prefix_space", true))
      throw Error("{}: add_prefix_space = true is not supported", kWhere);
    if (bool_or(part, kWhere, "use_regex", true))
      spec.split_patterns.push_back(kGpt2Pattern);
    return true;
  }
  if (type == "Sequence") {
    only_keys(part, "pre_tokenizer", {"type", "pretokenizers"});
    bool byte_level = false;
    for (const json& step : array_of(part, "pre_tokenizer", "pretokenizers")) {
      if (byte_level)
        throw Error("pre_tokenizer: nothing may follow \"ByteLevel\"");
      if (string_of(step, "pre_tokenizer", "type") == "Sequence")
        refuse("pre_tokenizer", "Sequence in a Sequence");
      byte_level = read_pre_tokenizer(step, spec);
    }
    return byte_level;
  }
  refuse("pre_tokenizer", type);
}

void read_vocabulary(const json& vocab, TokenizerSpec& spec) {
  const size_t count = vocab.size();
  if (count > kMaxTokens) throw Error("model: {} tokens are too many", count);
  spec.tokens.resize(count);
  std::vector<bool> seen(count);
  for (const auto& [spelling, value] : vocab.items()) {
    if (!value.is_number_unsigned())
      throw Error("model: the id of {} is not a number", shown(spelling));
    const uint64_t id = value.get<uint64_t>();
    if (id >= count || seen[id])
      throw Error("model: id {} of {} is {}", id, shown(spelling),
                  id >= count ? "beyond the vocabulary's size" : "given twice");
    if (spelling.empty()) throw Error("model: token {} is empty", id);
    seen[id] = true;
    spec.tokens[id] = spelling;  // its bytes come last: unspell_tokens()
  }
}

void read_merges(const json& merges, const json& vocab, TokenizerSpec& spec) {
  auto id_of = [&](const std::string& spelling) {
    const auto found = vocab.find(spelling);
    if (found == vocab.end())
      throw Error("model: merge {} names {}, which is no token",
                  spec.merges.size(), shown(spelling));
    return found->get<int32_t>();
  };
  spec.merges.reserve(merges.size());
  for (const json& merge : merges) {
    std::string left, right;
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
        merge[1].is_string()) {
      left = merge[0];
      right = merge[1];
    } else if (merge.is_string()) {
      const std::string& text = merge.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space != text.npos) {
        left = text.substr(0, space);
        right = text.substr(space + 1);
      }
    }
    if (left.empty() || right.empty())
      throw Error("model: merge {} is not two tokens", spec.merges.size());
    spec.merges.emplace_back(id_of(left), id_of(right));
  }
}

void read_model(const json& part, TokenizerSpec& spec) {
  if (!part.is_object()) throw Error("model: expected an object");
  if (const auto type = part.find("type"); type != part.end() && *type != "BPE")
    refuse("model", *type);
  only_keys(part, "model",
            {"type", "dropout", "unk_token", "continuing_subword_prefix",
             "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
             "vocab", "merges"});
  only_values(part, "model", "dropout", {0.0});
  only_values(part, "model", "unk_token", {});
  only_values(part, "model", "continuing_subword_prefix", {""});
  only_values(part, "model", "end_of_word_suffix", {""});
  only_values(part, "model", "fuse_unk", {false});
  only_values(part, "model", "byte_fallback", {false});
  spec.ignore_merges = bool_or(part, "model", "ignore_merges", false);
  const auto vocab = part.find("vocab");
  if (vocab == part.end() || !vocab->is_object())
    throw Error("model: needs an object \"vocab\"");
  read_vocabulary(*vocab, spec);
  read_merges(array_of(part, "model", "merges"), *vocab, spec);
}

void read_template(const json& part, TokenizerSpec& spec) {
  constexpr const char* kWhere = "post_processor \"TemplateProcessing\"";
  only_keys(part, kWhere, {"type", "single", "pair", "special_tokens"});
  std::string before;
  bool text_seen = false;
  for (const json& piece : array_of(part, kWhere, "single")) {
    only_keys(piece, kWhere, {"SpecialToken", "Sequence"});
    if (piece.contains("Sequence")) {
      text_seen = true;
      continue;
    }
    if (text_seen || !before.empty() || !piece.contains("SpecialToken"))
      throw Error("{}: only one token before the text is supported", kWhere);
    before = string_of(piece["SpecialToken"], kWhere, "id");
  }
  if (before.empty()) return;
  spec.bos_in_template = true;
  spec.bos_token = before;
}

void read_post_processor(const json& part, TokenizerSpec& spec) {
  if (part.is_null()) return;
  const std::string& type = string_of(part, "post_processor", "type");
  if (type == "TemplateProcessing") {
    read_template(part, spec);
  } else if (type == "Sequence") {
    for (const json& step : array_of(part, "post_processor", "processors")) {
      if (string_of(step, "post_processor", "type") == "Sequence")
        refuse("post_processor", "Sequence in a Sequence");
      read_post_processor(step, spec);
    }
  } else if (type != "ByteLevel") {  // ByteLevel moves offsets, not ids
    refuse("post_processor", type);
  }
}

void read_decoder(const json& part) {
  const std::string& type = string_of(part, "decoder", "type");
  if (type != "ByteLevel") refuse("decoder", type);
}

void read_added_tokens(const json& part, TokenizerSpec& spec) {
  constexpr const char* kWhere = "added_tokens";
  if (part.is_null()) return;
  if (!part.is_array()) throw Error("added_tokens: expected an array");
  for (const json& token : part) {
    only_keys(token, kWhere,
              {"id", "content", "special", "normalized", "single_word",
               "lstrip", "rstrip"});
    for (const char* flag : {"single_word", "lstrip", "rstrip"})
      only_values(token, kWhere, flag, {false});
    const json id = token.value("id", json());
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxTokens)
      throw Error("added_tokens: id {} is not a token id", shown(id));
    const std::string& content = string_of(token, kWhere, "content");
    if (content.empty())
      throw Error("added_tokens: token {} is empty", shown(id));
    spec.added_tokens.push_back(
        {id.get<int32_t>(), content, bool_or(token, kWhere, "special", false)});
  }
  std::sort(spec.added_tokens.begin(), spec.added_tokens.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  // Their bytes are no word's bytes: keep them out of the BPE vocabulary, and
  // ids without gaps.
  for (const AddedToken& token : spec.added_tokens) {
    const auto id = static_cast<size_t>(token.id);
    if (id > spec.tokens.size())
      throw Error("added_tokens: ids {} to {} have no token",
                  spec.tokens.size(), id - 1);
    if (id == spec.tokens.size())
      spec.tokens.emplace_back();
    else if (spec.tokens[id] == token.content)
      spec.tokens[id].clear();
    else
      throw Error("added_tokens: id {} of {} belongs to another token",
                  token.id, shown(token.content));
  }
}

void unspell_tokens(TokenizerSpec& spec) {
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    auto bytes = unspell_bytes(spec.tokens[id]);
    if (!bytes)
      throw Error("model: token {} is not in byte-level spelling: {}", id,
                  shown(spec.tokens[id]));
    spec.tokens[id] = std::move(*bytes);
  }
}

TokenizerSpec read_tokenizer(const json& file) {
  only_keys(file, "the file",
            {"version", "truncation", "padding", "added_tokens", "normalizer",
             "pre_tokenizer", "model", "post_processor", "decoder"});
  TokenizerSpec spec;
  read_normalizer(file.value("normalizer", json()));
  if (!read_pre_tokenizer(file.value("pre_tokenizer", json()), spec))
    throw Error("pre_tokenizer without \"ByteLevel\" is not supported");
  read_model(file.value("model", json()), spec);
  read_post_processor(file.value("post_processor", json()), spec);
  read_decoder(file.value("decoder", json()));
  read_added_tokens(file.value("added_tokens", json()), spec);
  unspell_tokens(spec);
  return spec;
}

// --- Writing.

using nlohmann::ordered_json;

ordered_json byte_level(bool prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

ordered_json pre_tokenizer_json(const TokenizerSpec& spec) {
  ordered_json steps = ordered_json::array();
  for (const std::string& pattern : spec.split_patterns)
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  steps.push_back(byte_level(false, false));
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

ordered_json post_processor_json(const TokenizerSpec& spec) {
  if (!spec.bos_in_template) return byte_level(true, true);
  int32_t id = 0;
  for (const AddedToken& token : spec.added_tokens)
    if (token.content == spec.bos_token) id = token.id;
  auto bos = [&](int type) -> ordered_json {
    return {{"SpecialToken", {{"id", spec.bos_token}, {"type_id", type}}}};
  };
  auto text = [](const char* name, int type) -> ordered_json {
    return {{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  ordered_json tokens;
  tokens[spec.bos_token] = {{"id", spec.bos_token},
                            {"ids", ordered_json::array({id})},
                            {"tokens", ordered_json::array({spec.bos_token})}};
  return {{"type", "TemplateProcessing"},
          {"single", ordered_json::array({bos(0), text("A", 0)})},
          {"pair",
           ordered_json::array({bos(0), text("A", 0), bos(1), text("B", 1)})},
          {"special_tokens", tokens}};
}

ordered_json added_tokens_json(const TokenizerSpec& spec) {
  ordered_json tokens = ordered_json::array();
  for (const AddedToken& token : spec.added_tokens)
    tokens.push_back({{"id", token.id},
                      {"content", token.content},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", false},
                      {"special", token.special}});
  return tokens;
}

ordered_json model_json(const TokenizerSpec& spec) {
  std::vector<std::string> spelling(spec.tokens.size());
  for (size_t id = 0; id < spelling.size(); ++id)
    spelling[id] = spell_bytes(spec.tokens[id]);
  // Added tokens after the vocabulary stay out of it; those among it do not.
  size_t count = spelling.size();
  while (count > 0 && spelling[count - 1].empty()) --count;
  for (const AddedToken& token : spec.added_tokens)
    if (static_cast<size_t>(token.id) < count)
      spelling[token.id] = token.content;
  // Pushed straight into the underlying list: a lookup per key would be
  // quadratic, and the tokens are known to differ.
  ordered_json vocab = ordered_json::object();
  auto& entries = vocab.get_ref<ordered_json::object_t&>();
  entries.reserve(count);
  for (size_t id = 0; id < count; ++id)
    static_cast<ordered_json::object_t::Container&>(entries).emplace_back(
        spelling[id], id);
  ordered_json merges = ordered_json::array();
  for (const auto& [left, right] : spec.merges)
    merges.push_back(spelling[left] + " " + spelling[right]);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", spec.ignore_merges},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

TokenizerSpec parse_tokenizer_json(std::string_view text,
                                   std::string_view name) {
  const json file = parse_json(text, name);
  try {
    return read_tokenizer(file);
  } catch (const Error& error) {
    throw Error("{}: {}", name, error.what());
  } catch (const json::exception& error) {
    throw Error("{}: {}", name, error.what());
  }
}

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  ordered_json file = {
      {"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  file["added_tokens"] = added_tokens_json(spec);
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = pre_tokenizer_json(spec);
  file["post_processor"] = post_processor_json(spec);
  file["decoder"] = byte_level(true, true);
  file["model"] = model_json(spec);
  return file.dump(1) + "\n";
}

}  // namespace seodang
