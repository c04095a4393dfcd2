#include "train/tuning.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <type_traits>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"
#include "data/batches.h"
#include "data/conversations.h"
#include "data/encoded_conversations.h"
#include "data/shards.h"
#include "generate/inspection.h"
#include "model/decoder.h"
#include "model/model_source.h"
#include "tokenizer/encoded_chat.h"
#include "tokenizer/turn_format.h"
#include "train/memory.h"
#include "train/ranks.h"

namespace seodang {
namespace {

// Tuning moves gently: this share of the learning rate that pretraining uses.
// An adapter begins at nothing and takes larger steps. Preferences take smaller
// ones: they ask for a difference, which has no end.
constexpr double kTuningRate = 0.3, kLoraRate = 1.5, kPreferenceShare = 0.1;

// read(file, format) has the examples of one.
template <class Read>
auto read_all(const std::vector<std::filesystem::path>& files,
              const ExampleFormat& format, Read&& read) {
  std::invoke_result_t<Read, const std::filesystem::path&, const ExampleFormat&>
      out;
  for (const auto& file : files) {
    auto examples = read(file, format);
    std::ranges::move(examples, std::back_inserter(out));
  }
  if (out.empty()) throw Error("no examples to learn from");
  return out;
}

// Takes every so-many-th of the shuffled examples away for validation.
template <class Example>
std::vector<Example> hold_out(std::vector<Example>& examples, double share,
                              uint64_t seed) {
  constexpr uint64_t kStream = 0x7e57;
  Rng(seed, kStream).shuffle(std::span(examples));
  const size_t count = std::min(
      examples.size() - 1,
      static_cast<size_t>(share * static_cast<double>(examples.size())));
  std::vector<Example> held(
      std::make_move_iterator(examples.end() - static_cast<int64_t>(count)),
      std::make_move_iterator(examples.end()));
  examples.resize(examples.size() - count);
  return held;
}

// The tokens that will end an answer, of which the chat template must write
// one: a model that is not taught to end goes on until it is cut off.
std::vector<int32_t> taught_end_tokens(const Tokenizer& tokenizer) {
  std::vector<int32_t> ends = tokenizer.end_of_turn_ids();
  const int32_t end = end_of_answer(tokenizer);
  if (end < 0)
    throw Error(
        "the chat template ends an answer with no special token, so that the "
        "model would never learn to stop; let it write eos_token there");
  if (std::find(ends.begin(), ends.end(), end) == ends.end())
    ends.push_back(end);
  return ends;
}

// With the model's files as all that is read of it.
int64_t check_room(const InstructOptions& o, const TuningStage& stage,
                   int64_t token_rows) {
  const ModelSource source(o.base);
  TrainOptions settled = o.train;
  settle_context(settled, source.config());
  Trainable trainable{.adapter = o.lora,
                      .lora = o.adapter,
                      .token_rows = token_rows,
                      .copies = stage.copies,
                      .ranks = Ranks::world().size()};
  if (o.distill > 0)
    trainable.teacher_tokens = replay_room(o.replay, o.train.batch_tokens);
  const Dtype act = precision_of(o.train);
  for (const SourceTensor& tensor : source.tensors())
    trainable.model_bytes += static_cast<int64_t>(
        bytes_of(dtype_in_use(tensor.stored.dtype, tensor.shape, act),
                 tensor.stored.size()));
  return check_memory(source.config(), settled, trainable, true,
                      machine_memory() / Ranks::world().local_size());
}

std::vector<int32_t> tokens_of(const ConversationSet& examples,
                               int32_t vocab_size) {
  std::vector<bool> seen(static_cast<size_t>(vocab_size));
  for (const int32_t token : examples.tokens)
    if (token < vocab_size) seen[static_cast<size_t>(token)] = true;
  std::vector<int32_t> tokens;
  for (int32_t token = 0; token < vocab_size; ++token)
    if (seen[static_cast<size_t>(token)]) tokens.push_back(token);
  return tokens;
}

// Those whose rows an adapter has.
std::vector<int32_t> row_tokens(const InstructOptions& o,
                                std::vector<int32_t> tokens_of_examples,
                                const Tokenizer& tokenizer) {
  if (!o.lora || o.adapter.token_rows == "none") return {};
  if (o.adapter.token_rows == "special")
    std::erase_if(tokens_of_examples,
                  [&](int32_t token) { return !tokenizer.is_special(token); });
  return tokens_of_examples;
}

Optimizer optimizer_of(const InstructOptions& o, Model model,
                       const std::vector<int32_t>& tokens_of_examples,
                       const std::vector<int32_t>& rows) {
  const Dtype precision = precision_of(o.train);
  const bool muon = o.train.optimizer == "muon";
  if (!o.lora) {
    Optimizer optimizer(std::move(model), precision, muon);
    if (o.freeze_embeddings == "all") optimizer.freeze_embeddings();
    if (o.freeze_embeddings == "unseen")
      optimizer.freeze_embeddings_but(tokens_of_examples);
    return optimizer;
  }
  Adapter adapter = Adapter::create(model.config(), o.adapter, o.train.seed,
                                    o.base, rows, model.weights());
  return {std::move(model), std::move(adapter), precision, muon};
}

// The model before it is tuned, to be distilled from.
class TeacherModel {
 public:
  TeacherModel(const InstructOptions& o, const Optimizer& optimizer) {
    if (!optimizer.trains_adapter())
      model_.emplace(Model::map(o.base, optimizer.weights().act()));
    decoder_.emplace(optimizer.config(),
                     model_ ? model_->weights() : optimizer.frozen_weights(),
                     // Shares are rounded one by one.
                     replay_room(o.replay, o.train.batch_tokens) + 2);
  }
  Decoder* decoder() { return &*decoder_; }

 private:
  std::optional<Model> model_;
  std::optional<Decoder> decoder_;
};

}  // namespace

TrainSummary tune(const InstructOptions& options, const TuningStage& stage) {
  InstructOptions o = options;
  check_options(o);
  const bool texts = !o.replay_data.empty(),
             others = !o.replay_examples.empty();
  if (o.replay > 0 && !texts && !others)
    throw UsageError(
        "--replay {} needs --replay-data or --replay-examples, or give "
        "--replay 0",
        o.replay);
  if (o.distill > 0 && o.replay == 0)
    throw UsageError("--distill {} needs --replay", o.distill);
  if (o.distill_noise > 0 && o.distill == 0)
    throw UsageError("--distill-noise {} needs --distill", o.distill_noise);
  const ModelPath base(o.base);
  Tokenizer tokenizer = Tokenizer::load(base.tokenizer());
  if (stage.name != "instruct" && tokenizer.chat_template().empty())
    throw Error(
        "{}: no chat template; this is a base model, which `seodang instruct` "
        "teaches to answer first",
        o.base.string());
  if (o.adapter.token_rows == "auto")
    o.adapter.token_rows = stage.name == "instruct" ? "special" : "none";
  int64_t memory = check_room(o, stage, 0);
  // Before the weights are there: hashing has the files in memory for a moment.
  const std::string base_fingerprint = base.fingerprint();
  Model model = o.lora ? Model::load_frozen(o.base, precision_of(o.train))
                       : Model::load(o.base, Dtype::f32);
  if (tokenizer.chat_template().empty())
    tokenizer.set_chat_template(
        std::string(turn_format_of(tokenizer).chat_template));
  model.set_token_ids(tokenizer.bos_token_id(), taught_end_tokens(tokenizer));
  const ModelConfig config = model.config();

  TrainingRun run;
  run.identity = identity_of(o);
  run.identity.insert(stage.identity.begin(), stage.identity.end());
  if (stage.preference) run.identity.merge(identity_of(*stage.preference));
  for (const auto& file : o.examples)
    run.identity["examples"] += fingerprint(file) + " ";
  run.identity["base"] = base_fingerprint;
  settle_context(o.train, config);
  const auto encode = [&](const auto& conversations, int32_t max_length,
                          const char* what = "examples") {
    ConversationSet set =
        encode_conversations(tokenizer, std::span(conversations),
                             {.max_length = max_length,
                              .too_long = too_long_of(o.too_long),
                              .parse_special = o.parse_special,
                              .end_tokens = config.eos_token_id});
    if (set.dropped + set.truncated > 0)
      run.notes.push_back(fmt::format(
          "{} of {} {} are longer than the context of {} tokens (as {}): "
          "{} left out, {} cut; --too-long says what becomes of them",
          set.dropped + set.truncated, conversations.size(), what, max_length,
          set.too_long_example, set.dropped, set.truncated));
    return set;
  };
  Replay replay{.distilled = o.distill > 0};
  if (o.distill_noise > 0) {
    replay.noise = o.distill_noise;
    const int32_t rows = std::min(tokenizer.vocab_size(), config.vocab_size);
    for (int32_t id = 0; id < rows; ++id)
      if (!tokenizer.is_special(id)) replay.words.push_back(id);
  }
  if (o.replay > 0 && texts) {
    replay.texts = TokenShards::open(o.replay_data, "train");
    replay.texts->check_made_with(tokenizer);
    replay.texts_share = others ? o.replay * o.replay_texts : o.replay;
    run.identity["replay-data"] = TokenShards::fingerprint(o.replay_data);
  }
  if (o.replay > 0 && others) {
    replay.conversations_share =
        texts ? o.replay * (1 - o.replay_texts) : o.replay;
    const int32_t room =
        replay_room(replay.conversations_share, o.train.batch_tokens);
    replay.conversations =
        encode(read_all(o.replay_examples, {}, read_conversations),
               std::min(room, o.train.context), "replayed examples");
    if (replay.conversations.size() == 0)
      throw UsageError(
          "no replayed example fits into the {} tokens of a batch that are for "
          "them; raise --batch-tokens",
          room);
    for (const auto& file : o.replay_examples)
      run.identity["replay-examples"] += fingerprint(file) + " ";
  }
  ConversationSet learned, validation;
  std::vector<Conversation> held;
  if (stage.preference) {
    auto pairs = read_all(o.examples, o.format, read_preferences);
    const auto rest = hold_out(pairs, o.validation, o.train.seed);
    learned = encode(pairs, o.train.context);
    validation = encode(rest, o.train.context, "pairs held out");
    for (const Preference& pair : rest) held.push_back(pair.chosen);
  } else {
    auto examples = read_all(o.examples, o.format, read_conversations);
    held = hold_out(examples, o.validation, o.train.seed);
    learned = encode(examples, o.train.context);
    validation = encode(held, o.train.context, "examples held out");
  }
  run.examples = {.learned = learned.size(),
                  .dropped = learned.dropped,
                  .truncated = learned.truncated};
  const std::vector<int32_t> seen = tokens_of(learned, config.vocab_size);
  const std::vector<int32_t> rows = row_tokens(o, seen, tokenizer);
  if (!rows.empty()) check_room(o, stage, static_cast<int64_t>(rows.size()));
  const auto batches =
      instruct_batches(std::move(learned), o.train.batch_tokens,
                       o.train.context, o.train.seed, std::move(replay));
  settle_steps(o.train, *batches);
  if (o.train.learning_rate == 0)
    o.train.learning_rate = (o.lora ? kLoraRate : kTuningRate) *
                            (stage.preference ? kPreferenceShare : 1) *
                            default_learning_rate(config);

  TrainSummary summary;
  if (already_trained(o.output, run.identity, summary)) return summary;
  if (validation.size() > 0)
    run.validation = validation_batches(validation, o.train.batch_tokens,
                                        o.train.context, 0);
  Optimizer optimizer = optimizer_of(o, std::move(model), seen, rows);
  run.stage = stage.name;
  run.options = o.train;
  run.preference = stage.preference;
  run.predicted_memory = memory;
  run.patience = o.patience;
  run.batches = batches.get();
  run.tokenizer = &tokenizer;
  run.output = o.output;
  for (const std::string& prompt : o.train.sample) {
    const Message message{"user", prompt};
    run.samples.push_back({prompt, encode_chat(tokenizer, {&message, 1},
                                               {.add_generation_prompt = true})
                                       .tokens});
  }
  if (!o.train.probe.empty()) run.probe.emplace(tokenizer, o.train.probe);
  std::optional<TeacherModel> teacher;
  if (o.distill > 0) {
    teacher.emplace(o, optimizer);
    run.teacher = {teacher->decoder(), static_cast<float>(o.distill)};
  }
  if (stage.before) stage.before(run, optimizer, held);
  return train(optimizer, run);
}

TrainSummary instruct(const InstructOptions& options) {
  return tune(options, {.name = "instruct"});
}

}  // namespace seodang
