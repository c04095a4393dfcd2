// The decoder once more, in float64 and plain loops, from the papers' formulas
// alone: what the fast one is measured against.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "data/batch.h"
#include "kernels/convert.h"
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

  // Mean -log p(target) over the targets that are not ignored.
  double loss(const Batch& batch) const {
    double sum = 0;
    int64_t count = 0;
    for (const Span& span : batch.spans) {
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
    for (int32_t l = 0; l < config_.num_hidden_layers; ++l) {
      const std::string layer = "model.layers." + std::to_string(l) + ".";
      add(x, attention(layer, norm(x, layer + "input_layernorm.weight")));
      add(x, mlp(layer, norm(x, layer + "post_attention_layernorm.weight")));
    }
    return linear(norm(x, "model.norm.weight"),
                  config_.tie_word_embeddings ? "model.embed_tokens.weight"
                                              : "lm_head.weight");
  }

 private:
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

  Matrix norm(const Matrix& x, const std::string& name) const {
    const std::vector<double>& w = weights_.at(name)[0];
    Matrix y = x;
    for (auto& row : y) {
      double square = 0;
      for (const double v : row) square += v * v;
      const double scale =
          1 / std::sqrt(square / static_cast<double>(row.size()) +
                        config_.rms_norm_eps);
      for (size_t j = 0; j < row.size(); ++j) row[j] *= scale * w[j];
    }
    return y;
  }

  void rotate(Matrix& x, int32_t heads) const {
    const int32_t d = config_.head_dim, half = d / 2;
    for (size_t p = 0; p < x.size(); ++p)
      for (int32_t h = 0; h < heads; ++h)
        for (int32_t i = 0; i < half; ++i) {
          const double angle = static_cast<double>(p) *
                               std::pow(config_.rope_theta, -2.0 * i / d);
          double& a = x[p][h * d + i];
          double& b = x[p][h * d + half + i];
          const double a0 = a, b0 = b;
          a = a0 * std::cos(angle) - b0 * std::sin(angle);
          b = b0 * std::cos(angle) + a0 * std::sin(angle);
        }
  }

  Matrix attention(const std::string& layer, const Matrix& x) const {
    Matrix q = linear(x, layer + "self_attn.q_proj.weight");
    Matrix k = linear(x, layer + "self_attn.k_proj.weight");
    const Matrix v = linear(x, layer + "self_attn.v_proj.weight");
    rotate(q, config_.num_attention_heads);
    rotate(k, config_.num_key_value_heads);
    const int32_t d = config_.head_dim;
    const int32_t group =
        config_.num_attention_heads / config_.num_key_value_heads;
    Matrix out(x.size(), std::vector<double>(q[0].size()));
    for (int32_t h = 0; h < config_.num_attention_heads; ++h) {
      const int32_t kv = h / group;
      for (size_t i = 0; i < x.size(); ++i) {
        std::vector<double> p(i + 1);
        double total = 0;
        for (size_t j = 0; j <= i; ++j) {
          double dot = 0;
          for (int32_t c = 0; c < d; ++c)
            dot += q[i][h * d + c] * k[j][kv * d + c];
          total += p[j] = std::exp(dot / std::sqrt(static_cast<double>(d)));
        }
        for (size_t j = 0; j <= i; ++j)
          for (int32_t c = 0; c < d; ++c)
            out[i][h * d + c] += p[j] / total * v[j][kv * d + c];
      }
    }
    return linear(out, layer + "self_attn.o_proj.weight");
  }

  Matrix mlp(const std::string& layer, const Matrix& x) const {
    Matrix gate = linear(x, layer + "mlp.gate_proj.weight");
    const Matrix up = linear(x, layer + "mlp.up_proj.weight");
    for (size_t i = 0; i < gate.size(); ++i)
      for (size_t j = 0; j < gate[i].size(); ++j)
        gate[i][j] = gate[i][j] / (1 + std::exp(-gate[i][j])) * up[i][j];
    return linear(gate, layer + "mlp.down_proj.weight");
  }

  ModelConfig config_;
  std::map<std::string, Matrix> weights_;
};

}  // namespace seodang
