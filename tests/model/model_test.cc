#include "model/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "formats/safetensors.h"
#include "model/decoder.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kTorchLlama =
    fs::path(SEODANG_SOURCE_DIR) / "tests/model/data/torch_llama";

fs::path scratch(const std::string& name) {
  const fs::path path =
      fs::path(testing::TempDir()) / ("seodang_model_" + name);
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

// A copy of the fixture whose config.json has one key changed.
fs::path with_key(const std::string& key, const Json& value) {
  const fs::path dir = scratch(key);
  fs::copy(kTorchLlama, dir,
           fs::copy_options::overwrite_existing | fs::copy_options::recursive);
  Json config = Json::parse(read_file(dir / "config.json"));
  config[key] = value;
  write_file(dir / "config.json", config.dump());
  return dir;
}

std::string complaint(const fs::path& dir) {
  try {
    Model::load(dir, Dtype::f32);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Model, LogitsMatchPyTorch) {
  const Json expected = Json::parse(read_file(kTorchLlama / "expected.json"));
  const std::vector<int32_t> tokens = expected["tokens"];
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    const Model model = Model::load(kTorchLlama, dtype);
    EXPECT_EQ(model.config().eos_token_id, (std::vector<int32_t>{1, 2}));
    Decoder decoder(model.config(), model.weights(), 32);
    const SequenceSpan span{0, static_cast<int32_t>(tokens.size()), nullptr};
    const Tensor hidden = decoder.forward(tokens, {&span, 1});
    const OwnedTensor logits(Dtype::f32, hidden.rows,
                             model.config().vocab_size);
    decoder.logits(logits, hidden);
    // The weights are bf16 in the file, so f32 differs by rounding in the sums
    // only; bf16 also rounds every activation to 8 bits.
    const double tolerance = dtype == Dtype::f32 ? 1e-4 : 0.15;
    for (size_t t = 0; t < tokens.size(); ++t)
      for (int32_t v = 0; v < model.config().vocab_size; ++v)
        EXPECT_NEAR(logits.view().row<float>(static_cast<int64_t>(t))[v],
                    expected["logits"][t][v].get<double>(), tolerance);
  }
}

TEST(ModelSize, AutoIsTheLargestWithTwentyTokensAWeight) {
  EXPECT_EQ(size_for_tokens(1e5, 8192).name, "demo");
  // mini with 8,192 entries has 15.7 million weights.
  EXPECT_EQ(size_for_tokens(2e8, 8192).name, "demo");
  EXPECT_EQ(size_for_tokens(4e8, 8192).name, "mini");
  EXPECT_EQ(size_for_tokens(1e13, 8192).name, "large");
}

TEST(Model, SavedAndLoadedIsTheSame) {
  const Model model = Model::load(kTorchLlama, Dtype::f32);
  const fs::path dir = scratch("saved");
  save_model(dir, model.config(), model.weights());
  const Model again = Model::load(dir, Dtype::f32);
  EXPECT_EQ(again.config().to_json(), model.config().to_json());
  const float* a = model.memory().row<float>(0);
  EXPECT_TRUE(
      std::equal(a, a + model.memory().cols, again.memory().row<float>(0)));
}

TEST(Model, NamesTheKeyItCannotRun) {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"architectures", {"MambaForCausalLM"}},
      {"rope_scaling", {{"type", "longrope"}}},
      {"attention_bias", true},
      {"hidden_act", "relu"},
      {"num_key_value_heads", 3},
      {"head_dim", 7},
      {"vocab_size", -4},
      {"hidden_size", "wide"},
      {"rms_norm_eps", 0},
      {"eos_token_id", 1000},
      {"num_hidden_layers", 3},   // a tensor is missing
      {"intermediate_size", 64},  // a shape differs
  };
  for (const auto& [key, value] : cases) {
    const std::string message = complaint(with_key(key, value));
    const std::string word = key == "num_hidden_layers"   ? "model.layers.2"
                             : key == "intermediate_size" ? "mlp.gate_proj"
                                                          : key;
    EXPECT_NE(message.find(word), std::string::npos) << key << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

// Every prefix and every flipped byte of a small file: an Error or a file that
// reads well, never a crash.
TEST(Safetensors, SurvivesDamage) {
  const fs::path dir = scratch("damage");
  const OwnedTensor numbers(Dtype::f32, 2, 3);
  write_safetensors(
      dir / "good.safetensors",
      {{"a", {2, 3}, numbers}, {"b", {3}, numbers.view().rows_from(0, 1)}});
  const std::string good = read_file(dir / "good.safetensors");
  EXPECT_EQ(SafetensorsFile(dir / "good.safetensors").entries().size(), 2u);
  int refused = 0;
  const auto attempt = [&](const std::string& bytes) {
    write_file(dir / "bad.safetensors", bytes);
    try {
      const SafetensorsFile file(dir / "bad.safetensors");
      for (const auto& [name, entry] : file.entries())
        EXPECT_LE(entry.data.size(), bytes.size());
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("bad.safetensors"),
                std::string::npos);
      ++refused;
    }
  };
  for (size_t length = 0; length < good.size(); ++length)
    attempt(good.substr(0, length));
  EXPECT_EQ(refused, static_cast<int>(good.size()));
  for (size_t i = 0; i < good.size(); i += 3)
    for (const char byte : {'\0', '\xff', '9'}) {
      std::string bytes = good;
      bytes[i] = byte;
      attempt(bytes);
    }
  EXPECT_GT(refused, static_cast<int>(good.size()));
}

TEST(Safetensors, RefusesHolesOverlapsAndLies) {
  const fs::path path = scratch("lies") / "x.safetensors";
  const auto attempt = [&](const std::string& header, size_t bytes) {
    const uint64_t size = header.size();
    std::string file(reinterpret_cast<const char*>(&size), 8);
    file += header + std::string(bytes, '\0');
    write_file(path, file);
    EXPECT_THROW(SafetensorsFile{path}, Error) << header;
  };
  attempt(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12);
  attempt(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 12);
  attempt(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      8);
  attempt(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8);
  attempt(
      R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})",
      8);
  attempt(R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8);
  attempt(R"([1,2])", 0);
}

}  // namespace
}  // namespace seodang
