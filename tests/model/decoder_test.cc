#include "model/decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/convert.h"
#include "model/adapter.h"
#include "model/families.h"
#include "model/reference.h"

namespace seodang {
namespace {

ModelConfig small_config(bool tied, int32_t kv_heads,
                         std::string_view architecture = "LlamaForCausalLM") {
  ModelConfig c;
  const Family& family = family_of(architecture);
  c.architecture = family.architecture;
  c.qkv_bias = family.qkv_bias;
  c.qk_norm = family.qk_norm;
  c.branch_norms = family.branch_norms;
  c.norm_plus_one = family.norm_plus_one;
  c.scale_embeddings = family.scale_embeddings;
  if (family.norm_plus_one) c.hidden_act = Activation::gelu_tanh;
  if (family.branch_norms) {
    c.query_pre_attn_scalar = 24;
    c.attn_logit_softcapping = 2;
    c.final_logit_softcapping = 3;
  }
  if (family.defaults().contains("sliding_window")) {
    c.sliding_window = 5;
    c.layer_types = {LayerType::sliding_attention, LayerType::full_attention};
  }
  if (family.defaults().contains("rope_local_base_freq")) {
    c.rope_local_base_freq = 50;
    c.rope_scaling.rope_type = "yarn";
    c.rope_scaling.factor = 4;
    c.rope_scaling.attention_factor = 1.1;
    c.rope_scaling.original_max_position_embeddings = 8;
    c.rope_scaling.beta_fast = 1;
    c.rope_scaling.beta_slow = 0.1;
  }
  c.vocab_size = 50;
  c.hidden_size = 32;
  c.intermediate_size = 48;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = kv_heads;
  c.head_dim = 16;  // not hidden_size / heads, on purpose
  c.max_position_embeddings = 64;
  c.initializer_range = 0.3;  // gradients of a size that rounding does not hide
  c.tie_word_embeddings = tied;
  return c;
}

// Three documents; some targets ignored, as in instruct tuning.
Batch random_batch(const ModelConfig& config, uint64_t seed) {
  Rng rng(seed);
  Batch batch;
  for (const int32_t length : {7, 1, 12}) {
    batch.spans.push_back({static_cast<int32_t>(batch.tokens.size()), length});
    for (int32_t i = 0; i < length; ++i) {
      batch.tokens.push_back(
          static_cast<int32_t>(rng.below(config.vocab_size)));
      const bool ignored = rng.below(4) == 0;
      batch.targets.push_back(
          ignored ? kIgnoreTarget
                  : static_cast<int32_t>(rng.below(config.vocab_size)));
      batch.loss_tokens += !ignored;
    }
  }
  return batch;
}

// Random, with norms and biases that are not what a model begins with.
Model random_model(const ModelConfig& config) {
  Model model = Model::random(config, 3, Dtype::f32);
  Rng rng(4);
  for (const NamedTensor& weight : named_weights(config, model.weights()))
    if (!weight.decayed)
      for (int64_t i = 0; i < weight.tensor.cols; ++i)
        weight.tensor.row<float>(0)[i] +=
            static_cast<float>(0.3 * rng.normal());
  return model;
}

struct Shape {
  const char* name;
  bool tied;
  int32_t kv_heads;
  std::string_view architecture = "LlamaForCausalLM";
};

class DecoderTest : public testing::TestWithParam<Shape> {
 protected:
  ModelConfig config = small_config(GetParam().tied, GetParam().kv_heads,
                                    GetParam().architecture);
  Model model = random_model(config);
  Batch batch = random_batch(config, 5);
};

TEST_P(DecoderTest, LossMatchesTheFloat64Reference) {
  Decoder decoder(config, model.weights(), 32);
  std::vector<float> losses(batch.tokens.size());
  const Loss loss = decoder.evaluate(batch, losses.data());
  EXPECT_EQ(loss.tokens, batch.loss_tokens);
  EXPECT_NEAR(loss.mean(),
              ReferenceDecoder(config, model.weights()).loss(batch), 2e-5);
}

// Every weight matrix, some of its numbers: (L(w+h) - L(w-h)) / 2h in float64.
TEST_P(DecoderTest, GradientsMatchFiniteDifferences) {
  for (const Keep keep : {Keep::all, Keep::inputs}) {
    Decoder decoder(config, model.weights(), 32, keep);
    const OwnedTensor memory(Dtype::f32, 1, weights_size(config));
    const Weights gradients =
        weights_at(config, memory.view().data, Dtype::f32);
    const float scale = 1.0f / static_cast<float>(batch.loss_tokens);
    decoder.accumulate_gradients(batch, gradients, scale);
    ReferenceDecoder reference(config, model.weights());
    Rng rng(9);
    for (const NamedTensor& gradient : named_weights(config, gradients)) {
      const auto& weight = reference.weight(gradient.name);
      for (int i = 0; i < 6; ++i) {
        // Of the embedding, a row that the batch uses.
        const bool embedding = gradient.name == "model.embed_tokens.weight";
        const auto r = static_cast<int64_t>(
            embedding ? batch.tokens[i] : rng.below(weight.size()));
        const auto c = static_cast<int64_t>(rng.below(weight[0].size()));
        const double expected = reference.difference(
            gradient.name, r, c, [&] { return reference.loss(batch); });
        EXPECT_NEAR(gradient.tensor.row<float>(r)[c], expected,
                    2e-5 + 2e-4 * std::abs(expected))
            << gradient.name << " [" << r << ", " << c << "]";
      }
    }
  }
}

// With two adapters, of which the last learns: the loss is that of merged
// weights, and the gradients are those of (L(p+h) - L(p-h)) / 2h in float64.
// Both have rows of their own for some tokens; where both do, the last's count.
TEST_P(DecoderTest, AdaptersAddUpAndTheirGradientsMatchFiniteDifferences) {
  LoraOptions options{.rank = 3, .alpha = 5};
  if (!config.tie_word_embeddings) options.target.push_back("lm_head");
  Weights weights = model.weights(), gradients;
  gradients.layers.resize(weights.layers.size());
  std::vector<Adapter> adapters;
  Rng rng(21);
  const std::set<int32_t> seen(batch.tokens.begin(), batch.tokens.end());
  const std::vector<int32_t> tokens(seen.begin(), seen.end());
  for (const bool rslora : {true, false}) {
    options.rslora = rslora;
    adapters.push_back(
        Adapter::create(config, options, rslora ? 1 : 2, "base",
                        rslora ? std::vector{tokens[0], tokens[1]}
                               : std::vector{tokens[1], tokens[2], tokens[4]},
                        model.weights()));
    float* numbers = adapters.back().memory().row<float>(0);
    for (int64_t i = 0; i < adapters.back().memory().size(); ++i)
      numbers[i] += static_cast<float>(0.2 * rng.normal());
    for (const Adapter::Part& part : adapters.back().parts())
      attach(part, config, weights);
  }
  const Adapter& last = adapters.back();
  const OwnedTensor memory(Dtype::f32, 1, last.memory().size());
  auto learned = last.parts_at(memory.view().data, Dtype::f32);
  for (const Adapter::Part& part : learned) attach(part, config, gradients);

  ReferenceDecoder plain(config, model.weights()),
      reference(config, model.weights());
  const auto merge = [&] {
    for (const NamedTensor& weight : named_weights(config, model.weights()))
      reference.weight(weight.name) = plain.weight(weight.name);
    for (const Adapter& adapter : adapters)
      for (const Adapter::Part& part : adapter.parts()) {
        auto& w = reference.weight(part.module + ".weight");
        for (int64_t i = 0; i < part.rows.size(); ++i)
          for (size_t c = 0; c < w[0].size(); ++c)
            w[static_cast<size_t>(part.rows.tokens[static_cast<size_t>(i)])]
             [c] = part.rows.rows.row<float>(i)[c];
      }
    for (const Adapter& adapter : adapters)
      for (const Adapter::Part& part : adapter.parts()) {
        auto& w = reference.weight(part.module + ".weight");
        const Lora& lora = part.lora;
        for (size_t o = 0; o < w.size() && lora.a; ++o)
          for (size_t i = 0; i < w[0].size(); ++i)
            for (int64_t r = 0; r < lora.a.rows; ++r)
              w[o][i] += double{lora.scale} *
                         lora.b.row<float>(static_cast<int64_t>(o))[r] *
                         lora.a.row<float>(r)[i];
      }
  };
  merge();
  EXPECT_FLOAT_EQ(last.parts()[0].lora.scale, 5.0f / 3);
  EXPECT_FLOAT_EQ(adapters[0].parts()[0].lora.scale, 5.0f / std::sqrt(3.0f));

  for (const Keep keep : {Keep::all, Keep::inputs}) {
    Decoder decoder(config, weights, 32, keep);
    EXPECT_NEAR(decoder.evaluate(batch).mean(), reference.loss(batch), 2e-5);
    std::memset(memory.view().data, 0, memory.bytes());
    decoder.accumulate_gradients(batch, gradients,
                                 1.0f / static_cast<float>(batch.loss_tokens));
    for (size_t p = 0; p < learned.size(); ++p) {
      Adapter::Part part = last.parts()[p];
      const auto numbers = part.tensors(), into = learned[p].tensors();
      for (size_t t = 0; t < numbers.size(); ++t)
        for (int trial = 0; trial < 2; ++trial) {
          const auto at = static_cast<int64_t>(rng.below(numbers[t]->size()));
          float& value = numbers[t]->row<float>(0)[at];
          const float kept = value, h = 2e-4f;
          const auto loss_at = [&](float changed) {
            value = changed;
            merge();
            return reference.loss(batch);
          };
          const float above = kept + h, below = kept - h;
          const double expected =
              (loss_at(above) - loss_at(below)) / (double{above} - below);
          loss_at(kept);
          const double got = into[t]->row<float>(0)[at];
          EXPECT_NEAR(got, expected, 5e-4 * std::abs(expected) + 5e-5)
              << part.module << " " << t;
        }
    }
  }
}

// Dropout draws the same in forward, backward and what is recomputed, so the
// gradient is that of the loss with what was drawn; another seed draws others,
// and what only reads drops nothing.
TEST_P(DecoderTest, DropoutHasTheGradientOfWhatItDrew) {
  LoraOptions options{.rank = 3, .alpha = 5, .dropout = 0.3};
  const Adapter adapter = Adapter::create(config, options, 1, "base");
  Rng rng(21);
  float* numbers = adapter.memory().row<float>(0);
  for (int64_t i = 0; i < adapter.memory().size(); ++i)
    numbers[i] = static_cast<float>(0.2 * rng.normal());
  Weights weights = model.weights(), gradients;
  gradients.layers.resize(weights.layers.size());
  for (const Adapter::Part& part : adapter.parts())
    attach(part, config, weights);
  const OwnedTensor memory(Dtype::f32, 1, adapter.memory().size());
  for (const Adapter::Part& part :
       adapter.parts_at(memory.view().data, Dtype::f32))
    attach(part, config, gradients);
  for (const Keep keep : {Keep::all, Keep::inputs}) {
    Decoder decoder(config, weights, 32, keep);
    const auto loss_with = [&](uint64_t seed) {
      batch.seed = seed;
      std::memset(memory.view().data, 0, memory.bytes());
      return decoder.accumulate_gradients(batch, gradients, 1.0f).sum;
    };
    EXPECT_NE(loss_with(7), loss_with(8));
    EXPECT_NEAR(loss_with(0), decoder.evaluate(batch).sum, 1e-3);
    loss_with(7);
    const float* got = memory.view().row<float>(0);
    const std::vector<float> gradient(got, got + memory.view().size());
    for (int trial = 0; trial < 20; ++trial) {
      const auto at = static_cast<int64_t>(rng.below(gradient.size()));
      const float value = numbers[at], h = 0.003f;
      numbers[at] = value + h;
      const double above = loss_with(7);
      numbers[at] = value - h;
      const double below = loss_with(7);
      numbers[at] = value;
      const double expected = (above - below) / (2 * h);
      EXPECT_NEAR(gradient[static_cast<size_t>(at)], expected,
                  0.01 * std::abs(expected) + 0.01);
    }
  }
}

// Learned tokens count their loss, those of the first two documents the
// divergence from another model: scale · Σ loss + teacher's · Σ KL, against
// (L(w+h) - L(w-h)) / 2h in float64.
TEST_P(DecoderTest, DistilledTokensStayNearTheTeacher) {
  constexpr float kScale = 0.1f, kTeacherScale = 0.7f;
  batch.distilled = 8;
  const Model other = Model::random(config, 8, Dtype::f32);
  Decoder teacher(config, other.weights(), 8);
  Decoder decoder(config, model.weights(), 32, Keep::all);
  const OwnedTensor memory(Dtype::f32, 1, weights_size(config));
  const Weights gradients = weights_at(config, memory.view().data, Dtype::f32);
  const Loss loss = decoder.accumulate_gradients(batch, gradients, kScale,
                                                 {&teacher, kTeacherScale});

  ReferenceDecoder reference(config, model.weights());
  const ReferenceDecoder teaching(config, other.weights());
  const auto log_softmax = [](std::vector<double> z) {
    double total = 0;
    for (const double v : z) total += std::exp(v);
    for (double& v : z) v -= std::log(total);
    return z;
  };
  struct Sums {
    double loss = 0, divergence = 0;
    int64_t tokens = 0, distilled = 0;
  };
  const auto sums = [&] {
    Sums out;
    for (const SequenceSpan& span : batch.spans) {
      const std::vector<int32_t> tokens(
          batch.tokens.begin() + span.begin,
          batch.tokens.begin() + span.begin + span.length);
      const auto rows = reference.logits(tokens);
      const auto taught = teaching.logits(tokens);
      for (int32_t t = 0; t < span.length; ++t) {
        const int32_t target = batch.targets[span.begin + t];
        if (target < 0) continue;
        const auto log_p = log_softmax(rows[t]);
        if (span.begin >= batch.distilled) {
          out.loss -= log_p[target];
          ++out.tokens;
          continue;
        }
        ++out.distilled;
        const auto log_teacher = log_softmax(taught[t]);
        for (size_t v = 0; v < log_p.size(); ++v)
          out.divergence +=
              std::exp(log_teacher[v]) * (log_teacher[v] - log_p[v]);
      }
    }
    return out;
  };
  const Sums expected = sums();
  EXPECT_EQ(loss.tokens, expected.tokens);
  EXPECT_EQ(loss.distilled, expected.distilled);
  EXPECT_NEAR(loss.sum, expected.loss, 1e-3);
  EXPECT_NEAR(loss.divergence, expected.divergence, 1e-3);
  const auto objective = [&] {
    const Sums of = sums();
    return kScale * of.loss + kTeacherScale * of.divergence;
  };
  Rng rng(9);
  for (const NamedTensor& gradient : named_weights(config, gradients)) {
    const auto& weight = reference.weight(gradient.name);
    for (int i = 0; i < 2; ++i) {
      const bool embedding = gradient.name == "model.embed_tokens.weight";
      const auto r = static_cast<int64_t>(embedding ? batch.tokens[i * 9]
                                                    : rng.below(weight.size()));
      const auto c = static_cast<int64_t>(rng.below(weight[0].size()));
      const double difference =
          reference.difference(gradient.name, r, c, objective);
      EXPECT_NEAR(gradient.tensor.row<float>(r)[c], difference,
                  1e-4 + 3e-4 * std::abs(difference))
          << gradient.name << " [" << r << ", " << c << "]";
    }
  }
}

TEST_P(DecoderTest, Bf16GradientsPointTheSameWay) {
  const Model rounded = Model::random(config, 3, Dtype::bf16);
  convert(rounded.memory(), model.memory());
  const auto gradient_of = [&](const Model& m) {
    Decoder decoder(config, m.weights(), 32, Keep::all);
    const OwnedTensor memory(Dtype::f32, 1, weights_size(config));
    decoder.accumulate_gradients(
        batch, weights_at(config, memory.view().data, Dtype::f32), 1.0f);
    const float* g = memory.view().row<float>(0);
    return std::vector<float>(g, g + memory.view().cols);
  };
  const auto a = gradient_of(model), b = gradient_of(rounded);
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  EXPECT_GT(dot / std::sqrt(aa * bb), 0.997);
}

TEST_P(DecoderTest, CacheContinuesAsIfReadAtOnce) {
  Decoder decoder(config, model.weights(), 32);
  const std::vector<int32_t> tokens(batch.tokens.begin(),
                                    batch.tokens.begin() + 12);
  const auto expected =
      ReferenceDecoder(config, model.weights()).logits(tokens);
  KvCache cache(config, 16, Dtype::f32);
  const OwnedTensor logits(Dtype::f32, 1, config.vocab_size);
  size_t at = 0;
  for (const size_t length : {5, 1, 1, 3, 2}) {
    const SequenceSpan span{0, static_cast<int32_t>(length), &cache};
    const Tensor hidden =
        decoder.forward(std::span(tokens).subspan(at, length), {&span, 1});
    at += length;
    EXPECT_EQ(cache.length(), static_cast<int64_t>(at));
    decoder.logits(logits, hidden.rows_from(hidden.rows - 1, 1));
    for (int32_t v = 0; v < config.vocab_size; ++v)
      EXPECT_NEAR(logits.view().row<float>(0)[v], expected[at - 1][v], 2e-4);
  }
}

// A cache of fewer bits gives nearly the logits of f32; nothing is silently
// taken that cannot be stored.
TEST(KvCache, KeepsLessPreciseNumbers) {
  ModelConfig config = small_config(false, 2);
  config.head_dim = 32;
  const Model model = random_model(config);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back(i * 7 % config.vocab_size);
  const auto logits = [&](Dtype dtype) {
    Decoder decoder(config, model.weights(), 64);
    KvCache cache(config, 64, dtype);
    const OwnedTensor out(Dtype::f32, 1, config.vocab_size);
    for (const auto& [begin, count] : {std::pair{0, 37}, {37, 1}, {38, 2}}) {
      const SequenceSpan span{0, count, &cache};
      const Tensor hidden =
          decoder.forward(std::span(tokens).subspan(static_cast<size_t>(begin),
                                                    static_cast<size_t>(count)),
                          {&span, 1});
      decoder.logits(out, hidden.rows_from(hidden.rows - 1, 1));
    }
    const float* row = out.view().row<float>(0);
    return std::vector<float>(row, row + config.vocab_size);
  };
  const std::vector<float> exact = logits(Dtype::f32);
  const auto [least, most] = std::ranges::minmax(exact);
  for (const auto& [dtype, tolerance] :
       {std::pair{Dtype::bf16, 0.01f}, {Dtype::q8_0, 0.01f}}) {
    const std::vector<float> found = logits(dtype);
    float worst = 0;
    for (size_t i = 0; i < exact.size(); ++i)
      worst = std::max(worst, std::abs(found[i] - exact[i]));
    EXPECT_LT(worst, tolerance * (most - least)) << name_of(dtype);
    EXPECT_GT(worst, 0);
  }
  config.head_dim = 24;
  EXPECT_THROW(KvCache(config, 16, Dtype::q8_0), Error);
}

// Memory comes as it is needed, and what was in it stays.
TEST(KvCache, GrowsWithUse) {
  ModelConfig config;
  config.num_hidden_layers = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  KvCache cache(config, 1000, Dtype::f32);
  EXPECT_EQ(cache.room(), 0);
  cache.reserve(3);
  EXPECT_LT(cache.room(), 1000);
  const OwnedTensor rows(Dtype::f32, 3, 8), negative(Dtype::f32, 3, 8);
  const auto value = [](int64_t layer, int64_t row, int64_t col) {
    return static_cast<float>(100 * layer + 10 * row + col);
  };
  for (int64_t l = 0; l < 2; ++l) {
    for (int64_t r = 0; r < 3; ++r)
      for (int64_t c = 0; c < 8; ++c) {
        rows.view().row<float>(r)[c] = value(l, r, c);
        negative.view().row<float>(r)[c] = -value(l, r, c);
      }
    cache.append(l, rows, negative);
  }
  cache.truncate(3);
  for (const int64_t tokens : {400, 1000}) {
    cache.reserve(tokens);
    EXPECT_GE(cache.room(), tokens);
    EXPECT_LE(cache.room(), 1000);
    for (int64_t l = 0; l < 2; ++l)
      for (int64_t r = 0; r < 3; ++r)
        for (int64_t c = 0; c < 8; ++c) {
          const int64_t row = c / 4 * cache.room() + r;
          ASSERT_EQ(cache.keys(l).row<float>(row)[c % 4], value(l, r, c));
          ASSERT_EQ(cache.values(l).row<float>(row)[c % 4], -value(l, r, c));
        }
  }
  EXPECT_EQ(KvCache::bytes(config, 1000, Dtype::f32), 1000 * 2 * 2 * 8 * 4);
}

TEST_P(DecoderTest, RerunGivesTheSameBytes) {
  const auto gradient = [&] {
    Decoder decoder(config, model.weights(), 32, Keep::all);
    const OwnedTensor memory(Dtype::f32, 1, weights_size(config));
    decoder.accumulate_gradients(
        batch, weights_at(config, memory.view().data, Dtype::f32), 1.0f);
    const char* bytes = static_cast<const char*>(memory.view().data);
    return std::string(bytes, memory.bytes());
  };
  EXPECT_EQ(gradient(), gradient());
}

TEST_P(DecoderTest, GradientsAddUp) {
  Decoder decoder(config, model.weights(), 32, Keep::all);
  const OwnedTensor once(Dtype::f32, 1, weights_size(config));
  const OwnedTensor twice(Dtype::f32, 1, weights_size(config));
  decoder.accumulate_gradients(
      batch, weights_at(config, once.view().data, Dtype::f32), 1.0f);
  for (int i = 0; i < 2; ++i)
    decoder.accumulate_gradients(
        batch, weights_at(config, twice.view().data, Dtype::f32), 1.0f);
  for (int64_t i = 0; i < once.view().cols; ++i) {
    const float x = once.view().row<float>(0)[i];
    EXPECT_NEAR(twice.view().row<float>(0)[i], 2 * x,
                1e-4 + 1e-4 * std::abs(x));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, DecoderTest,
    testing::Values(Shape{"Tied2", true, 2}, Shape{"Untied4", false, 4},
                    Shape{"Untied1", false, 1},
                    Shape{"Mistral", false, 2, "MistralForCausalLM"},
                    Shape{"Qwen2", true, 2, "Qwen2ForCausalLM"},
                    Shape{"Qwen3", false, 1, "Qwen3ForCausalLM"},
                    Shape{"Gemma", true, 1, "GemmaForCausalLM"},
                    Shape{"Gemma2", true, 2, "Gemma2ForCausalLM"},
                    Shape{"Gemma3", true, 2, "Gemma3ForCausalLM"}),
    [](const auto& shape) { return std::string(shape.param.name); });

TEST(Decoder, RefusesWhatDoesNotFit) {
  const ModelConfig config = small_config(true, 2);
  const Model model = Model::random(config, 1, Dtype::f32);
  Decoder decoder(config, model.weights(), 80);
  const auto forward = [&](std::vector<int32_t> tokens, int32_t length) {
    const SequenceSpan span{0, length, nullptr};
    decoder.forward(tokens, {&span, 1});
  };
  EXPECT_THROW(forward({1, 50}, 2), Error);  // vocabulary
  EXPECT_THROW(forward({1, -1}, 2), Error);
  EXPECT_THROW(forward(std::vector<int32_t>(65, 1), 65), Error);  // context
  EXPECT_THROW(forward(std::vector<int32_t>(81, 1), 81), Error);  // max_tokens
  EXPECT_THROW(forward({1, 2, 3}, 2), Error);                     // not covered
}

}  // namespace
}  // namespace seodang
