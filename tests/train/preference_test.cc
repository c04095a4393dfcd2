// Preferences: the loss and its gradient against the formulas in float64, and a
// tiny model that learns which of two answers is wanted.
#include "train/preference.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/rng.h"
#include "error_of.h"
#include "model/model.h"
#include "model/reference.h"
#include "train/finetune.h"
#include "train/tiny_base.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = 40;
  c.hidden_size = 16;
  c.intermediate_size = 24;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 8;
  c.max_position_embeddings = 32;
  c.initializer_range = 0.3;
  return c;
}

// A span that is in no pair, and two pairs of answers of 2 to 5 tokens behind
// prompts of 3.
Batch two_pairs(const ModelConfig& config) {
  Rng rng(5);
  Batch batch;
  for (const int32_t answer : {2, 4, 3, 2, 5}) {
    const int32_t length = 3 + answer;
    batch.spans.push_back({static_cast<int32_t>(batch.tokens.size()), length});
    for (int32_t i = 0; i < length; ++i) {
      batch.tokens.push_back(
          static_cast<int32_t>(rng.below(config.vocab_size)));
      const bool prompt = i < 2 || i + 1 == length;
      batch.targets.push_back(
          prompt ? kIgnoreTarget
                 : static_cast<int32_t>(rng.below(config.vocab_size)));
      batch.loss_tokens += !prompt;
    }
  }
  batch.pairs = {{.chosen = 1, .index = 1}, {.chosen = 3, .index = 0}};
  return batch;
}

TEST(PreferenceLoss, ItsGradientIsThatOfTheFormula) {
  const ModelConfig config = small_config();
  const Model model = Model::random(config, 1, Dtype::f32);
  const Model before = Model::random(config, 2, Dtype::f32);
  const Batch batch = two_pairs(config);
  constexpr double kScale = 0.5;
  const PreferenceOptions options = {.beta = 0.7, .sft_weight = 0.4};

  PreferenceLoss preference(options);
  Decoder reference_decoder(config, before.weights(), 64);
  preference.add_reference(reference_decoder, batch);
  Decoder decoder(config, model.weights(), 64, Keep::all);
  const OwnedTensor memory(Dtype::f32, 1, weights_size(config));
  const Weights gradients = weights_at(config, memory.view().data, Dtype::f32);
  PreferenceSums sums;
  decoder.accumulate_gradients(
      batch, gradients,
      [&](std::span<const float> losses, std::span<float> weights) {
        sums = preference(batch, losses, kScale, weights);
      });

  ReferenceDecoder reference(config, model.weights());
  const ReferenceDecoder starting(config, before.weights());
  // log π(answer) and its length.
  const auto answer = [&](const ReferenceDecoder& of, int32_t span) {
    Batch one = batch;
    one.spans = {batch.spans[static_cast<size_t>(span)]};
    double length = 0;
    for (int32_t i = 0; i < one.spans[0].length; ++i)
      length += batch.targets[static_cast<size_t>(one.spans[0].begin + i)] >= 0;
    return std::pair(-of.loss(one) * length, length);
  };
  const auto objective = [&] {
    double sum = 0;
    for (const PreferencePair& pair : batch.pairs) {
      const auto [w, length] = answer(reference, pair.chosen);
      const double l = answer(reference, pair.chosen + 1).first;
      const double w_ref = answer(starting, pair.chosen).first;
      const double l_ref = answer(starting, pair.chosen + 1).first;
      const double margin = options.beta * ((w - w_ref) - (l - l_ref));
      sum += std::log(1 + std::exp(-margin)) - options.sft_weight * w / length;
    }
    return sum;
  };
  EXPECT_EQ(sums.pairs, 2);
  EXPECT_NEAR(sums.loss, objective(), 1e-4);
  Rng rng(9);
  for (const NamedTensor& gradient : named_weights(config, gradients)) {
    const auto& weight = reference.weight(gradient.name);
    for (int i = 0; i < 3; ++i) {
      const bool embedding = gradient.name == "model.embed_tokens.weight";
      const auto r = static_cast<int64_t>(embedding ? batch.tokens[6 + i * 9]
                                                    : rng.below(weight.size()));
      const auto c = static_cast<int64_t>(rng.below(weight[0].size()));
      const double difference =
          kScale * reference.difference(gradient.name, r, c, objective);
      EXPECT_NEAR(gradient.tensor.row<float>(r)[c], difference,
                  1e-4 + 3e-4 * std::abs(difference))
          << gradient.name << " [" << r << ", " << c << "]";
    }
  }
}

// Without a step taken, nothing is preferred and the loss is log 2; far from
// the start nothing overflows.
TEST(PreferenceLoss, AtTheStartAndFarFromIt) {
  const ModelConfig config = small_config();
  const Model model = Model::random(config, 1, Dtype::f32);
  const Batch batch = two_pairs(config);
  PreferenceLoss preference({.beta = 0.5, .sft_weight = 0});
  Decoder decoder(config, model.weights(), 64);
  preference.add_reference(decoder, batch);
  std::vector<float> losses(batch.tokens.size());
  decoder.evaluate(batch, losses.data());
  const PreferenceSums start = preference(batch, losses);
  EXPECT_NEAR(start.mean_loss(), std::log(2), 1e-6);
  EXPECT_EQ(start.preferred, 0);
  const SequenceSpan& rejected = batch.spans[2];
  losses[static_cast<size_t>(rejected.begin + 2)] += 1e5f;
  const PreferenceSums far = preference(batch, losses);
  EXPECT_NEAR(far.loss, std::log(2), 1e-6);
  EXPECT_EQ(far.preferred, 1);
  losses[static_cast<size_t>(rejected.begin + 2)] -= 2e5f;
  EXPECT_NEAR(preference(batch, losses).loss, 5e4, 5);
}

class Prefer : public testing::Test {
 protected:
  // A tiny model that answers "On the mat. On the hat." to everything.
  static void SetUpTestSuite() {
    fs::remove_all(kDir);
    fs::create_directories(kDir);
    write_file(kDir / "long.jsonl",
               R"({"instruction": "capital?", "output": "Seoul. On the hat."}
{"instruction": "the cat?", "output": "On the mat. On the hat."}
)");
    write_file(
        kDir / "pairs.jsonl",
        R"({"prompt": "capital?", "chosen": "Seoul.", "rejected": "Seoul. On the hat."}
{"chosen": [{"role": "user", "content": "the cat?"}, {"role": "assistant", "content": "On the mat."}], "rejected": [{"role": "user", "content": "the cat?"}, {"role": "assistant", "content": "On the mat. On the hat."}]}
)");
    write_file(kDir / "test.jsonl",
               R"({"prompt": "capital?", "completion": "Seoul."}
{"prompt": "the cat?", "completion": "On the mat."}
)");
    write_tiny_instruct(kDir, kDir / "long.jsonl");
  }
  static void TearDownTestSuite() { fs::remove_all(kDir); }

  static FinetuneOptions options(const char* name) {
    FinetuneOptions o = default_preference_options();
    o.tuning.base = kDir / "instruct";
    o.tuning.examples = {kDir / "pairs.jsonl"};
    o.tuning.output = kDir / name;
    o.tuning.validation = 0;
    o.tuning.train.steps = 40;
    o.tuning.train.batch_tokens = 128;
    o.tuning.train.learning_rate = 0.003;
    o.test = {kDir / "test.jsonl"};
    return o;
  }

  static inline const fs::path kDir =
      fs::path(testing::TempDir()) /
      fmt::format("seodang_prefer-{}", ::getpid());
};

// All weights and an adapter; and the same bytes twice over.
TEST_F(Prefer, ShortAnswersWhereTheyAreChosen) {
  for (const bool lora : {false, true}) {
    FinetuneOptions o = options(lora ? "adapter" : "full");
    o.tuning.lora = lora;
    if (lora) o.tuning.train.learning_rate = 0.01;
    const auto report = nlohmann::json::parse(finetune(o).forgetting);
    EXPECT_LT(report["task"]["test"][0], 0.9);
    EXPECT_EQ(report["task"]["test"][1], 1.0) << report;
    const std::string file =
        lora ? "adapter_model.safetensors" : "model.safetensors";
    const std::string once = read_file(o.tuning.output / file);
    o.tuning.output = kDir / "again";
    fs::remove_all(o.tuning.output);
    finetune(o);
    EXPECT_EQ(read_file(o.tuning.output / file), once);
  }
}

TEST_F(Prefer, AnotherBetaIsAnotherRun) {
  FinetuneOptions o = options("beta");
  finetune(o);
  EXPECT_EQ(finetune(o).train.steps, 40);
  o.preference->beta = 0.2;
  EXPECT_NE(error_of([&] { finetune(o); }).find("with beta = 0.1"),
            std::string::npos);
}

}  // namespace
}  // namespace seodang
