// Low-rank adapters (LoRA), in the files of Hugging Face's PEFT: a directory
// with adapter_config.json and adapter_model.safetensors, whose tensors are
// called base_model.model.MODULE.lora_A.weight (rank, in) and lora_B.weight
// (out, rank) (huggingface/peft, src/peft/utils/save_and_load.py), and
// MODULE.token_adapter.trainable_tokens_delta (tokens, hidden_size) of the rows
// that trainable_token_indices names (src/peft/tuners/trainable_tokens).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "formats/safetensors.h"
#include "model/config.h"
#include "model/weights.h"

namespace seodang {

// Names as in PEFT's LoraConfig.
struct LoraOptions {
  int32_t rank = 16;
  double alpha = 32;
  bool rslora = false;
  double dropout = 0;
  // Linear layers by their last name, or "all-linear": all of a decoder layer.
  std::vector<std::string> target = {"all-linear"};
  std::string token_rows = "auto";  // or "none", "special", "examples"
};

template <class Visit>
void visit_options(LoraOptions& o, Visit&& visit) {
  visit("rank", o.rank, "Rank of the low-rank updates", from_to(1, 4096));
  visit("alpha", o.alpha, "They are scaled by alpha / rank", at_least(0));
  visit("rslora", o.rslora, "Scale them by alpha / sqrt(rank) instead");
  visit("dropout", o.dropout, "Share of their inputs that a step does without",
        from_to_below(0, 1));
  visit("target", o.target,
        "What is updated: all-linear, or q_proj, k_proj, v_proj, o_proj, "
        "gate_proj, up_proj, down_proj, lm_head (repeatable)");
  visit("token-rows", o.token_rows,
        "Rows of the embedding, and of the output layer, that learn beside: "
        "none, those of the special tokens that the examples have, or of all "
        "tokens that they have (auto: special when it teaches a base model to "
        "answer, else none)",
        one_of({"auto", "none", "special", "examples"}));
}

// A path as commands take it: a model, and adapters behind plus signs
// ("MODEL+ADAPTER"). A file or directory whose own name has a plus sign is
// itself.
struct ModelPath {
  explicit ModelPath(const std::filesystem::path& path);
  std::filesystem::path base;
  std::vector<std::filesystem::path> adapters;

  // Where the tokenizer lies: with the last adapter that brings one, or with
  // the base.
  std::filesystem::path tokenizer() const;
  // Of the base and of each adapter (base/hash.h).
  std::string fingerprint() const;
};

class Adapter {
 public:
  // Of one module: "model.layers.0.self_attn.q_proj", "lm_head".
  struct Part {
    std::string module;
    Lora lora = {};       // f32
    TokenRows rows = {};  // f32; instead, of model.embed_tokens or lm_head

    bool has_rows() const { return !rows.tokens.empty(); }
    // Every tensor that it has.
    std::vector<Tensor*> tensors();
  };

  // A new one that changes nothing yet: b is 0, and a uniform within
  // ±1/√in, as PEFT and torch's Linear begin (He et al., 2015, with a = √5),
  // and the rows of `tokens`, ascending, are those of `base_weights`.
  // Throws UsageError for a target that matches no module of the model, naming
  // those there are. `base` is what it will say to be trained on.
  static Adapter create(const ModelConfig& config, const LoraOptions& options,
                        uint64_t seed, const std::filesystem::path& base,
                        const std::vector<int32_t>& tokens = {},
                        const Weights& base_weights = {});
  // How many numbers that one would have.
  static int64_t size_of_new(const ModelConfig& config,
                             const LoraOptions& options, int64_t tokens = 0);
  // Reads a directory that PEFT or save() wrote. Throws Error that names file
  // and tensor where it is none, is of another base (a module that the model
  // does not have, another shape), or says what is not understood (DoRA, biases
  // that learn, updates of the embedding).
  static Adapter load(const std::filesystem::path& directory,
                      const ModelConfig& config);

  // In the model's order.
  const std::vector<Part>& parts() const { return parts_; }
  // Whole weights that stand in for the model's (PEFT's modules_to_save), by
  // their names in Hugging Face's files.
  const std::map<std::string, Tensor>& replaced() const { return replaced_; }

  // Their tensors, under their names in files.
  std::vector<NamedTensor> named() const;
  // All numbers of a new adapter's parts, f32, one behind another.
  Tensor memory() const { return memory_; }
  // The same parts laid out in other memory of as many numbers.
  std::vector<Part> parts_at(void* memory, Dtype dtype) const;

  // Writes adapter_config.json and adapter_model.safetensors into an existing
  // directory.
  void save(const std::filesystem::path& directory) const;

 private:
  LoraOptions options_;
  std::filesystem::path base_;
  std::vector<Part> parts_;
  OwnedTensor memory_;
  std::map<std::string, Tensor> replaced_;
  std::shared_ptr<const SafetensorsFile> file_;  // what replaced_ lies in
  std::vector<OwnedTensor> converted_;
};

// Adds a part to the updates of its layer. `weights` must have its layers.
void attach(const Adapter::Part& part, const ModelConfig& config,
            Weights& weights);

}  // namespace seodang
