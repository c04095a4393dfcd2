// Names of a model's shards: STEM-00002-of-00003.ENDING, as Hugging Face and
// GGUF have them (huggingface.co/docs, Big models; ggml, docs/gguf.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace seodang {

struct ShardName {
  std::string stem, ending;  // ending: ".gguf", ".safetensors"
  int64_t number = 0, count = 0;

  // The name of another shard of the same set.
  std::string other(int64_t shard) const;
};

// Nothing when a file's name is none of a shard with this ending.
std::optional<ShardName> parse_shard_name(std::string_view name,
                                          std::string_view ending);

}  // namespace seodang
