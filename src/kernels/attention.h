// Causal grouped-query attention. Queries are taken in blocks, and for each
// block its keys too, with a softmax that goes on from block to block, so
// scratch depends on neither length and every core has work even where there is
// one key/value head (Dao, "FlashAttention-2", 2023, algorithm 1). The backward
// computes the probabilities again from the log-sum-exp that the forward kept
// (Dao et al., "FlashAttention", 2022, algorithm 4). Grouping: Ainslie et al.,
// "GQA", 2023.
//   s_ij = scale · q_i·k_j for j ≤ i,  p = softmax_j(s),  out_i = Σ_j p_ij v_j
// With a window only keys i − window < j ≤ i are seen (Child et al., "Sparse
// Transformers", 2019; Mistral 7B, 2023); with a softcap s_ij is
// softcap · tanh(scale · q_i·k_j / softcap) (Gemma 2, 2024).
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace seodang {

struct AttentionShape {
  int32_t num_attention_heads = 0;
  int32_t num_key_value_heads = 0;  // divides num_attention_heads
  int32_t head_dim = 0;             // a multiple of 8, at most 256
  float scale = 0;                  // usually 1/sqrt(head_dim)
  int32_t window = 0;               // 0: all keys up to the query
  float softcap = 0;                // 0: none
};

// One document (or one session's turn): `query_length` rows of q starting at
// `query_begin` look at `key_length` ≥ query_length rows of key and value. The
// last query sees all keys, each earlier one sees one fewer. Row j of a
// key/value head, head_dim numbers, begins at number head·head_stride +
// j·stride: columns of activations in training, a session's kv_cache in use.
struct AttentionSpan {
  int64_t query_begin = 0, query_length = 0;
  const void* key = nullptr;
  const void* value = nullptr;
  int64_t key_length = 0;
  Dtype dtype = Dtype::f32;  // of keys and values: f32, bf16 or q8_0
  int64_t stride = 0, head_stride = 0;
};

inline constexpr int64_t kFewQueries = 16;

// out, q (N, num_attention_heads·head_dim), both f32 or bf16; products and sums
// in f32. Of spans of up to kFewQueries queries each query's row has the same
// bits whatever their number. lse (N, num_attention_heads) f32
// receives log Σ_j exp(s_ij) for the backward; may be null. Rows that no span
// covers are left alone.
void attention_forward(Tensor out, float* lse, Tensor q,
                       std::span<const AttentionSpan> spans,
                       const AttentionShape& shape);

// For training: every span has key_length == query_length and its keys are the
// rows query_begin… of k and v. dq, dk, dv have the shapes and dtype of q, k, v
// and are written (not added to). The result does not depend on the number of
// threads.
void attention_backward(Tensor dq, Tensor dk, Tensor dv, Tensor dout,
                        Tensor out, const float* lse, Tensor q, Tensor k,
                        Tensor v, std::span<const AttentionSpan> spans,
                        const AttentionShape& shape);

}  // namespace seodang
