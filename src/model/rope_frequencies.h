// The angles that positions are turned by, with rope_scaling; Hugging Face,
// transformers, src/transformers/modeling_rope_utils.py.
//   default  θ_i = rope_theta^(-2i/head_dim); Su et al., "RoFormer", eq. 15
//   linear   θ_i / factor; Chen et al., "Position Interpolation", 2023
//   dynamic  from max_position_embeddings M on, position p turns with the
//            rope_theta · (factor·(p+1)/M − factor + 1)^(d/(d−2)) that a
//            sequence of p+1 tokens has there. Hugging Face turns a token so
//            when it is generated; a prompt longer than M it turns as a whole
//            by its length, which a kv_cache cannot follow.
//   llama3   slow pairs / factor, fast ones as they are, a ramp between; Llama
//            3.1's rope_scaling
//   yarn     the same with a ramp over i, and cos and sin times
//            attention_factor; Peng et al., "YaRN", 2023
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/rope.h"
#include "model/config.h"

namespace seodang {

// Of the head_dim/2 pairs of a head, in layers of this type, at `position`.
std::vector<double> rope_frequencies(const ModelConfig& config, LayerType type,
                                     int64_t position);

// Makes the table as long as `positions`.
void extend(RopeTable& table, const ModelConfig& config, LayerType type,
            int64_t positions);

}  // namespace seodang
