#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "base/memory.h"
#include "data/batches.h"
#include "data/shards.h"
#include "generate/inspection.h"
#include "train/loop.h"
#include "train/memory.h"
#include "train/options.h"
#include "train/ranks.h"

namespace seodang {
namespace {

// Enough to see a trend, little enough not to be felt.
constexpr int64_t kValidationBatches = 8;

double tokens_to_read(const TrainOptions& o, int64_t tokens_of_data) {
  if (o.steps > 0)
    return static_cast<double>(o.steps) * o.batch_tokens * o.accumulate;
  return o.epochs * static_cast<double>(tokens_of_data);
}

ModelConfig configure(const PretrainOptions& o, const Tokenizer& tokenizer,
                      int64_t tokens_of_data) {
  ModelSize size =
      o.size == "auto"
          ? size_for_tokens(tokens_to_read(o.train, tokens_of_data),
                            tokenizer.vocab_size())
          : model_size(o.size);
  const auto set = [](int32_t& to, int32_t wish) {
    if (wish > 0) to = wish;
  };
  set(size.hidden_size, o.hidden_size);
  set(size.intermediate_size, o.intermediate_size);
  set(size.num_hidden_layers, o.num_hidden_layers);
  set(size.num_attention_heads, o.num_attention_heads);
  set(size.num_key_value_heads, o.num_key_value_heads);
  set(size.max_position_embeddings, o.max_position_embeddings);
  ModelConfig config = config_of_size(size, tokenizer.vocab_size());
  config.tie_word_embeddings = o.tie_word_embeddings;
  config.bos_token_id = tokenizer.bos_token_id();
  config.eos_token_id = {tokenizer.eos_token_id()};
  if (size.hidden_size % size.num_attention_heads != 0)
    throw UsageError("hidden-size {} is no multiple of num-attention-heads {}",
                     size.hidden_size, size.num_attention_heads);
  try {
    config.check("the model asked for");
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  return config;
}

}  // namespace

TrainSummary pretrain(const PretrainOptions& options) {
  PretrainOptions o = options;
  check_options(o);
  if (o.until_probe > 0 && o.train.probe.empty())
    throw UsageError("--until-probe {} needs a suite to probe: --probe",
                     o.until_probe);
  if (o.until_probe > 0 && o.train.schedule != "wsd")
    throw UsageError("--until-probe {} needs --schedule wsd, not {}",
                     o.until_probe, o.train.schedule);
  const Tokenizer tokenizer = Tokenizer::load(o.tokenizer);
  const TokenShards shards = TokenShards::open(o.data, "train");
  const ModelConfig config = configure(o, tokenizer, shards.num_tokens());
  if (shards.num_tokens() < 2)
    throw Error("{}: {} tokens are too few to learn from", o.data.string(),
                shards.num_tokens());
  TrainingRun run;
  run.identity = identity_of(o);
  shards.check_made_with(tokenizer);
  run.identity["data"] = TokenShards::fingerprint(o.data);
  run.identity["vocab-size"] = std::to_string(config.vocab_size);

  settle_context(o.train, config);
  const auto batches = pretrain_batches(shards, o.train.batch_tokens,
                                        o.train.context, o.train.seed);
  settle_steps(o.train, *batches);
  if (o.train.learning_rate == 0)
    o.train.learning_rate = default_learning_rate(config);

  TrainSummary summary;
  if (already_trained(o.output, run.identity, summary)) return summary;
  const Ranks& ranks = Ranks::world();
  run.predicted_memory =
      check_memory(config, o.train, {.ranks = ranks.size()}, false,
                   machine_memory() / ranks.local_size());
  Optimizer optimizer(Model::random(config, o.train.seed, Dtype::f32),
                      precision_of(o.train), o.train.optimizer == "muon");
  run.stage = "pretrain";
  run.options = o.train;
  run.batches = batches.get();
  run.validation = validation_batches(TokenShards::open(o.data, "validation"),
                                      o.train.batch_tokens, o.train.context,
                                      kValidationBatches);
  run.tokenizer = &tokenizer;
  run.output = o.output;
  run.until_probe = o.until_probe;
  for (const std::string& prompt : o.train.sample)
    run.samples.push_back({prompt, tokenizer.encode_prompt(prompt)});
  if (!o.train.probe.empty()) run.probe.emplace(tokenizer, o.train.probe);
  summary = train(optimizer, run);
  constexpr double kKnown = 0.9;
  if (run.probe && summary.probe < kKnown && ranks.root())
    fmt::print(
        stderr,
        "pretrain: the base knows {:.0f}% of the facts probed (by chance "
        "it were {:.0f}%), and tuning teaches how to answer, not what: "
        "more --steps or --epochs, a larger --size, or more phrasings of "
        "each fact\n",
        100 * summary.probe, 100 * run.probe->chance());
  return summary;
}

}  // namespace seodang
