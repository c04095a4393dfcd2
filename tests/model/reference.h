// The decoder once more, in float64 and plain loops, from the papers' formulas
// alone: what the fast one is measured against.
#pragma once

#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "data/batch.h"
#include "kernels/convert.h"
#include "model/rope_frequencies.h"
#include "model/weights.h"

namespace seodang {

class ReferenceDecoder {
 public:
  using Matrix = std::vector<std::vector<double>>;

  ReferenceDecoder(const ModelConfig& config, const Weights& weights)
      : config_(config) {
    for (const NamedTensor& weight : named_weights(config, weights)) {
      const Tensor& t = weight.tensor;
      const OwnedTensor f32(Dtype::f32, t.rows, t.cols);
      convert(f32, t);
      Matrix& m = weights_[weight.name];
      for (int64_t r = 0; r < t.rows; ++r)
        m.emplace_back(f32.view().row<float>(r),
                       f32.view().row<float>(r) + t.cols);
    }
  }

  Matrix& weight(const std::string& name) { return weights_.at(name); }

  // (f(w + h) - f(w - h)) / 2h, f being of this decoder and w one of its
  // weights.
  template <class F>
  double difference(const std::string& name, int64_t row, int64_t col, F&& f) {
    constexpr double kStep = 1e-4;
    double& w =
        weights_.at(name)[static_cast<size_t>(row)][static_cast<size_t>(col)];
    const double value = w;
    w = value + kStep;
    const double above = f();
    w = value - kStep;
    const double below = f();
    w = value;
    return (above - below) / (2 * kStep);
  }

  // Mean -log p(target) over the targets that are not ignored.
  double loss(const Batch& batch) const {
    double sum = 0;
    int64_t count = 0;
    for (const SequenceSpan& span : batch.spans) {
      const std::vector<int32_t> tokens(
          batch.tokens.begin() + span.begin,
          batch.tokens.begin() + span.begin + span.length);
      const Matrix rows = logits(tokens);
      for (int32_t i = 0; i < span.length; ++i) {
        const int32_t target = batch.targets[span.begin + i];
        if (target < 0) continue;
        double total = 0;
        for (const double z : rows[i]) total += std::exp(z);
        sum += std::log(total) - rows[i][target];
        ++count;
      }
    }
    return sum / static_cast<double>(count);
  }

  // One sequence from position 0.
  Matrix logits(const std::vector<int32_t>& tokens) const {
    Matrix x;
    for (const int32_t token : tokens)
      x.push_back(weights_.at("model.embed_tokens.weight")[token]);
    if (config_.scale_embeddings)
      for (auto& row : x)
        for (double& v : row)
          v *= std::sqrt(static_cast<float>(config_.hidden_size));
    for (int32_t l = 0; l < config_.num_hidden_layers; ++l) {
      const std::string layer = "model.layers." + std::to_string(l) + ".";
      const std::string after = layer + "post_attention_layernorm.weight";
      const bool around = config_.branch_norms;
      Matrix y = attention(l, norm(x, layer + "input_layernorm.weight"));
      add(x, around ? norm(y, after) : y);
      y = mlp(layer, norm(x, around ? layer + "pre_feedforward_layernorm.weight"
                                    : after));
      add(x, around ? norm(y, layer + "post_feedforward_layernorm.weight") : y);
    }
    Matrix z = linear(norm(x, "model.norm.weight"),
                      config_.tie_word_embeddings ? "model.embed_tokens.weight"
                                                  : "lm_head.weight");
    for (auto& row : z)
      for (double& v : row) v = softened(v, config_.final_logit_softcapping);
    return z;
  }

 private:
  static double softened(double x, double cap) {
    return cap > 0 ? cap * std::tanh(x / cap) : x;
  }

  static void add(Matrix& x, const Matrix& y) {
    for (size_t i = 0; i < x.size(); ++i)
      for (size_t j = 0; j < x[i].size(); ++j) x[i][j] += y[i][j];
  }

  Matrix linear(const Matrix& x, const std::string& name) const {
    const Matrix& w = weights_.at(name);
    Matrix y(x.size(), std::vector<double>(w.size()));
    for (size_t i = 0; i < x.size(); ++i)
      for (size_t o = 0; o < w.size(); ++o)
        for (size_t j = 0; j < w[o].size(); ++j) y[i][o] += x[i][j] * w[o][j];
    return y;
  }

  // Groups as wide as the weight, each by itself.
  Matrix norm(const Matrix& x, const std::string& name) const {
    const std::vector<double>& w = weights_.at(name)[0];
    Matrix y = x;
    for (auto& row : y)
      for (size_t g = 0; g < row.size(); g += w.size()) {
        double square = 0;
        for (size_t j = 0; j < w.size(); ++j) square += row[g + j] * row[g + j];
        const double scale =
            1 / std::sqrt(square / static_cast<double>(w.size()) +
                          config_.rms_norm_eps);
        for (size_t j = 0; j < w.size(); ++j)
          row[g + j] *= scale * (w[j] + (config_.norm_plus_one ? 1 : 0));
      }
    return y;
  }

  void rotate(Matrix& x, int32_t heads, LayerType type) const {
    const int32_t d = config_.head_dim, half = d / 2;
    const bool local = type == LayerType::sliding_attention &&
                       config_.rope_local_base_freq > 0;
    const double stretch = local ? 1 : config_.rope_scaling.attention_factor;
    for (size_t p = 0; p < x.size(); ++p) {
      const auto frequency =
          rope_frequencies(config_, type, static_cast<int64_t>(p));
      for (int32_t h = 0; h < heads; ++h)
        for (int32_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(p) * frequency[i];
          double& a = x[p][h * d + i];
          double& b = x[p][h * d + half + i];
          const double a0 = a, b0 = b;
          a = stretch * (a0 * std::cos(angle) - b0 * std::sin(angle));
          b = stretch * (b0 * std::cos(angle) + a0 * std::sin(angle));
        }
    }
  }

  Matrix projected(const std::string& name, const Matrix& x) const {
    Matrix y = linear(x, name + "_proj.weight");
    if (config_.qkv_bias)
      for (auto& row : y)
        for (size_t j = 0; j < row.size(); ++j)
          row[j] += weights_.at(name + "_proj.bias")[0][j];
    return y;
  }

  Matrix attention(int32_t number, const Matrix& x) const {
    const std::string layer = "model.layers." + std::to_string(number) + ".";
    const LayerType type = config_.slides(number) ? LayerType::sliding_attention
                                                  : LayerType::full_attention;
    Matrix q = projected(layer + "self_attn.q", x);
    Matrix k = projected(layer + "self_attn.k", x);
    const Matrix v = projected(layer + "self_attn.v", x);
    if (config_.qk_norm) {
      q = norm(q, layer + "self_attn.q_norm.weight");
      k = norm(k, layer + "self_attn.k_norm.weight");
    }
    rotate(q, config_.num_attention_heads, type);
    rotate(k, config_.num_key_value_heads, type);
    const int32_t d = config_.head_dim;
    const double scalar = config_.query_pre_attn_scalar > 0
                              ? config_.query_pre_attn_scalar
                              : static_cast<double>(d);
    const int32_t group =
        config_.num_attention_heads / config_.num_key_value_heads;
    Matrix out(x.size(), std::vector<double>(q[0].size()));
    for (int32_t h = 0; h < config_.num_attention_heads; ++h) {
      const int32_t kv = h / group;
      for (size_t i = 0; i < x.size(); ++i) {
        std::vector<double> p(i + 1);
        double total = 0;
        for (size_t j = 0; j <= i; ++j) {
          if (config_.slides(number) &&
              j + static_cast<size_t>(config_.sliding_window) <= i)
            continue;
          double dot = 0;
          for (int32_t c = 0; c < d; ++c)
            dot += q[i][h * d + c] * k[j][kv * d + c];
          total += p[j] = std::exp(softened(dot / std::sqrt(scalar),
                                            config_.attn_logit_softcapping));
        }
        for (size_t j = 0; j <= i; ++j)
          for (int32_t c = 0; c < d; ++c)
            out[i][h * d + c] += p[j] / total * v[j][kv * d + c];
      }
    }
    return linear(out, layer + "self_attn.o_proj.weight");
  }

  double activated(double z) const {
    if (config_.hidden_act == Activation::silu) return z / (1 + std::exp(-z));
    return z / 2 *
           (1 + std::tanh(std::sqrt(2 / std::numbers::pi) *
                          (z + 0.044715 * z * z * z)));
  }

  Matrix mlp(const std::string& layer, const Matrix& x) const {
    Matrix gate = linear(x, layer + "mlp.gate_proj.weight");
    const Matrix up = linear(x, layer + "mlp.up_proj.weight");
    for (size_t i = 0; i < gate.size(); ++i)
      for (size_t j = 0; j < gate[i].size(); ++j)
        gate[i][j] = activated(gate[i][j]) * up[i][j];
    return linear(gate, layer + "mlp.down_proj.weight");
  }

  ModelConfig config_;
  std::map<std::string, Matrix> weights_;
};

}  // namespace seodang
