// Lays documents and conversations one behind another into a Batch.
#pragma once

#include <cstdint>
#include <span>

#include "data/batch.h"
#include "data/shards.h"

namespace seodang {

class BatchFiller {
 public:
  // Starts `out` anew, keeping its memory. No span will be longer than
  // `max_length`.
  BatchFiller(Batch& out, int32_t tokens_per_batch, int32_t max_length);

  int32_t room() const;  // tokens that still fit

  // Lays down a document from its token `begin` on, as far as there is room, in
  // spans; returns the number of tokens.
  int64_t add_document(const TokenShards& shards, int64_t document,
                       int64_t begin);
  // One span; loss where is_output says that the next token is one. Must fit.
  void add_conversation(std::span<const int32_t> tokens,
                        std::span<const uint8_t> is_output);
  // The next two conversations that are added are pair `index` of their set.
  void begin_pair(int64_t index);
  // A filled batch behind what is there. Must fit.
  void add_batch(const Batch& batch);
  // Fills the room with token 0, without loss.
  void pad();

 private:
  Batch& out_;
  int32_t tokens_per_batch_, max_length_;
};

}  // namespace seodang
