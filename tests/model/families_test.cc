// Every family against PyTorch (tests/model/data/make_torch_families.py).
#include "model/families.h"
#include "kernels/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "error_of.h"
#include "formats/safetensors.h"
#include "model/decoder.h"
#include "model/rope_frequencies.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kFamiliesData =
    fs::path(SEODANG_SOURCE_DIR) / "tests/model/data/families";

class FamilyTest : public testing::TestWithParam<const char*> {
 protected:
  const fs::path dir = kFamiliesData / GetParam();
  const Json expected = Json::parse(read_file(dir / "expected.json"));
  const std::vector<int32_t> tokens = expected["tokens"];

  // Reads the tokens in steps of these lengths, the rest one by one; the
  // largest difference of a logit.
  double largest_difference(const Model& model, bool cached,
                            std::vector<size_t> steps) const {
    const ModelConfig& c = model.config();
    Decoder decoder(c, model.weights(), 64);
    KvCache cache(c, 64, model.weights().act());
    double largest = 0;
    size_t at = 0;
    for (size_t step = 0; at < tokens.size(); ++step) {
      const size_t length = step < steps.size() ? steps[step] : 1;
      const SequenceSpan span{0, static_cast<int32_t>(length),
                              cached ? &cache : nullptr};
      const Tensor hidden =
          decoder.forward(std::span(tokens).subspan(at, length), {&span, 1});
      const OwnedTensor logits(Dtype::f32, hidden.rows, c.vocab_size);
      decoder.logits(logits, hidden);
      for (int64_t r = 0; r < hidden.rows; ++r)
        for (int64_t v = 0; v < c.vocab_size; ++v) {
          const double want = expected["logits"][at + static_cast<size_t>(r)]
                                      [static_cast<size_t>(v)];
          const double got = logits.view().row<float>(r)[v];
          largest = std::max(
              largest, std::isfinite(got) ? std::abs(got - want) : INFINITY);
        }
      at += length;
    }
    return largest;
  }
};

constexpr double kTolerance = 1e-4;  // in f32; the largest logit is 23

TEST_P(FamilyTest, LogitsMatchPyTorch) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    const Model model = Model::map(dir, dtype);
    const double whole = largest_difference(model, false, {tokens.size()});
    const double single = largest_difference(model, true, {});
    const double pieces = largest_difference(model, true, {17, 1, 5, 2});
    const double largest = std::max({whole, single, pieces});
    // bf16 keeps 8 bits of every activation.
    double most = 0;
    for (const Json& row : expected["logits"])
      for (const double logit : row) most = std::max(most, std::abs(logit));
    EXPECT_LT(largest, dtype == Dtype::f32 ? kTolerance : 0.035 * most)
        << name_of(dtype) << ": whole " << whole << ", one by one " << single
        << ", in pieces " << pieces;
    RecordProperty(std::string(name_of(dtype)), fmt::format("{:.1e}", largest));
  }
}

TEST_P(FamilyTest, MappedAndOwnedWeightsComputeTheSame) {
  const Model mapped = Model::map(dir, Dtype::bf16);
  const Model owned = Model::load(dir, Dtype::bf16);
  const auto a = named_weights(mapped.config(), mapped.weights());
  const auto b = named_weights(owned.config(), owned.weights());
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    // f16 stays f16 where it is mapped.
    const OwnedTensor rounded(Dtype::bf16, a[i].tensor.rows, a[i].tensor.cols);
    convert(rounded, a[i].tensor);
    EXPECT_EQ(
        std::memcmp(rounded.view().data, b[i].tensor.data, rounded.bytes()), 0)
        << a[i].name;
  }
  // Products fused differently may round differently, no more.
  EXPECT_NEAR(largest_difference(mapped, false, {tokens.size()}),
              largest_difference(owned, false, {tokens.size()}), 0.2);
}

TEST(Model, StaysInTheFileWhereItCan) {
  for (const Dtype act : {Dtype::f32, Dtype::bf16}) {
    const Model mapped = Model::map(kFamiliesData / "llama3", act);
    EXPECT_FALSE(mapped.memory());
    EXPECT_EQ(mapped.weights().act(), act);
    EXPECT_EQ(mapped.weights().layers[0].q_proj.dtype, Dtype::bf16);
    EXPECT_EQ(mapped.weights().layers[0].input_layernorm.dtype, act);
  }
  EXPECT_TRUE(Model::load(kFamiliesData / "llama3", Dtype::bf16).memory());
}

// f32 activations over the 16-bit file: what PyTorch computes in f32.
TEST_P(FamilyTest, SixteenBitsInMemoryComputeAsF32) {
  const Model owned = Model::load(dir, Dtype::f32);
  const Model mapped = Model::map(dir, Dtype::f32);
  EXPECT_LT(largest_difference(mapped, true, {17, 1, 5, 2}), kTolerance);
  EXPECT_NEAR(largest_difference(mapped, false, {tokens.size()}),
              largest_difference(owned, false, {tokens.size()}), kTolerance);
}

TEST_P(FamilyTest, SavedAndLoadedIsTheSame) {
  const Model model = Model::load(dir, Dtype::f32);
  const fs::path saved = fs::path(testing::TempDir()) /
                         (std::string("seodang_family_") + GetParam());
  fs::remove_all(saved);
  fs::create_directories(saved);
  save_model(saved, model.config(), model.weights());
  const Model again = Model::map(saved, Dtype::f32);
  EXPECT_EQ(again.config().to_json(), model.config().to_json());
  EXPECT_LT(largest_difference(again, true, {7}), kTolerance);
}

TEST_P(FamilyTest, CountsItsParameters) {
  const Model model = Model::map(dir, Dtype::f32);
  int64_t numbers = 0;
  for (const auto& weight : named_weights(model.config(), model.weights()))
    numbers += weight.tensor.size();
  EXPECT_EQ(model.config().num_parameters(), numbers);
}

INSTANTIATE_TEST_SUITE_P(
    Families, FamilyTest,
    testing::Values("llama2", "llama3", "llama_linear", "llama_dynamic",
                    "llama_yarn", "mistral", "qwen2", "qwen2_window", "qwen3",
                    "gemma", "gemma2", "gemma3", "gemma3_vision"),
    [](const auto& family) { return std::string(family.param); });

// One key of a family's config.json changed.
std::string complaint(const char* family, const Json& change) {
  Json config = Json::parse(read_file(kFamiliesData / family / "config.json"));
  config.update(change);
  return error_of([&] { ModelConfig::from_json(config, "config.json"); });
}

TEST(ModelConfig, RefusesByName) {
  const Json longrope = {{"rope_type", "longrope"}, {"factor", 2.0}};
  const Json no_factor = {{"rope_type", "linear"}};
  const Json bad_factor = {{"type", "linear"}, {"factor", 0.5}};
  const Json extra = {{"type", "linear"}, {"factor", 2.0}, {"beta", 1.0}};
  const Json partial = {
      {"type", "linear"}, {"factor", 2.0}, {"partial_rotary_factor", 0.5}};
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}};
  struct Case {
    const char* family;
    Json change;
    const char* word;
  };
  const std::vector<Case> cases = {
      {"llama3", {{"architectures", {"Qwen3MoeForCausalLM"}}}, "Qwen3Moe"},
      {"llama3", {{"architectures", "LlamaForCausalLM"}}, "architectures"},
      {"llama3", {{"rope_scaling", longrope}}, "longrope"},
      {"llama3", {{"rope_scaling", no_factor}}, "factor"},
      {"llama3", {{"rope_scaling", bad_factor}}, "factor"},
      {"llama3", {{"rope_scaling", extra}}, "beta"},
      {"llama3", {{"rope_scaling", partial}}, "partial_rotary_factor"},
      {"llama3", {{"rope_scaling", llama3}}, "low_freq_factor"},
      {"llama3", {{"rope_scaling", "linear"}}, "rope_scaling"},
      {"llama3", {{"attention_bias", true}}, "attention_bias"},
      {"llama3", {{"mlp_bias", true}}, "mlp_bias"},
      {"llama3", {{"partial_rotary_factor", 0.5}}, "partial_rotary_factor"},
      {"llama3", {{"residual_multiplier", 0.2}}, "residual_multiplier"},
      {"llama3", {{"quantization_config", {{"bits", 4}}}}, "quantization"},
      {"llama3", {{"hidden_act", "gelu"}}, "hidden_act"},
      {"gemma", {{"hidden_activation", "relu"}}, "hidden_activation"},
      {"gemma", {{"hidden_act", "silu"}}, "hidden_act"},
      {"gemma2", {{"layer_types", {"chunked_attention"}}}, "chunked_attention"},
      {"gemma2", {{"layer_types", {"full_attention"}}}, "layer_types"},
      {"gemma2", {{"sliding_window", -1}}, "sliding_window"},
      {"gemma2", {{"sliding_window_size", 3}}, "sliding_window_size is 3"},
      {"llama3", {{"rope_interleaved", true}}, "rope_interleaved"},
      {"gemma3", {{"use_bidirectional_attention", true}}, "bidirectional"},
      {"gemma3_vision", {{"text_config", nullptr}}, "text_config"},
      {"mistral", {{"max_position_embeddings", 1e300}}, "max_position"},
  };
  for (const Case& c : cases) {
    const std::string message = complaint(c.family, c.change);
    EXPECT_NE(message.find(c.word), std::string::npos)
        << c.change << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  // What does not change the maths is no reason to refuse.
  EXPECT_EQ(complaint("llama3", {{"pretraining_tp", 2},
                                 {"_name_or_path", "x"},
                                 {"residual_multiplier", nullptr}}),
            "");
  // As SmolLM 2, a NEFTune'd model and Gemma 2 9B are published.
  EXPECT_EQ(complaint("llama3", {{"is_llama_config", true},
                                 {"rope_interleaved", false},
                                 {"transformers.js_config", {{"dtype", "q4"}}},
                                 {"neftune_noise_alpha", 5}}),
            "");
  const Json gemma2 =
      Json::parse(read_file(kFamiliesData / "gemma2" / "config.json"));
  EXPECT_EQ(complaint("gemma2",
                      {{"sliding_window_size", gemma2.at("sliding_window")}}),
            "");
}

}  // namespace
}  // namespace seodang
