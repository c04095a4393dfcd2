#include "generate/end_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::vector<int32_t> sorted(std::vector<int32_t> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<int32_t> read_generation_config(const fs::path& path) {
  std::vector<int32_t> out;
  if (!fs::exists(path)) return out;
  const auto json = read_json(path, 1 << 20);
  if (!json.is_object()) throw Error("{}: not a JSON object", path.string());
  const auto found = json.find("eos_token_id");
  if (found == json.end() || found->is_null()) return out;
  const auto list =
      found->is_array() ? *found : nlohmann::json::array({*found});
  for (const auto& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      throw Error("{}: eos_token_id is not a token id", path.string());
    out.push_back(id.get<int32_t>());
  }
  return out;
}

}  // namespace

std::vector<int32_t> declared_eos(const fs::path& directory,
                                  const ModelConfig& config) {
  std::vector<int32_t> out = config.eos_token_id;
  for (const int32_t id :
       read_generation_config(directory / "generation_config.json"))
    out.push_back(id);
  return sorted(std::move(out));
}

std::vector<int32_t> end_tokens(std::vector<int32_t> declared,
                                const Tokenizer& tokenizer) {
  for (const int32_t id : tokenizer.end_of_turn_ids()) declared.push_back(id);
  return sorted(std::move(declared));
}

}  // namespace seodang
