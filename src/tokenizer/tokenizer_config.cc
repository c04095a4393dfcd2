#include "tokenizer/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/warning.h"
#include "formats/json.h"
#include "formats/json_object.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/token_table.h"
#include "tokenizer/tokenizer_json.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kConfig = "tokenizer_config.json";
constexpr const char* kSpecialTokens = "special_tokens_map.json";
constexpr const char* kAddedTokens = "added_tokens.json";
constexpr const char* kTemplate = "chat_template.jinja";
constexpr const char* kTemplateJson = "chat_template.json";
constexpr uint64_t kMaxBytes = uint64_t{64} << 20;

json read_object(const fs::path& path) {
  if (!fs::exists(path)) return json::object();
  json object = read_json(path, kMaxBytes);
  if (!object.is_object()) throw Error("{}: expected an object", path.string());
  return object;
}

// A token is written "…" or {"content": "…", …}; null for none.
void read_token(const json& object, const fs::path& path, const char* key,
                std::string& token) {
  auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  const json& value =
      found->is_object() ? found->value("content", json()) : *found;
  if (!value.is_string())
    throw Error("{}: {} is not a token", path.string(), key);
  token = value.get<std::string>();
}

// A template is a string, or a list of named ones, of which "default" is ours.
// Without that one no chat is possible, but everything else is.
std::string read_template(const json& config, const fs::path& path) {
  const json value = config.value("chat_template", json());
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array())
    throw Error("{}: chat_template is neither a text nor a list",
                path.string());
  std::vector<std::string> names;
  for (const json& named : value) {
    if (!named.is_object() || !named.value("name", json()).is_string() ||
        !named.value("template", json()).is_string())
      throw Error("{}: chat_template lists what has no name and template",
                  path.string());
    if (named["name"] == "default") return named["template"].get<std::string>();
    names.push_back(named["name"].get<std::string>());
  }
  warn("{}: none of the chat templates is named default, so none is used: {}",
       path.string(), fmt::join(names, ", "));
  return "";
}

// Where published models keep it: chat_template.jinja (more of them, under
// names, lie in additional_chat_templates/), chat_template.json of those that
// see pictures, or tokenizer_config.json.
std::string find_template(const fs::path& model_dir, const json& config) {
  if (fs::exists(model_dir / kTemplate))
    return read_file(model_dir / kTemplate, kMaxBytes);
  const json own = read_object(model_dir / kTemplateJson);
  return own.contains("chat_template")
             ? read_template(own, model_dir / kTemplateJson)
             : read_template(config, model_dir / kConfig);
}

std::optional<bool> read_flag(const json& config, const char* key) {
  const json value = config.value(key, json());
  if (value.is_null()) return std::nullopt;
  if (!value.is_boolean()) throw Error("{} is neither true nor false", key);
  return value.get<bool>();
}

ordered_json new_config(const TokenizerSpec& spec) {
  ordered_json added = ordered_json::object();
  for (const AddedToken& token : spec.added_tokens)
    added[std::to_string(token.id)] = {
        {"content", token.content}, {"lstrip", false},
        {"normalized", false},      {"rstrip", false},
        {"single_word", false},     {"special", token.special}};
  return {{"added_tokens_decoder", added},
          {"clean_up_tokenization_spaces", false},
          {"model_input_names", {"input_ids", "attention_mask"}},
          {"tokenizer_class", "PreTrainedTokenizerFast"}};
}

}  // namespace

void read_tokenizer_config(const fs::path& model_dir, TokenizerSpec& spec) {
  const fs::path config_path = model_dir / kConfig;
  const fs::path tokens_path = model_dir / kSpecialTokens;
  const json config = read_object(config_path);
  const json tokens = read_object(tokens_path);
  for (const auto& [key, token] : {std::pair{"bos_token", &spec.bos_token},
                                   {"eos_token", &spec.eos_token},
                                   {"pad_token", &spec.pad_token}}) {
    read_token(tokens, tokens_path, key, *token);
    read_token(config, config_path, key, *token);
  }
  try {
    put_around_text(spec, read_flag(config, "add_bos_token"),
                    read_flag(config, "add_eos_token"));
  } catch (const Error& error) {
    throw Error("{}: {}", config_path.string(), error.what());
  }
  spec.chat_template = find_template(model_dir, config);
  if (!config.empty()) spec.config = read_file(config_path, kMaxBytes);
}

bool read_prefix_once(const fs::path& model_dir) {
  return read_object(model_dir / kConfig).value("legacy", json()) == false;
}

namespace {

// Leaves those that the spec does not have as added tokens, under its ids.
void complete(std::vector<AddedToken>& tokens, const TokenizerSpec& spec) {
  std::set<std::string_view> has;
  for (const AddedToken& token : spec.added_tokens) has.insert(token.content);
  std::erase_if(tokens, [&](const AddedToken& token) {
    return has.contains(token.content);
  });
  if (tokens.empty()) return;
  std::ranges::stable_sort(tokens, {}, &AddedToken::id);
  const TokenTable table(spec.tokens);
  auto next = static_cast<int32_t>(spec.tokens.size());
  for (AddedToken& token : tokens) {
    token.id = table.find(token.content);
    if (token.id < 0) token.id = next++;
  }
}

}  // namespace

void read_added_tokens(const fs::path& model_dir, bool completed,
                       TokenizerSpec& spec) {
  constexpr int64_t kMaxId = 1 << 24;
  fs::path path = model_dir / kConfig;
  json listed = read_object(path).value("added_tokens_decoder", json());
  std::vector<AddedToken> tokens;
  try {
    if (listed.is_object()) {
      for (const auto& [key, value] : listed.items()) {
        int32_t id = -1;
        const char* const end = key.data() + key.size();
        if (std::from_chars(key.data(), end, id).ptr != end || id < 0 ||
            id >= kMaxId)
          throw Error("added_tokens_decoder: {} is not a token id", shown(key));
        tokens.push_back(read_added_token(value, id));
      }
    } else {
      path = model_dir / kAddedTokens;
      listed = read_object(path);
      for (const auto& [content, id] : listed.items()) {
        if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxId)
          throw Error("the id of {} is not a token id", shown(content));
        tokens.push_back({id.get<int32_t>(), content, false});
      }
    }
    if (completed) complete(tokens, spec);
    if (!tokens.empty()) add_tokens(std::move(tokens), spec);
  } catch (const Error& error) {
    throw Error("{}: {}", path.string(), error.what());
  }
}

void write_tokenizer_config(const fs::path& model_dir,
                            const TokenizerSpec& spec) {
  ordered_json config =
      spec.config.empty() ? new_config(spec) : ordered_json::parse(spec.config);
  ordered_json tokens = ordered_json::object();
  for (const auto& [key, token] : {std::pair{"bos_token", &spec.bos_token},
                                   {"eos_token", &spec.eos_token},
                                   {"pad_token", &spec.pad_token}})
    if (!token->empty()) config[key] = tokens[key] = *token;
  if (spec.chat_template.empty())
    config.erase("chat_template");
  else
    config["chat_template"] = spec.chat_template;
  write_file(model_dir / kConfig, config.dump(2) + "\n");
  write_file(model_dir / kSpecialTokens, tokens.dump(2) + "\n");
  fs::remove(model_dir / kTemplate);
  fs::remove(model_dir / kTemplateJson);
}

}  // namespace seodang
