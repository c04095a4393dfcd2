#include "tokenizer/tokenizer_json.h"

#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "formats/json_object.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/token_decoder.h"
#include "tokenizer/token_table.h"

namespace seodang {
namespace {

using nlohmann::json;
using Element = simdjson::dom::element;

constexpr size_t kMaxTokens = 1 << 24;
constexpr int kMaxDepth = 100;

// --- Vocabularies have hundreds of thousands of entries: these two are read
// with simdjson, all else is small.

std::string shown_text(std::string_view text) { return shown(json(text)); }

void read_vocabulary(const Element& vocab, TokenizerSpec& spec) {
  simdjson::dom::object entries;
  if (vocab.get(entries)) throw Error("model: needs an object \"vocab\"");
  size_t count = 0;  // size() of a large object is not exact
  for ([[maybe_unused]] const auto entry : entries) ++count;
  if (count > kMaxTokens) throw Error("model: {} tokens are too many", count);
  spec.tokens.resize(count);
  for (const auto entry : entries) {
    uint64_t id;
    if (entry.value.get(id))
      throw Error("model: the id of {} is not a number", shown_text(entry.key));
    if (id >= count || !spec.tokens[id].empty())
      throw Error("model: id {} of {} is {}", id, shown_text(entry.key),
                  id >= count ? "beyond the vocabulary's size" : "given twice");
    if (entry.key.empty()) throw Error("model: token {} is empty", id);
    spec.tokens[id] = entry.key;  // its bytes come last: unspell_tokens()
  }
}

// "left right", or ["left", "right"].
bool read_merge(const Element& merge, std::string_view& left,
                std::string_view& right) {
  simdjson::dom::array both;
  if (!merge.get(both))
    return both.size() == 2 && !both.at(0).get(left) && !both.at(1).get(right);
  std::string_view text;
  if (merge.get(text)) return false;
  const size_t space = text.find(' ');
  if (space == text.npos) return false;
  left = text.substr(0, space);
  right = text.substr(space + 1);
  return true;
}

void read_merges(const Element& merges, TokenizerSpec& spec) {
  simdjson::dom::array list;
  if (merges.get(list)) throw Error("model: needs an array \"merges\"");
  const TokenTable table(spec.tokens);
  auto id_of = [&](std::string_view spelling) {
    const int32_t id = table.find(spelling);
    if (id < 0)
      throw Error("model: merge {} names {}, which is no token",
                  spec.merges.size(), shown_text(spelling));
    return id;
  };
  for (const Element merge : list) {
    std::string_view left, right;
    if (!read_merge(merge, left, right) || left.empty() || right.empty())
      throw Error("model: merge {} is not two tokens", spec.merges.size());
    spec.merges.emplace_back(id_of(left), id_of(right));
  }
}

// --- The small parts.

void read_model_options(const json& value, TokenizerSpec& spec) {
  const JsonObject part(value, "model");
  if (part.has("type") && part.value("type") != "BPE")
    JsonObject::typed(value, "model").refuse();
  part.only_keys({"type", "dropout", "unk_token", "continuing_subword_prefix",
                  "end_of_word_suffix", "fuse_unk", "byte_fallback",
                  "ignore_merges"});
  part.only_values("dropout", {"0.0"});
  part.only_values("continuing_subword_prefix", {R"("")"});
  part.only_values("end_of_word_suffix", {R"("")"});
  spec.unk_token = part.text_or("unk_token", "");
  spec.fuse_unk = part.flag("fuse_unk", false);
  spec.byte_fallback = part.flag("byte_fallback", false);
  spec.ignore_merges = part.flag("ignore_merges", false);
}

// The parts that the spec keeps as they are.
std::string* part_named(std::string_view key, TokenizerSpec& spec) {
  return key == "normalizer"       ? &spec.normalizer
         : key == "pre_tokenizer"  ? &spec.pre_tokenizer
         : key == "post_processor" ? &spec.post_processor
         : key == "decoder"        ? &spec.decoder
                                   : nullptr;
}

void read_parts(TokenizerSpec& spec) {
  if (const TokensAround around = tokens_around_text(spec.post_processor);
      !around.before.empty())
    spec.bos_token = around.before.front();
  spec.byte_level = PreTokenizer(spec.pre_tokenizer).byte_level();
  if (TokenDecoder(spec.decoder).byte_level() != spec.byte_level)
    throw Error(
        "pre_tokenizer \"ByteLevel\" and decoder \"ByteLevel\" are supported "
        "only together");
  Normalizer normalizer(spec.normalizer);  // for its complaints
}

void read_listed_tokens(const JsonObject& file, TokenizerSpec& spec) {
  if (!file.has("added_tokens")) return;
  std::vector<AddedToken> tokens;
  for (const json& value : file.list("added_tokens")) {
    const json& id = JsonObject(value, "added_tokens").value("id");
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxTokens)
      throw Error("added_tokens: id {} is not a token id", shown(id));
    tokens.push_back(read_added_token(value, id.get<int32_t>()));
  }
  add_tokens(std::move(tokens), spec);
}

// Added tokens need not be in byte-level spelling: no word's bytes are theirs.
void unspell_tokens(TokenizerSpec& spec) {
  std::vector<bool> added(spec.tokens.size());
  for (const AddedToken& token : spec.added_tokens) added[token.id] = true;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    auto bytes = unspell_bytes(spec.tokens[id]);
    if (!bytes && !added[id])
      throw Error("model: token {} is not in byte-level spelling: {}", id,
                  shown_text(spec.tokens[id]));
    spec.tokens[id] = bytes.value_or("");
  }
}

// Fills `small` with what nlohmann's library reads, and returns the object
// "model" without having read it.
simdjson::dom::object take_apart(const Element& root, json& small,
                                 TokenizerSpec& spec) {
  simdjson::dom::object file, model;
  if (root.get(file)) throw Error("the file: expected an object");
  bool has_model = false;
  for (const auto entry : file) {
    if (entry.key == "model")
      has_model = !entry.value.get(model);
    else if (std::string* const part = part_named(entry.key, spec))
      *part = simdjson::to_string(entry.value);
    else
      small[std::string(entry.key)] =
          json::parse(simdjson::to_string(entry.value));
  }
  if (!has_model) throw Error("model: expected an object");
  return model;
}

void read_model(const simdjson::dom::object& model, TokenizerSpec& spec) {
  json options = json::object();
  Element vocab, merges;
  bool has_vocab = false, has_merges = false;
  for (const auto entry : model) {
    if (entry.key == "vocab") {
      vocab = entry.value;
      has_vocab = true;
    } else if (entry.key == "merges") {
      merges = entry.value;
      has_merges = true;
    } else {
      options[std::string(entry.key)] =
          json::parse(simdjson::to_string(entry.value));
    }
  }
  read_model_options(options, spec);
  if (!has_vocab) throw Error("model: needs an object \"vocab\"");
  if (!has_merges) throw Error("model: needs an array \"merges\"");
  read_vocabulary(vocab, spec);
  read_merges(merges, spec);
}

TokenizerSpec read_tokenizer(const Element& root) {
  TokenizerSpec spec;
  json small = json::object();
  const simdjson::dom::object model = take_apart(root, small, spec);
  const JsonObject file(small, "the file");
  file.only_keys({"version", "truncation", "padding", "added_tokens"});
  read_parts(spec);
  read_model(model, spec);
  read_listed_tokens(file, spec);
  if (spec.byte_level) unspell_tokens(spec);
  return spec;
}

// --- Writing.

using nlohmann::ordered_json;

ordered_json added_tokens_json(const TokenizerSpec& spec) {
  ordered_json tokens = ordered_json::array();
  for (const AddedToken& token : spec.added_tokens)
    tokens.push_back({{"id", token.id},
                      {"content", token.content},
                      {"single_word", token.single_word},
                      {"lstrip", token.lstrip},
                      {"rstrip", token.rstrip},
                      {"normalized", token.normalized},
                      {"special", token.special}});
  return tokens;
}

ordered_json model_json(const TokenizerSpec& spec) {
  std::vector<std::string> spelling(spec.tokens.size());
  for (size_t id = 0; id < spelling.size(); ++id)
    spelling[id] =
        spec.byte_level ? spell_bytes(spec.tokens[id]) : spec.tokens[id];
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
  // In a merge of two strings, unlike a list of two, a token has no space.
  const bool has_spaces = std::any_of(
      spelling.begin(), spelling.end(),
      [](const auto& token) { return token.find(' ') != token.npos; });
  ordered_json merges = ordered_json::array();
  for (const auto& [left, right] : spec.merges)
    if (has_spaces)
      merges.push_back(ordered_json::array({spelling[left], spelling[right]}));
    else
      merges.push_back(spelling[left] + " " + spelling[right]);
  const ordered_json unk =
      spec.unk_token.empty() ? ordered_json() : ordered_json(spec.unk_token);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unk},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", spec.fuse_unk},
          {"byte_fallback", spec.byte_fallback},
          {"ignore_merges", spec.ignore_merges},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

}  // namespace

AddedToken read_added_token(const json& value, int32_t id) {
  const JsonObject part(value, "added_tokens");
  part.only_keys({"id", "content", "special", "normalized", "single_word",
                  "lstrip", "rstrip", "__type"});
  if (part.text("content").empty())
    throw Error("added_tokens: token {} is empty", id);
  const bool special = part.flag("special", false);
  return {.id = id,
          .content = part.text("content"),
          .special = special,
          .single_word = part.flag("single_word", false),
          .lstrip = part.flag("lstrip", false),
          .rstrip = part.flag("rstrip", false),
          .normalized = part.flag("normalized", !special)};
}

void add_tokens(std::vector<AddedToken> tokens, TokenizerSpec& spec) {
  auto& all = spec.added_tokens;
  const std::vector<AddedToken> before = all;
  all.insert(all.begin(), tokens.begin(), tokens.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.id < b.id; });
  all.erase(std::unique(all.begin(), all.end(),
                        [](const auto& a, const auto& b) {
                          return a.id == b.id && a.content == b.content;
                        }),
            all.end());
  const size_t known = spec.tokens.size();
  const TokenTable table(spec.tokens);
  for (const AddedToken& token : all) {
    const auto had =
        std::ranges::lower_bound(before, token.id, {}, &AddedToken::id);
    if (had != before.end() && had->id == token.id &&
        had->content == token.content)
      continue;
    const auto id = static_cast<size_t>(token.id);
    if (id > spec.tokens.size())
      throw Error("added_tokens: ids {} to {} have no token",
                  spec.tokens.size(), id - 1);
    if (id < known ? spec.tokens[id] != token.content : id < spec.tokens.size())
      throw Error("added_tokens: id {} of {} belongs to another token",
                  token.id, shown_text(token.content));
    if (id < known) continue;
    if (const int32_t other = table.find(token.content); other >= 0)
      throw Error("added_tokens: {} has the ids {} and {}",
                  shown_text(token.content), other, token.id);
    spec.tokens.emplace_back();
  }
}

TokenizerSpec parse_tokenizer_json(std::string_view text,
                                   std::string_view name) {
  simdjson::dom::parser parser;
  Element root;
  simdjson::error_code error =
      text.empty() ? simdjson::EMPTY
                   : parser.allocate(text.size() + 64, kMaxDepth);
  if (!error) error = parser.parse(text.data(), text.size(), true).get(root);
  if (error) {
    parse_json(text, name, kMaxDepth);  // throws, and knows the line
    throw Error("{}: {}", name, simdjson::error_message(error));
  }
  try {
    return read_tokenizer(root);
  } catch (const Error& refusal) {
    throw Error("{}: {}", name, refusal.what());
  } catch (const json::exception& refusal) {
    throw Error("{}: {}", name, refusal.what());
  }
}

std::string write_tokenizer_json(const TokenizerSpec& spec) {
  ordered_json file = {
      {"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  file["added_tokens"] = added_tokens_json(spec);
  file["normalizer"] = ordered_json::parse(spec.normalizer);
  file["pre_tokenizer"] = ordered_json::parse(spec.pre_tokenizer);
  file["post_processor"] = ordered_json::parse(spec.post_processor);
  file["decoder"] = ordered_json::parse(spec.decoder);
  file["model"] = model_json(spec);
  return file.dump(1) + "\n";
}

}  // namespace seodang
