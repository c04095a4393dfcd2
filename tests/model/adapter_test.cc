#include "model/adapter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "formats/safetensors.h"
#include "model/convert_model.h"
#include "model/model.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

ModelConfig tiny(bool tied) {
  ModelConfig c;
  c.architecture = "LlamaForCausalLM";
  c.vocab_size = 20;
  c.hidden_size = 16;
  c.intermediate_size = 12;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 8;
  c.max_position_embeddings = 16;
  c.tie_word_embeddings = tied;
  return c;
}

class AdapterTest : public testing::Test {
 protected:
  AdapterTest() {
    fs::remove_all(place_);
    fs::create_directories(place_ / "base");
    fs::create_directories(place_ / "adapter");
    save_model(place_ / "base", base_.config(), base_.weights());
  }
  ~AdapterTest() override { fs::remove_all(place_); }

  OwnedTensor random(int64_t rows, int64_t cols) {
    OwnedTensor out(Dtype::f32, rows, cols);
    for (int64_t i = 0; i < out.view().size(); ++i)
      out.view().row<float>(0)[i] = static_cast<float>(rng_.normal());
    return out;
  }

  // What PEFT would write of q_proj of layer 1 and down_proj of layer 0.
  void write(const json& more = json::object(),
             const std::string& q = "model.layers.1.self_attn.q_proj") {
    json config = {{"peft_type", "LORA"},
                   {"r", 2},
                   {"lora_alpha", 8},
                   {"target_modules", {"q_proj", "down_proj"}},
                   {"bias", "none"}};
    config.update(more);
    write_file(place_ / "adapter/adapter_config.json", config.dump());
    const std::string prefix = "base_model.model.";
    write_safetensors(place_ / "adapter/adapter_model.safetensors",
                      {{prefix + q + ".lora_A.weight", {2, 16}, q_a_},
                       {prefix + q + ".lora_B.weight", {16, 2}, q_b_},
                       {prefix + "model.layers.0.mlp.down_proj.lora_A.weight",
                        {3, 12},
                        down_a_},
                       {prefix + "model.layers.0.mlp.down_proj.lora_B.weight",
                        {16, 3},
                        down_b_}});
  }

  // base + scale · b·a, in float64.
  static void expect_merged(Tensor got, Tensor base, Tensor a, Tensor b,
                            double scale) {
    for (int64_t o = 0; o < base.rows; ++o)
      for (int64_t i = 0; i < base.cols; ++i) {
        double sum = base.row<float>(o)[i];
        for (int64_t r = 0; r < a.rows; ++r)
          sum += scale * b.row<float>(o)[r] * a.row<float>(r)[i];
        EXPECT_NEAR(got.row<float>(o)[i], sum, 1e-5);
      }
  }

  std::string complaint(const fs::path& model) {
    try {
      Model::load(model, Dtype::f32);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  Rng rng_{5};
  Model base_ = Model::random(tiny(true), 1, Dtype::f32);
  OwnedTensor q_a_ = random(2, 16), q_b_ = random(16, 2),
              down_a_ = random(3, 12), down_b_ = random(16, 3);
  fs::path place_ =
      fs::path(testing::TempDir()) /
      (std::string("adapter_") +
       testing::UnitTest::GetInstance()->current_test_info()->name());
  fs::path both_ =
      (place_ / "base").string() + "+" + (place_ / "adapter").string();
};

TEST_F(AdapterTest, PeftsFilesMergeAsPeftScalesThem) {
  write({{"rank_pattern", {{"down_proj", 3}}},
         {"alpha_pattern", {{"mlp.down_proj", 12}}}});
  const Model merged = Model::load(both_, Dtype::f32);
  expect_merged(merged.weights().layers[1].q_proj,
                base_.weights().layers[1].q_proj, q_a_, q_b_, 8.0 / 2);
  expect_merged(merged.weights().layers[0].down_proj,
                base_.weights().layers[0].down_proj, down_a_, down_b_,
                12.0 / 3);
  expect_merged(merged.weights().layers[0].q_proj,
                base_.weights().layers[0].q_proj, q_a_, q_b_, 0);

  write({{"use_rslora", true}, {"target_modules", "all-linear"}});
  const Model stabilized = Model::load(both_, Dtype::f32);
  expect_merged(stabilized.weights().layers[1].q_proj,
                base_.weights().layers[1].q_proj, q_a_, q_b_,
                8 / std::sqrt(2.0));
}

TEST_F(AdapterTest, ConvertMergesAndMapKeepsThemApart) {
  write();
  const Model merged = Model::load(both_, Dtype::f32);
  const Model mapped = Model::map(both_, Dtype::f32);
  EXPECT_EQ(mapped.weights().layers[1].lora(Linear::q_proj).size(), 1u);
  expect_merged(mapped.weights().layers[1].q_proj,
                base_.weights().layers[1].q_proj, q_a_, q_b_, 0);
  // Twice the same adapter is twice the update.
  const Model twice = Model::load(
      both_.string() + "+" + (place_ / "adapter").string(), Dtype::f32);
  expect_merged(twice.weights().layers[1].q_proj,
                base_.weights().layers[1].q_proj, q_a_, q_b_, 2 * 8.0 / 2);
}

TEST_F(AdapterTest, WholeWeightsStandInForTheModels) {
  write();
  const OwnedTensor norm = random(1, 16);
  write_safetensors(place_ / "adapter/adapter_model.safetensors",
                    {{"base_model.model.model.norm.weight", {16}, norm}});
  const Model loaded = Model::load(both_, Dtype::f32);
  for (int64_t i = 0; i < 16; ++i)
    EXPECT_EQ(loaded.weights().norm.row<float>(0)[i],
              norm.view().row<float>(0)[i]);
}

TEST_F(AdapterTest, SavedAndLoadedIsTheSame) {
  const Adapter made = Adapter::create(
      tiny(true), {.rank = 4, .alpha = 8, .rslora = true}, 3, "base");
  EXPECT_EQ(made.parts().size(), 14u);
  for (const Adapter::Part& part : made.parts())
    for (int64_t i = 0; i < part.lora.b.size(); ++i)
      EXPECT_EQ(part.lora.b.row<float>(0)[i], 0);
  made.save(place_ / "adapter");
  const Adapter loaded = Adapter::load(place_ / "adapter", tiny(true));
  ASSERT_EQ(loaded.parts().size(), made.parts().size());
  for (size_t p = 0; p < made.parts().size(); ++p) {
    const auto &x = made.parts()[p], &y = loaded.parts()[p];
    EXPECT_EQ(x.module, y.module);
    EXPECT_EQ(x.lora.scale, y.lora.scale);
    for (int64_t i = 0; i < x.lora.a.size(); ++i)
      EXPECT_EQ(x.lora.a.row<float>(0)[i], y.lora.a.row<float>(0)[i]);
  }
}

TEST_F(AdapterTest, TargetsAreNamedByTheirLastName) {
  const Adapter some = Adapter::create(
      tiny(false), {.rank = 2, .target = {"v_proj", "lm_head"}}, 1, "base");
  ASSERT_EQ(some.parts().size(), 3u);
  EXPECT_EQ(some.parts()[0].module, "model.layers.0.self_attn.v_proj");
  EXPECT_EQ(some.parts()[2].module, "lm_head");
  EXPECT_THROW(Adapter::create(tiny(true), {.target = {"w_pack"}}, 1, "base"),
               UsageError);
  EXPECT_THROW(Adapter::create(tiny(true), {.rank = 13}, 1, "base"),
               UsageError);
}

TEST_F(AdapterTest, WhatDoesNotFitIsNamed) {
  EXPECT_NE(complaint(both_).find("no adapter_config.json"), std::string::npos);
  write(json::object(), "model.layers.7.self_attn.q_proj");
  EXPECT_NE(complaint(both_).find("is of no module of this base"),
            std::string::npos)
      << complaint(both_);
  q_b_ = random(6, 2);
  write();
  EXPECT_NE(complaint(both_).find("q_proj.lora_B.weight"), std::string::npos)
      << complaint(both_);
  q_b_ = random(16, 2);
  for (const auto& [key, value] :
       {std::pair<std::string, json>{"use_dora", true},
        {"bias", "all"},
        {"layer_replication", {{0, 2}}},
        {"peft_type", "IA3"}}) {
    write({{key, value}});
    EXPECT_NE(complaint(both_).find(key), std::string::npos);
  }
  write({{"lora_alpha", "much"}});
  EXPECT_NE(complaint(both_).find("lora_alpha"), std::string::npos);
  EXPECT_NE(complaint(place_ / "base+nothing").find("no such"),
            std::string::npos);
}

// trainable_token_indices as PEFT has it: whole rows, in the order of the list,
// of the embedding alone, or of both matrices; they replace the base's.
TEST_F(AdapterTest, RowsOfTokensReplaceThoseOfTheModel) {
  base_ = Model::random(tiny(false), 1, Dtype::f32);
  save_model(place_ / "base", base_.config(), base_.weights());
  const OwnedTensor embed = random(3, 16), head = random(2, 16);
  const std::string prefix = "base_model.model.";
  const std::string suffix = ".token_adapter.trainable_tokens_delta";
  write_file(place_ / "adapter/adapter_config.json",
             json({{"peft_type", "LORA"},
                   {"r", 2},
                   {"lora_alpha", 8},
                   {"trainable_token_indices",
                    {{"embed_tokens", {7, 2, 11}}, {"lm_head", {2, 3}}}}})
                 .dump());
  write_safetensors(place_ / "adapter/adapter_model.safetensors",
                    {{prefix + "model.embed_tokens" + suffix, {3, 16}, embed},
                     {prefix + "lm_head" + suffix, {2, 16}, head}});
  const Model merged = Model::load(both_, Dtype::f32);
  const auto expect_rows = [&](Tensor got, Tensor base,
                               const std::vector<int32_t>& tokens,
                               Tensor rows) {
    for (int32_t token = 0; token < 20; ++token) {
      const auto at = std::ranges::find(tokens, token);
      const Tensor expected = at == tokens.end()
                                  ? base.rows_from(token, 1)
                                  : rows.rows_from(at - tokens.begin(), 1);
      for (int64_t i = 0; i < 16; ++i)
        EXPECT_EQ(got.row<float>(token)[i], expected.row<float>(0)[i]) << token;
    }
  };
  expect_rows(merged.weights().embed_tokens, base_.weights().embed_tokens,
              {7, 2, 11}, embed);
  expect_rows(merged.weights().lm_head, base_.weights().lm_head, {2, 3}, head);

  // Beside the model they say the same, and written again they are the same.
  const Model apart = Model::map(both_, Dtype::f32);
  ASSERT_EQ(apart.weights().embed_rows.size(), 1u);
  EXPECT_EQ(apart.weights().embed_rows[0].tokens,
            (std::vector<int32_t>{2, 7, 11}));
  EXPECT_EQ(apart.weights().lm_head_rows[0].tokens,
            (std::vector<int32_t>{2, 3}));
  Adapter::load(place_ / "adapter", base_.config()).save(place_ / "adapter");
  const Model again = Model::load(both_, Dtype::f32);
  expect_rows(again.weights().embed_tokens, base_.weights().embed_tokens,
              {7, 2, 11}, embed);

  const auto fails_with = [&](const json& indices, const char* message) {
    write_file(place_ / "adapter/adapter_config.json",
               json({{"peft_type", "LORA"},
                     {"lora_alpha", 8},
                     {"trainable_token_indices", indices}})
                   .dump());
    EXPECT_NE(complaint(both_).find(message), std::string::npos)
        << complaint(both_);
  };
  fails_with(nullptr, "has no list for model.embed_tokens");
  fails_with({2, 7}, "shape");
  fails_with({2, 7, 20}, "has 20, and the vocabulary 20 tokens");
  fails_with({2, 7, 7}, "names a token twice");
  fails_with({2, "a", 7}, "has \"a\"");
}

TEST_F(AdapterTest, AnUpdateOfATiedHeadCannotBeMerged) {
  const Adapter head = Adapter::create(
      tiny(true), {.rank = 2, .target = {"lm_head"}}, 1, "base");
  head.save(place_ / "adapter");
  EXPECT_NE(complaint(both_).find("cannot be merged"), std::string::npos);
  EXPECT_EQ(Model::map(both_, Dtype::f32).weights().lm_head_loras.size(), 1u);
}

TEST(ModelPath, APlusSignOfAnExistingNameIsPartOfIt) {
  const fs::path place = fs::path(testing::TempDir()) / "a+b";
  fs::create_directories(place / "c+d");
  const ModelPath own(place / "c+d");
  EXPECT_EQ(own.base, place / "c+d");
  EXPECT_TRUE(own.adapters.empty());
  const ModelPath two(place.string() + "/c+d+x+y/z");
  EXPECT_EQ(two.base, place / "c+d");
  ASSERT_EQ(two.adapters.size(), 2u);
  EXPECT_EQ(two.adapters[0], "x");
  EXPECT_EQ(two.adapters[1], "y/z");
  const fs::path none = place / "nothing+at+all";
  EXPECT_EQ(ModelPath(none).base, none);
  fs::remove_all(place);
}

}  // namespace
}  // namespace seodang
