#include "model/head.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/columns.h"
#include "kernels/cross_entropy.h"
#include "kernels/matmul.h"
#include "kernels/softcap.h"
#include "model/decoder.h"

namespace seodang {
namespace {

// Rows of logits in memory at a time: enough for the product to run at full
// speed, little enough that (rows × vocab_size) stays near the cache.
int64_t logit_rows_of(const ModelConfig& config, int64_t tokens) {
  constexpr int64_t kMost = 512, kLeast = 128, kMostLogits = int64_t{1} << 24;
  const int64_t rows = kMostLogits / config.vocab_size / kLeast * kLeast;
  return std::min(tokens, std::clamp(rows, kLeast, kMost));
}

}  // namespace

void Loss::add(const Loss& other) {
  sum += other.sum;
  tokens += other.tokens;
  divergence += other.divergence;
  distilled += other.distilled;
}

Head::Head(const ModelConfig& config, const Weights& weights,
           const LoraProducts& lora, int64_t max_tokens, bool trains)
    : config_(config),
      weights_(weights),
      lora_(lora),
      act_(weights.act()),
      trains_(trains),
      block_rows_(logit_rows_of(config, max_tokens)) {
  rows_.reserve(static_cast<size_t>(max_tokens));
  int64_t own = 0;
  for (const TokenRows& rows : weights.lm_head_rows) own += rows.size();
  own_logits_ = OwnedTensor(Dtype::f32, max_tokens, own);
  if (!trains) return;
  allocate();
  own_dlogits_ = OwnedTensor(act_, block_rows_, own);
  dlogits_ = OwnedTensor(act_, block_rows_, config.vocab_size);
  dhidden_ = OwnedTensor(act_, block_rows_, config.hidden_size);
}

// Only who asks for losses pays for the blocks.
void Head::allocate() {
  if (logits_.bytes() > 0) return;
  hidden_ = OwnedTensor(act_, block_rows_, config_.hidden_size);
  logits_ = OwnedTensor(Dtype::f32, block_rows_, config_.vocab_size);
  losses_.resize(static_cast<size_t>(block_rows_));
  loss_weights_.resize(static_cast<size_t>(block_rows_));
  targets_.resize(static_cast<size_t>(block_rows_));
}

void Head::logits(Tensor out, Tensor hidden) const {
  (trains_ ? linear_forward : linear_inference)(out, hidden, weights_.lm_head,
                                                false);
  for (const TokenRows& own : weights_.lm_head_rows) {
    const Tensor some(own_logits_.view().data, Dtype::f32, out.rows,
                      own.size());
    linear_forward(some, hidden, own.rows);
    put_columns(out, own.tokens, some);
  }
  lora_.forward(out, hidden, weights_.lm_head_loras);
  if (config_.final_logit_softcapping > 0)
    softcap_forward(out, static_cast<float>(config_.final_logit_softcapping));
}

// The hidden states of a block's rows, one behind another; what the batch
// leaves over is the first token's, so that all of it is numbers.
Tensor Head::gather(const OwnedTensor& to, Tensor hidden, int64_t first,
                    int64_t count) const {
  for (int64_t r = 0; r < block_rows_; ++r) {
    const int64_t from = r < count ? rows_[static_cast<size_t>(first + r)] : 0;
    std::memcpy(to.view().rows_from(r, 1).data, hidden.rows_from(from, 1).data,
                static_cast<size_t>(config_.hidden_size) * size_of(act_));
  }
  return to;
}

// Goes through the rows that carry loss, a block at a time, and lets `block`
// have their logits before they are gone.
template <class Block>
Loss Head::for_each_block(const Batch& batch, Tensor hidden, int32_t distilled,
                          float* losses, Block&& block) {
  allocate();
  rows_.clear();
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    if (batch.targets[i] >= config_.vocab_size)
      throw Error("target {} is outside the vocabulary of {}", batch.targets[i],
                  config_.vocab_size);
    if (batch.targets[i] >= 0) rows_.push_back(static_cast<int32_t>(i));
  }
  if (losses != nullptr) std::fill(losses, losses + batch.targets.size(), 0.0f);
  Loss loss;
  const auto total = static_cast<int64_t>(rows_.size());
  for (int64_t first = 0; first < total; first += block_rows_) {
    const int64_t count = std::min(block_rows_, total - first);
    for (int64_t r = 0; r < block_rows_; ++r)
      targets_[static_cast<size_t>(r)] =
          r < count ? batch.targets[static_cast<size_t>(
                          rows_[static_cast<size_t>(first + r)])]
                    : kIgnoreTarget;
    logits(logits_, gather(hidden_, hidden, first, count));
    block(first, count);
    for (int64_t r = 0; r < count; ++r) {
      const float value = losses_[static_cast<size_t>(r)];
      const int32_t row = rows_[static_cast<size_t>(first + r)];
      const bool learned = row >= distilled;
      (learned ? loss.sum : loss.divergence) += value;
      ++(learned ? loss.tokens : loss.distilled);
      if (losses != nullptr) losses[row] = value;
    }
  }
  return loss;
}

Loss Head::evaluate(const Batch& batch, Tensor hidden, float* losses) {
  return for_each_block(batch, hidden, 0, losses, [&](int64_t, int64_t) {
    cross_entropy_forward(losses_.data(), logits_, targets_.data());
  });
}

Loss Head::accumulate_gradients(const Batch& batch, Tensor hidden,
                                Tensor dhidden, const Weights& gradients,
                                std::span<const float> weights,
                                const Teacher& teacher) {
  const int32_t distilled = teacher.decoder != nullptr ? batch.distilled : 0;
  Tensor teacher_hidden;  // of the distilled tokens
  if (distilled > 0) {
    const auto behind = std::ranges::find_if(
        batch.spans,
        [&](const SequenceSpan& span) { return span.begin >= distilled; });
    teacher_hidden = teacher.decoder->forward(
        std::span(batch.tokens).first(static_cast<size_t>(distilled)),
        {batch.spans.begin(), behind});
    if (teacher_logits_.bytes() == 0) {
      teacher_hidden_ = OwnedTensor(act_, block_rows_, config_.hidden_size);
      teacher_logits_ =
          OwnedTensor(Dtype::f32, block_rows_, config_.vocab_size);
    }
  }
  std::memset(dhidden.data, 0,
              static_cast<size_t>(dhidden.size()) * size_of(dhidden.dtype));
  return for_each_block(
      batch, hidden, distilled, nullptr, [&](int64_t first, int64_t count) {
        // Rows are in order, those of the teacher first.
        const auto distilled_rows = static_cast<int64_t>(
            std::ranges::lower_bound(rows_.begin() + first,
                                     rows_.begin() + first + count, distilled) -
            (rows_.begin() + first));
        std::fill_n(targets_.begin(), distilled_rows, kIgnoreTarget);
        for (int64_t r = 0; r < count; ++r)
          loss_weights_[static_cast<size_t>(r)] = weights[static_cast<size_t>(
              rows_[static_cast<size_t>(first + r)])];
        cross_entropy_forward_backward(losses_.data(), dlogits_, logits_,
                                       targets_.data(), loss_weights_.data());
        if (distilled_rows > 0) {
          teacher.decoder->logits(
              teacher_logits_,
              gather(teacher_hidden_, teacher_hidden, first, distilled_rows));
          distillation_forward_backward(
              losses_.data(), dlogits_.view().rows_from(0, distilled_rows),
              logits_.view().rows_from(0, distilled_rows),
              teacher_logits_.view().rows_from(0, distilled_rows),
              teacher.scale);
        }
        if (config_.final_logit_softcapping > 0)
          softcap_backward(dlogits_, logits_,
                           static_cast<float>(config_.final_logit_softcapping));
        if (gradients.lm_head)
          linear_backward_weight(gradients.lm_head, dlogits_, hidden_);
        take_own_dlogits();
        linear_backward_input(dhidden_, dlogits_, weights_.lm_head);
        own_rows_backward(gradients);
        lora_.backward(dhidden_, dlogits_, hidden_, weights_.lm_head_loras,
                       gradients.lm_head_loras);
        for (int64_t r = 0; r < count; ++r)
          std::memcpy(
              dhidden.rows_from(rows_[static_cast<size_t>(first + r)], 1).data,
              dhidden_.view().rows_from(r, 1).data,
              static_cast<size_t>(dhidden.cols) * size_of(dhidden.dtype));
      });
}

// Moves the gradients of logits that come from rows of their own out of
// dlogits_, from the last list to the first, as they win.
void Head::take_own_dlogits() {
  int64_t at = own_dlogits_.view().cols;
  const auto& lists = weights_.lm_head_rows;
  for (auto own = lists.rbegin(); own != lists.rend(); ++own) {
    at -= own->size();
    take_columns(own_dlogits_.view().cols_from(at, own->size()), dlogits_,
                 own->tokens);
  }
}

// Adds what comes through them to dhidden_, and the gradient of the last list;
// then moves them back.
void Head::own_rows_backward(const Weights& gradients) {
  int64_t at = 0;
  for (const TokenRows& own : weights_.lm_head_rows) {
    const Tensor dy = own_dlogits_.view().cols_from(at, own.size());
    at += own.size();
    linear_backward_input(dhidden_, dy, own.rows, true);
    if (!gradients.lm_head_rows.empty() &&
        &own == &weights_.lm_head_rows.back())
      linear_backward_weight(gradients.lm_head_rows.back().rows, dy, hidden_);
    put_columns(dlogits_, own.tokens, dy);
  }
}

int64_t Head::bytes_needed(const ModelConfig& config, Dtype act,
                           int64_t max_tokens) {
  const auto wide = static_cast<int64_t>(size_of(act));
  constexpr auto kF32 = static_cast<int64_t>(sizeof(float));
  return logit_rows_of(config, max_tokens) *
         (2 * config.hidden_size * wide + config.vocab_size * (kF32 + wide));
}

int64_t Head::bytes() const {
  return static_cast<int64_t>(hidden_.bytes() + logits_.bytes() +
                              dlogits_.bytes() + dhidden_.bytes() +
                              own_logits_.bytes() + own_dlogits_.bytes());
}

}  // namespace seodang
