#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "model/decoder.h"
#include "tokenizer/train_bpe.h"
#include "train/checkpoint.h"
#include "train/loop.h"
#include "train/memory.h"
#include "train/metrics.h"
#include "train/options.h"
#include "train/schedule.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

fs::path scratch(const std::string& name) {
  const fs::path path =
      fs::path(testing::TempDir()) / ("seodang_train_" + name);
  fs::remove_all(path);
  return path;
}

const Tokenizer& tiny_tokenizer() {
  static const Tokenizer tokenizer = [] {
    bool given = false;
    BpeTrainOptions options;
    options.vocab_size = 280;
    return train_bpe(
        [&](std::string& text) {
          text = "the cat sat on the mat, the cat sat on the hat";
          return !std::exchange(given, true);
        },
        options);
  }();
  return tokenizer;
}

// Counting upward from a random start: learned quickly, and a pure function of
// (seed, index).
class Counting : public BatchSource {
 public:
  void batch(uint64_t index, Batch& out) const override {
    if (index == signal_at) std::raise(SIGINT);
    Rng rng(1, index);
    out.tokens.clear();
    out.targets.clear();
    out.spans = {{0, 20}, {20, 12}};
    for (int i = 0; i < 2; ++i) {
      int32_t token = static_cast<int32_t>(rng.below(64));
      for (int32_t t = 0; t < out.spans[i].length; ++t) {
        out.tokens.push_back(token);
        token = (token + 1) % 64;
        out.targets.push_back(token);
      }
    }
    out.loss_tokens = 32;
  }
  uint64_t batches_per_epoch() const override { return 10; }
  uint64_t signal_at = UINT64_MAX;
};

ModelConfig tiny_config() {
  ModelConfig c =
      config_of_size(model_size("nano"), tiny_tokenizer().vocab_size());
  c.hidden_size = 32;
  c.head_dim = 8;
  c.intermediate_size = 64;
  return c;
}

TrainingRun tiny_run(const BatchSource& batches, const fs::path& output) {
  TrainingRun run;
  run.stage = "test";
  run.options.steps = 40;
  run.options.batch_tokens = 32;
  run.options.learning_rate = 1e-2;
  run.options.checkpoint_every = 7;
  run.options.validate_every = 10;
  run.options.accumulate = 2;
  run.batches = &batches;
  run.validation.resize(1);
  batches.batch(1000, run.validation[0]);
  run.tokenizer = &tiny_tokenizer();
  run.output = output;
  run.identity = identity_of(run.options);
  return run;
}

Optimizer tiny_optimizer(Dtype precision = Dtype::f32, bool muon = false) {
  return Optimizer(Model::random(tiny_config(), 1, Dtype::f32), precision,
                   muon);
}

TEST(Training, LossFallsAndARerunGivesTheSameBytes) {
  const Counting batches;
  std::string weights[2];
  for (std::string& bytes : weights) {
    const fs::path dir = scratch("rerun");
    Optimizer optimizer = tiny_optimizer();
    const TrainSummary summary = train(optimizer, tiny_run(batches, dir));
    EXPECT_EQ(summary.steps, 40);
    EXPECT_EQ(summary.tokens, 40 * 2 * 32);
    EXPECT_LT(summary.validation_loss, 3.0);  // ln(vocabulary) is 5.6
    bytes = read_file(dir / "model.safetensors");
  }
  EXPECT_EQ(weights[0], weights[1]);
}

TEST(Training, ProbesWhatIsKnownAtEachValidation) {
  const Counting batches;
  const fs::path dir = scratch("probe");
  Optimizer optimizer = tiny_optimizer();
  TrainingRun run = tiny_run(batches, dir);
  const std::vector<Question> questions = {{.id = "1",
                                            .kind = "",
                                            .instruction = "a?",
                                            .input = "",
                                            .answers = {"b"},
                                            .wrong = {"c", "d", "e"},
                                            .cloze = "a"},
                                           {.id = "2",
                                            .kind = "",
                                            .instruction = "no cloze",
                                            .input = "",
                                            .answers = {"b"},
                                            .wrong = {},
                                            .cloze = ""}};
  run.probe.emplace(tiny_tokenizer(), questions);
  EXPECT_EQ(run.probe->chance(), 0.25);
  const TrainSummary summary = train(optimizer, run);
  EXPECT_GT(summary.probe, 0);
  EXPECT_LT(summary.probe, 1);
  EXPECT_EQ(summary.probe,
            run.probe->mean(optimizer.config(), optimizer.weights()));
  std::istringstream log(read_file(dir / "metrics.jsonl"));
  int probes = 0;
  for (std::string line; std::getline(log, line);)
    probes += line.find("\"probe\"") != std::string::npos;
  EXPECT_EQ(probes, 5);  // steps 0, 10, 20, 30 and the end
  EXPECT_GT(summary.probe_before, 0);
  EXPECT_NE(summary.probe_before, summary.probe);
}

TEST(Training, EndsOnceEnoughIsKnownAndDecaysBefore) {
  const std::vector<Question> questions = {{.id = "1",
                                            .kind = "",
                                            .instruction = "a?",
                                            .input = "",
                                            .answers = {"b"},
                                            .wrong = {"c"},
                                            .cloze = "a"}};
  const fs::path dirs[] = {scratch("until"), scratch("until_in_pieces")};
  for (const bool in_pieces : {false, true}) {
    Counting batches;
    TrainingRun run = tiny_run(batches, dirs[in_pieces]);
    run.probe.emplace(tiny_tokenizer(), questions);
    run.until_probe = 0.01;  // reached at the first validation, step 10
    run.options.decay = 0.5;
    if (in_pieces) {
      batches.signal_at = 30;  // step 16, when the decay is under way
      Optimizer optimizer = tiny_optimizer();
      EXPECT_THROW(train(optimizer, run), Error);
      batches.signal_at = UINT64_MAX;
    }
    Optimizer optimizer = tiny_optimizer();
    const TrainSummary summary = train(optimizer, run);
    EXPECT_EQ(summary.steps, 20);
    EXPECT_EQ(summary.stopped_because, "until-probe");
  }
  EXPECT_EQ(read_file(dirs[0] / "model.safetensors"),
            read_file(dirs[1] / "model.safetensors"));
  // From the step at which it was known, the learning rate only falls.
  std::istringstream log(read_file(dirs[0] / "metrics.jsonl"));
  double last = 1;
  for (std::string line; std::getline(log, line);) {
    const auto json = nlohmann::json::parse(line);
    if (!json.contains("learning_rate") || json["step"] <= 10) continue;
    EXPECT_LT(json["learning_rate"].get<double>(), last);
    last = json["learning_rate"];
  }
}

TEST(Training, EndsWhenTheTimeIsUp) {
  const Counting batches;
  TrainingRun run = tiny_run(batches, scratch("minutes"));
  run.options.steps = 1'000'000;
  run.options.minutes = 0.3 / 60;
  Optimizer optimizer = tiny_optimizer();
  const TrainSummary summary = train(optimizer, run);
  EXPECT_LT(summary.steps, 1'000'000);
  EXPECT_EQ(summary.stopped_because, "minutes");
}

TEST(Training, StoppedAndResumedEqualsUndisturbed) {
  for (const auto& [precision, muon] :
       {std::pair{Dtype::f32, false}, std::pair{Dtype::bf16, false},
        std::pair{Dtype::f32, true}, std::pair{Dtype::bf16, true}}) {
    const Counting undisturbed;
    const fs::path whole = scratch("whole");
    Optimizer optimizer = tiny_optimizer(precision, muon);
    train(optimizer, tiny_run(undisturbed, whole));

    const fs::path pieces = scratch("pieces");
    for (const uint64_t stop : {11, 50}) {
      Counting batches;
      batches.signal_at = stop;
      Optimizer again = tiny_optimizer(precision, muon);
      try {
        train(again, tiny_run(batches, pieces));
        FAIL() << "the signal was ignored";
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("go on"), std::string::npos);
      }
      EXPECT_TRUE(find_checkpoint(pieces));
    }
    Optimizer last = tiny_optimizer(precision, muon);
    train(last, tiny_run(undisturbed, pieces));
    EXPECT_EQ(read_file(whole / "model.safetensors"),
              read_file(pieces / "model.safetensors"));
    EXPECT_FALSE(find_checkpoint(pieces));
    // Each step is logged once, whatever happened in between.
    std::istringstream log(read_file(pieces / "metrics.jsonl"));
    std::string line;
    int steps = 0;
    while (std::getline(log, line))
      steps += line.find("\"loss\"") != std::string::npos;
    EXPECT_EQ(steps, 40);
  }
}

TEST(Training, AnAdapterLearnsAndResumesAndLeavesTheModelAlone) {
  for (const Dtype precision : {Dtype::f32, Dtype::bf16}) {
    const Model model = Model::random(tiny_config(), 1, precision);
    const auto optimizer_of = [&] {
      Model same = Model::random(tiny_config(), 1, precision);
      return Optimizer(std::move(same),
                       Adapter::create(tiny_config(), {.rank = 4}, 1, "base"),
                       precision);
    };
    const fs::path dirs[] = {scratch("lora_whole"), scratch("lora_pieces")};
    for (const bool in_pieces : {false, true}) {
      Counting batches;
      TrainingRun run = tiny_run(batches, dirs[in_pieces]);
      if (in_pieces) {
        batches.signal_at = 30;
        Optimizer optimizer = optimizer_of();
        EXPECT_THROW(train(optimizer, run), Error);
        batches.signal_at = UINT64_MAX;
      }
      Optimizer optimizer = optimizer_of();
      const TrainSummary summary = train(optimizer, run);
      EXPECT_LT(summary.validation_loss, 5.5);  // ln(vocabulary) is 5.6
      const auto before = named_weights(tiny_config(), model.weights());
      const auto after = named_weights(tiny_config(), optimizer.weights());
      for (size_t i = 0; i < before.size(); ++i)
        EXPECT_EQ(std::memcmp(before[i].tensor.data, after[i].tensor.data,
                              bytes_of(precision, before[i].tensor.size())),
                  0)
            << before[i].name;
      EXPECT_FALSE(fs::exists(dirs[in_pieces] / "model.safetensors"));
    }
    EXPECT_EQ(read_file(dirs[0] / "adapter_model.safetensors"),
              read_file(dirs[1] / "adapter_model.safetensors"));
  }
}

TEST(Memory, IsKnownBeforehandAndWhatDoesNotFitIsRefused) {
  TrainOptions options;
  options.batch_tokens = 64;
  options.context = 16;
  for (const char* precision : {"f32", "bf16"})
    for (const bool muon : {false, true})
      for (const bool adapter : {false, true})
        for (const bool recompute : {false, true}) {
          options.precision = precision;
          options.optimizer = muon ? "muon" : "adamw";
          options.recompute = recompute;
          const Dtype dtype = precision_of(options);
          Model model =
              Model::random(tiny_config(), 1, adapter ? dtype : Dtype::f32);
          Trainable learned{.adapter = adapter, .lora = {.rank = 4}};
          for (const auto& weight :
               named_weights(tiny_config(), model.weights()))
            learned.model_bytes += static_cast<int64_t>(
                bytes_of(weight.tensor.dtype, weight.tensor.size()));
          const Optimizer optimizer =
              adapter ? Optimizer(std::move(model),
                                  Adapter::create(tiny_config(), learned.lora,
                                                  1, "base"),
                                  dtype, muon)
                      : Optimizer(std::move(model), dtype, muon);
          const Decoder decoder(tiny_config(), optimizer.weights(),
                                options.batch_tokens,
                                recompute ? Keep::inputs : Keep::all);
          const TrainingMemory memory =
              training_memory(tiny_config(), options, learned);
          const TrainingMemory nothing = {.weights = 100 << 20};
          EXPECT_EQ(memory.activations, decoder.bytes());
          EXPECT_EQ(memory.weights - nothing.weights, optimizer.bytes());
        }
  const auto refusal = [&](int64_t available) -> std::string {
    try {
      check_memory(tiny_config(), options, {}, true, available);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  options.recompute = false;
  const int64_t all = training_memory(tiny_config(), options, {}).total();
  EXPECT_EQ(refusal(all), "");
  EXPECT_NE(refusal(all - 1).find("; --recompute takes"), std::string::npos);
  EXPECT_NE(refusal(1000).find("a smaller model"), std::string::npos);
}

// The same tokens in one batch, or in two of which the second has a quarter of
// the targets: the gradient is the mean over all targets either way.
class Halves : public BatchSource {
 public:
  explicit Halves(bool together) : together_(together) {}
  void batch(uint64_t index, Batch& out) const override {
    out = {};
    const uint64_t step = together_ ? index : index / 2;
    for (uint64_t half = 0; half < 2; ++half) {
      if (!together_ && half != index % 2) continue;
      Rng rng(5, 2 * step + half);
      out.spans.push_back({static_cast<int32_t>(out.tokens.size()), 16});
      for (int32_t t = 0; t < 16; ++t) {
        out.tokens.push_back(static_cast<int32_t>(rng.below(64)));
        const bool counts = half == 0 || t % 4 == 0;
        out.targets.push_back(counts ? static_cast<int32_t>(rng.below(64))
                                     : kIgnoreTarget);
        out.loss_tokens += counts;
      }
    }
  }
  uint64_t batches_per_epoch() const override { return 10; }

 private:
  bool together_;
};

TEST(Training, AccumulatedBatchesOfUnequalTargetsAreOneBatch) {
  const auto weights_after = [](bool together) {
    const Halves batches(together);
    TrainingRun run = tiny_run(batches, scratch("halves"));
    run.validation.clear();
    run.options.steps = 5;
    run.options.accumulate = together ? 1 : 2;
    Optimizer optimizer = tiny_optimizer();
    train(optimizer, run);
    std::vector<float> out;
    for (const NamedTensor& weight : optimizer.masters()) {
      const float* at = weight.tensor.row<float>(0);
      out.insert(out.end(), at, at + weight.tensor.size());
    }
    return out;
  };
  const auto one = weights_after(true), two = weights_after(false);
  double worst = 0;
  for (size_t i = 0; i < one.size(); ++i)
    worst = std::max(worst, std::abs(double{one[i]} - double{two[i]}));
  // A mean of two means would move weights by other amounts, of the order of
  // the learning rate, 1e-2.
  EXPECT_LT(worst, 1e-4);
}

// Validation that grows worse from the first on: its answers are others.
TEST(Training, PatienceKeepsTheWeightsThatValidatedBest) {
  const Counting batches;
  const fs::path output = scratch("patience");
  TrainingRun run = tiny_run(batches, output);
  run.patience = 3;
  run.options.validate_every = 1;
  run.options.warmup = 0;
  for (int32_t& target : run.validation[0].targets) target = (target + 7) % 64;
  Optimizer optimizer = tiny_optimizer();
  const TrainSummary summary = train(optimizer, run);
  EXPECT_EQ(summary.stopped_because, "patience");
  EXPECT_LT(summary.kept_step, summary.steps);
  EXPECT_FALSE(fs::exists(output / "best.safetensors"));
  const Model kept = Model::load(output, Dtype::f32);
  Decoder decoder(kept.config(), kept.weights(), 32);
  EXPECT_NEAR(decoder.evaluate(run.validation[0]).mean(),
              summary.validation_loss, 1e-6);
  double last = 0;
  std::istringstream log(read_file(output / "metrics.jsonl"));
  for (std::string line; std::getline(log, line);)
    if (const size_t at = line.find("\"validation_loss\":"); at != line.npos)
      last = std::stod(line.substr(at + 18));
  EXPECT_GT(last, summary.validation_loss);
}

TEST(Metrics, GoesOnAtTheLastWholeLine) {
  const fs::path path = scratch("metrics.jsonl");
  const std::string two = "{\"step\":1}\n{\"step\":2}\n";
  // Longer than was kept, cut inside a line, ended in zeros, shorter, gone.
  const std::pair<std::string, std::string> cases[] = {
      {two + "{\"step\":3}\n", two},
      {two.substr(0, 15), two.substr(0, 11)},
      {two.substr(0, 11) + std::string(11, '\0'), two.substr(0, 11)},
      {"", ""}};
  for (const auto& [found, kept] : cases) {
    write_file(path, found);
    {
      Metrics metrics(path, static_cast<int64_t>(two.size()));
      EXPECT_EQ(metrics.bytes(), static_cast<int64_t>(kept.size()));
      metrics.write({{"step", 9}});
    }
    EXPECT_EQ(read_file(path), kept + "{\"step\":9}\n");
  }
}

TEST(Training, AnotherRunIsNotContinued) {
  Counting batches;
  batches.signal_at = 20;
  const fs::path dir = scratch("another");
  TrainingRun run = tiny_run(batches, dir);
  Optimizer optimizer = tiny_optimizer();
  EXPECT_THROW(train(optimizer, run), Error);
  TrainSummary summary;
  EXPECT_FALSE(already_trained(dir, run.identity, summary));
  run.identity["learning-rate"] = "0.5";
  try {
    already_trained(dir, run.identity, summary);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("learning-rate"),
              std::string::npos);
  }
}

TEST(Training, BlowingUpNamesStepAndCheckpoint) {
  const Counting batches;
  const fs::path dir = scratch("blown");
  TrainingRun run = tiny_run(batches, dir);
  run.options.learning_rate = 9;
  run.options.clip = 0;
  run.options.warmup = 0.9;
  run.options.checkpoint_every = 1;
  Optimizer optimizer = tiny_optimizer();
  try {
    train(optimizer, run);
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("step"), std::string::npos);
    EXPECT_NE(message.find("checkpoint-"), std::string::npos) << message;
  }
}

TEST(Checkpoint, DamageIsNamed) {
  Counting batches;
  batches.signal_at = 4;
  const fs::path dir = scratch("damage");
  Optimizer optimizer = tiny_optimizer();
  EXPECT_THROW(train(optimizer, tiny_run(batches, dir)), Error);
  const fs::path checkpoint = *find_checkpoint(dir);
  const fs::path moments = checkpoint / "optimizer.safetensors";
  fs::resize_file(moments, fs::file_size(moments) / 2);
  try {
    load_checkpoint(checkpoint, optimizer);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("optimizer.safetensors"),
              std::string::npos);
  }
  // What a killed process leaves behind is no checkpoint.
  fs::create_directories(dir / "checkpoint-99.tmp-123");
  EXPECT_EQ(find_checkpoint(dir), checkpoint);
}

// AdamW as the paper writes it, in float64, on the optimizer's own weights.
TEST(Optimizer, FollowsThePaperAndDecaysMatricesOnly) {
  Optimizer optimizer = tiny_optimizer();
  const auto weights = optimizer.masters();
  const auto gradients =
      named_weights(optimizer.config(), optimizer.gradients());
  AdamW options;
  options.learning_rate = 0.01f;
  options.weight_decay = 0.5f;
  for (size_t i = 0; i < weights.size(); ++i) {
    double w = weights[i].tensor.row<float>(0)[3], m = 0, v = 0;
    const double start = w;
    Optimizer fresh = tiny_optimizer();
    float* g =
        named_weights(fresh.config(), fresh.gradients())[i].tensor.row<float>(
            0);
    const float* updated = fresh.masters()[i].tensor.row<float>(0);
    for (int step = 1; step <= 3; ++step) {
      const double gradient = 0.1 * step - 0.15;
      g[3] = static_cast<float>(gradient);
      fresh.step(step, options);
      m = 0.9 * m + 0.1 * gradient;
      v = 0.95 * v + 0.05 * gradient * gradient;
      const double unbiased_m = m / (1 - std::pow(0.9, step));
      const double unbiased_v = v / (1 - std::pow(0.95, step));
      const double decay = weights[i].decayed ? 0.5 : 0.0;
      w -= 0.01 * (unbiased_m / (std::sqrt(unbiased_v) + 1e-8) + decay * w);
      EXPECT_EQ(g[3], 0.0f);
    }
    EXPECT_NEAR(updated[3], w, 1e-5) << weights[i].name;
    EXPECT_NE(start, w);
  }
}

TEST(Schedule, WarmsUpStaysAndDecays) {
  TrainOptions o;
  o.warmup = 0.1;
  o.decay = 0.2;
  o.final_learning_rate = 0.25;
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 5, 100), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 10, 100), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 80, 100), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 90, 100), 0.625);
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 100, 100), 0.25);
  o.schedule = "cosine";
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 55, 100), 0.625);  // half way down
  EXPECT_DOUBLE_EQ(learning_rate_factor(o, 100, 100), 0.25);
}

TEST(Options, NonsenseIsNamed) {
  const auto complaint = [](auto change) -> std::string {
    TrainOptions o;
    change(o);
    try {
      check_options(o);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  using O = TrainOptions;
  EXPECT_EQ(complaint([](O&) {}), "");
  EXPECT_NE(complaint([](O& o) { o.clip = -1; }).find("clip"),
            std::string::npos);
  EXPECT_NE(complaint([](O& o) { o.schedule = "x"; }).find("wsd or cosine"),
            std::string::npos);
  EXPECT_NE(complaint([](O& o) { o.beta2 = 1; }).find("beta2"),
            std::string::npos);
  O long_context;
  long_context.context = 100000;
  EXPECT_THROW(settle_context(long_context, tiny_config()), UsageError);
}

}  // namespace
}  // namespace seodang
