// Every option of a training run (base/options.h): declared, settled, and
// turned into the text by which a run is recognised.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "data/batches.h"
#include "data/conversations.h"
#include "model/adapter.h"
#include "model/config.h"
#include "tensor/tensor.h"

namespace seodang {

struct TrainOptions {
  int64_t steps = 0;  // 0: as many as `epochs` needs
  double epochs = 1;
  double minutes = 0;  // 0: as long as the steps take
  int32_t batch_tokens = 4096;
  int32_t context = 0;  // 0: the model's max_position_embeddings
  int32_t accumulate = 1;
  double learning_rate = 0;          // 0: what the model's size asks for
  double final_learning_rate = 0.1;  // share of the peak at the end
  double warmup = 0.02;              // share of the steps
  double decay = 0.3;                // wsd: share of the steps that decay
  std::string schedule = "wsd";
  std::string optimizer = "adamw";  // or "muon", for hidden matrices
  double momentum = 0.95;           // Muon's
  double weight_decay = 0.1;
  double beta1 = 0.9, beta2 = 0.95;
  double clip = 1.0;
  std::string precision = "auto";  // auto, bf16, f32
  bool recompute = false;
  int64_t checkpoint_every = 200;  // steps
  int64_t validate_every = 100;
  int64_t sample_every = 200;
  std::vector<std::string> sample;  // prompts continued every so often
  std::vector<std::string> probe;   // suites whose facts are probed
  // A folder of TensorBoard's, in which the run gets one of its own. No option
  // of those by which a run is recognised.
  std::filesystem::path tensorboard;
  uint64_t seed = 1;
};

template <class Visit>
void visit_options(TrainOptions& o, Visit&& visit) {
  visit("steps", o.steps, "Optimizer steps (0: as many as --epochs needs)",
        at_least(0));
  visit("epochs", o.epochs, "Passes over the data, when --steps is 0",
        Allowed{.least = 0, .most = 1e6, .without_least = true});
  visit("minutes", o.minutes,
        "End after about so long, the decay of the learning rate included, if "
        "the steps take longer (0: they may)",
        at_least(0));
  visit("batch-tokens", o.batch_tokens, "Tokens in one forward and backward",
        from_to(2, 1 << 22));
  visit("context", o.context, "Longest sequence trained on (0: the model's)",
        at_least(0));
  visit("accumulate", o.accumulate, "Batches whose gradients make one step",
        from_to(1, 1 << 16));
  visit("learning-rate", o.learning_rate,
        "Peak learning rate (0: what the model's size asks for)",
        from_to_below(0, 10));
  visit("final-learning-rate", o.final_learning_rate,
        "Learning rate at the end, as a share of the peak", from_to(0, 1));
  visit("warmup", o.warmup, "Share of the steps that warm up", from_to(0, 1));
  visit("decay", o.decay, "Share of the steps that decay (schedule wsd)",
        from_to(0, 1));
  visit("schedule", o.schedule, "Learning-rate schedule: wsd or cosine",
        one_of({"wsd", "cosine"}));
  visit("optimizer", o.optimizer,
        "adamw, or muon for the hidden matrices and AdamW for the rest",
        one_of({"adamw", "muon"}));
  visit("momentum", o.momentum, "Muon's momentum", from_to_below(0, 1));
  visit("weight-decay", o.weight_decay, "Decoupled weight decay of matrices",
        from_to(0, 10));
  visit("beta1", o.beta1, "AdamW's decay of the first moment",
        from_to_below(0, 1));
  visit("beta2", o.beta2, "AdamW's decay of the second moment",
        from_to_below(0, 1));
  visit("clip", o.clip, "Largest gradient norm (0: no clipping)", at_least(0));
  visit("precision", o.precision, "Products in bf16 or f32, or auto",
        one_of({"auto", "bf16", "f32"}));
  visit(
      "recompute", o.recompute,
      "Keep only layer inputs and recompute the rest: less memory, more time");
  visit("checkpoint-every", o.checkpoint_every, "Steps between checkpoints");
  visit("validate-every", o.validate_every, "Steps between validations");
  visit("sample-every", o.sample_every, "Steps between sample generations");
  visit("sample", o.sample, "A prompt to continue every so often (repeatable)");
  visit("probe", o.probe,
        "A suite (.jsonl) whose facts are probed at each validation "
        "(repeatable)");
  visit("seed", o.seed, "Seed of weights and of the order of the data");
}

struct PretrainOptions {
  std::filesystem::path data;       // what `seodang data` wrote
  std::filesystem::path tokenizer;  // a directory with tokenizer.json
  std::filesystem::path output;     // becomes a Hugging Face directory
  std::string size = "demo";
  // 0: as --size says.
  int32_t hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  int32_t num_attention_heads = 0, num_key_value_heads = 0;
  int32_t max_position_embeddings = 0;
  bool tie_word_embeddings = true;
  double until_probe = 0;
  TrainOptions train;
};

template <class Visit>
void visit_options(PretrainOptions& o, Visit&& visit) {
  visit("size", o.size,
        "The one dial: sets widths, depth and learning rate. auto: the largest "
        "that reads 20 tokens a weight, or else demo");
  visit("hidden-size", o.hidden_size, "Width of the residual stream",
        at_least(0));
  visit("intermediate-size", o.intermediate_size, "Width inside the MLP",
        at_least(0));
  visit("num-hidden-layers", o.num_hidden_layers, "Depth", at_least(0));
  visit("num-attention-heads", o.num_attention_heads, "Query heads",
        at_least(0));
  visit("num-key-value-heads", o.num_key_value_heads, "Key and value heads",
        at_least(0));
  visit("max-position-embeddings", o.max_position_embeddings,
        "Longest sequence the model is made for", at_least(0));
  visit("tie-word-embeddings", o.tie_word_embeddings,
        "Use the embedding as the output layer too");
  visit("until-probe", o.until_probe,
        "Let the learning rate decay, and end, as soon as so much of --probe "
        "is known (0: after all steps)",
        from_to(0, 1));
  visit_options(o.train, visit);
}

struct InstructOptions {
  // A Hugging Face directory or a .gguf file, perhaps with adapters behind it.
  std::filesystem::path base;
  std::vector<std::filesystem::path> examples;  // JSONL, see docs/data.md
  std::filesystem::path output;
  std::filesystem::path replay_data;  // pretraining data mixed in, or empty
  // Conversations mixed in, of the forms of `examples`.
  std::vector<std::filesystem::path> replay_examples;
  double replay = 0.2;        // the share of both in the tokens
  double replay_texts = 0.5;  // of that, the share of texts
  double distill = 0;         // weight of staying near the start on them
  double distill_noise = 0;   // share of their words replaced
  double validation = 0.02;   // share of the examples held out
  // Stop after so many validations without gain; 0: never.
  int32_t patience = 0;
  ExampleFormat format;  // of `examples`
  bool parse_special = false;
  std::string too_long = "drop";           // or "truncate", "refuse"
  std::string freeze_embeddings = "auto";  // or "none", "unseen", "all"
  bool lora = false;                       // only an adapter learns
  LoraOptions adapter;
  TrainOptions train;
};

template <class Visit>
void visit_options(InstructOptions& o, Visit&& visit) {
  visit("replay", o.replay,
        "Share of tokens from --replay-data and --replay-examples",
        from_to_below(0, 1));
  visit("replay-texts", o.replay_texts,
        "Of the replayed tokens, the share from --replay-data, where there are "
        "both",
        from_to(0, 1));
  visit("distill", o.distill,
        "On these learn not the texts but what the model said of them before, "
        "with this weight (0: learn the texts)",
        from_to(0, 1000));
  visit("validation", o.validation, "Share of the examples held out",
        from_to_below(0, 1));
  visit("patience", o.patience,
        "Stop after so many validations without gain, and keep the weights "
        "that validated best (0: never)",
        at_least(0));
  visit_options(o.format, visit);
  visit("too-long", o.too_long,
        "Examples of more tokens than --context: drop them, truncate them to "
        "their beginning, or refuse",
        one_of({"drop", "truncate", "refuse"}));
  visit(
      "parse-special", o.parse_special,
      "Special tokens that the examples spell out are those tokens, not text");
  visit("distill-noise", o.distill_noise,
        "Replace this share of their words by random ones first: what it did "
        "with words that the texts do not have is kept, too",
        from_to_below(0, 1));
  visit("freeze-embeddings", o.freeze_embeddings,
        "Rows of the embedding and the output layer that stay as they are: "
        "none, those of tokens that the examples do not have (unseen), or all "
        "(auto: unseen with --keep, else none)",
        one_of({"auto", "none", "unseen", "all"}));
  visit("lora", o.lora,
        "Train a low-rank adapter (LoRA) and leave the model as it is");
  visit_options(o.adapter, visit);
  visit_options(o.train, visit);
}

// Of pairs of answers (train/preference.h).
struct PreferenceOptions {
  double beta = 0.1;
  double sft_weight = 1;
};

template <class Visit>
void visit_options(PreferenceOptions& o, Visit&& visit) {
  visit("beta", o.beta,
        "How firmly the model is held to what it said before: the higher, the "
        "less the preferred answers are learned (DPO)",
        Allowed{.least = 0, .most = 100, .without_least = true});
  visit("sft-weight", o.sft_weight,
        "Weight of learning the chosen answers themselves beside preferring "
        "them (0: none)",
        from_to(0, 1000));
}

// "auto" is what this machine multiplies fastest.
Dtype precision_of(const TrainOptions& options);
// A context of 0 becomes the model's; a longer one than that, or one that no
// batch can hold, is a UsageError.
void settle_context(TrainOptions& options, const ModelConfig& config);
// Steps of 0 become those that `epochs` need. A run that may end before its
// steps are done decays when it knows: a UsageError for schedules other than
// wsd.
void settle_steps(TrainOptions& options, const BatchSource& batches);

// An option's value as text.
std::string show_option(const std::string& value);
std::string show_option(const std::vector<std::string>& value);
template <class Number>
std::string show_option(Number value) {
  return fmt::format("{}", value);
}

// Options that change what is logged and saved but not what is learned may
// change between a stop and a resume.
bool shapes_result(std::string_view option);

template <class Options>
std::map<std::string, std::string> identity_of(Options options) {
  std::map<std::string, std::string> out;
  visit_options(options, [&](const char* name, auto& value, const auto&...) {
    if (shapes_result(name)) out[name] = show_option(value);
  });
  return out;
}

}  // namespace seodang
