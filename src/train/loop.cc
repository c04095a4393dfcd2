#include "train/loop.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "base/threads.h"
#include "kernels/matmul.h"
#include "model/decoder.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/preference.h"
#include "train/rank_batches.h"
#include "train/ranks.h"
#include "train/run_identity.h"
#include "train/samples.h"
#include "train/schedule.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

int64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

// Mean number of tokens that share a span: what attention's cost goes with.
double mean_context(const Batch& batch) {
  double sum = 0;
  for (const SequenceSpan& span : batch.spans)
    sum += static_cast<double>(span.length) * span.length;
  return batch.tokens.empty() ? 0
                              : sum / static_cast<double>(batch.tokens.size());
}

class Loop {
 public:
  Loop(Optimizer& optimizer, const TrainingRun& run)
      : optimizer_(optimizer),
        run_(run),
        options_(run.options),
        decoder_(
            optimizer.config(), optimizer.weights(),
            rank_tokens(options_, ranks_.size(), run.preference.has_value()),
            options_.recompute ? Keep::inputs : Keep::all),
        peak_(measure_product_peak(optimizer.weights().act())),
        batches_(*run.batches, options_, ranks_.rank(), ranks_.size()) {
    ranks_.sum({&peak_, 1});
    optimizer_.shard();
    if (ranks_.size() > 1) optimizer_.refresh();
  }

  TrainSummary run();

 private:
  void resume();
  void announce();
  void read_references();
  void record(const Json& line) {
    if (metrics_) metrics_->write(line);
  }
  void step(int64_t step);
  void validate();
  void probe();
  void observe();
  bool repair();
  bool needs_repair() const {
    return ranks_.broadcast(ranks_.root() && run_.repair.needed() ? 1 : 0) != 0;
  }
  bool decays() const;
  // What was measured of batches.
  struct Sums {
    Loss loss;
    PreferenceSums preferred;
    double tokens = 0, flops = 0;
  };
  void sum_over_ranks(Sums& of);
  void stop_early(std::string_view why);
  void check_time_limit();
  void sample();
  void save();
  [[noreturn]] void stop();
  TrainSummary finish(std::string_view why);
  void write_model(const TrainSummary& summary);
  double elapsed() const { return before_ + progress_->seconds(); }

  Ranks& ranks_ = Ranks::world();
  Optimizer& optimizer_;
  const TrainingRun& run_;
  const TrainOptions& options_;
  Decoder decoder_;
  double peak_;
  RankBatches batches_;
  TrainerState state_;
  // Of the pairs learned from, and of those held out.
  std::optional<PreferenceLoss> preference_, validation_preference_;
  std::optional<Metrics> metrics_;  // the root's
  std::optional<Progress> progress_;
  double before_ = 0;  // seconds spent by earlier processes
  // The root's when the step ended; whether any rank is told to stop.
  double elapsed_ = 0;
  bool interrupted_ = false;
  // Of the step just done.
  double loss_ = 0, gradient_norm_ = 0, learning_rate_ = 0, divergence_ = 0;
  PreferenceSums preferred_;
  double probe_ = 0;            // last measured
  double reward_accuracy_ = 0;  // of the pairs held out, likewise
  int64_t observed_ = -1;       // the step, last
  double waited_ = 0;           // seconds, for other ranks
  int64_t bytes_sent_ = 0;      // to them
  // Of all steps of this process.
  double flops_ = 0, step_seconds_ = 0, step_tokens_ = 0, waited_seconds_ = 0;
};

// What the model says of the pairs before it learns from them.
void Loop::read_references() {
  if (!run_.preference) return;
  preference_.emplace(*run_.preference);
  validation_preference_.emplace(*run_.preference);
  const uint64_t batches = run_.batches->batches_per_epoch();
  const auto steps = std::min(
      options_.steps, static_cast<int64_t>(batches) / options_.accumulate + 1);
  Progress progress(run_.stage, steps, 0, ranks_.root());
  for (int64_t step = 1; step <= steps; ++step) {
    for (const Batch& batch : batches_.of_step(step, batches))
      preference_->add_reference(decoder_, batch);
    progress.update(step, "steps' pairs read before the first");
  }
  // In later epochs a pair may be another rank's.
  auto& references = preference_->references();
  double pairs = static_cast<double>(references.size());
  ranks_.max({&pairs, 1});
  references.resize(static_cast<size_t>(pairs));
  if (!references.empty())
    ranks_.sum({references.front().data(), 2 * references.size()});
  for (size_t i = 0; i < run_.validation.size(); ++i)
    if (const Batch* batch = batches_.held_out(run_.validation[i], i))
      validation_preference_->add_reference(decoder_, *batch);
}

void Loop::resume() {
  state_.options = run_.identity;
  state_.last_step = options_.steps;
  const auto checkpoint = find_checkpoint(run_.output);
  const double step =
      checkpoint ? static_cast<double>(read_trainer_state(*checkpoint).step)
                 : 0;
  if (const double of_root = ranks_.broadcast(step); of_root != step)
    throw Error(
        "{}: rank 0 goes on from step {}, and here is the checkpoint of step "
        "{}; all ranks need one --output, on a file system that they share",
        run_.output.string(), of_root, step);
  if (checkpoint) {
    state_ = load_checkpoint(*checkpoint, optimizer_);
    before_ = state_.seconds;
  }
  ranks_.set_termination_notice([stage = run_.stage, output = run_.output] {
    const auto newest = find_checkpoint(output);
    return fmt::format(
        "{}: told to end (SIGTERM), as all ranks are when one has died; {}",
        stage,
        newest ? fmt::format("{} is whole: run the same command again, with "
                             "any number of ranks, to go on",
                             newest->string())
               : "no checkpoint was written yet");
  });
}

void Loop::announce() {
  const ModelConfig& c = optimizer_.config();
  progress_->note(fmt::format(
      "{}: {:.2f}M parameters ({} layers, hidden {}), {} steps of {} tokens, "
      "products in {}",
      run_.stage, static_cast<double>(c.num_parameters()) / 1e6,
      c.num_hidden_layers, c.hidden_size, options_.steps,
      int64_t{options_.batch_tokens} * options_.accumulate,
      name_of(optimizer_.weights().act())));
  progress_->note(fmt::format(
      "memory: {} weights, gradients and moments + {} activations; this "
      "machine's products peak at {:.0f} GFLOP/s",
      show_bytes(static_cast<double>(optimizer_.bytes())),
      show_bytes(static_cast<double>(decoder_.bytes())), peak_ / 1e9));
  if (optimizer_.trains_adapter())
    progress_->note(fmt::format(
        "adapter: {:.2f}M trainable parameters, {:.2f}% of the model's, which "
        "are frozen",
        static_cast<double>(optimizer_.num_trainable_parameters()) / 1e6,
        100 * static_cast<double>(optimizer_.num_trainable_parameters()) /
            static_cast<double>(c.num_parameters())));
  if (ranks_.size() > 1)
    progress_->note(
        fmt::format("{} ranks, {} on this machine, with {} {} each; {}",
                    ranks_.size(), ranks_.local_size(), num_threads(),
                    num_threads() > 1 ? "threads" : "thread",
                    deals_whole_batches(options_, ranks_.size())
                        ? "each reads whole batches"
                        : "each reads a share of every batch"));
  if (!deals_whole_batches(options_, ranks_.size()) &&
      options_.batch_tokens < ranks_.size() * options_.context)
    progress_->note(fmt::format(
        "a batch of {} tokens may hold fewer sequences of up to {} than there "
        "are ranks, and some would wait; --batch-tokens {} or --accumulate {} "
        "keeps all busy",
        options_.batch_tokens, options_.context,
        ranks_.size() * options_.context, ranks_.size()));
  for (const std::string& note : run_.notes) progress_->note(note);
  if (state_.step > 0)
    progress_->note(fmt::format("going on from step {}", state_.step));
}

// Of this rank's batches becomes of all ranks'.
void Loop::sum_over_ranks(Sums& of) {
  auto& [loss, preferred, tokens, flops] = of;
  const auto number = [](int64_t count) { return static_cast<double>(count); };
  std::array<double, 12> sums = {loss.sum,
                                 number(loss.tokens),
                                 loss.divergence,
                                 number(loss.distilled),
                                 number(preferred.pairs),
                                 preferred.loss,
                                 preferred.margin,
                                 number(preferred.preferred),
                                 tokens,
                                 flops,
                                 ranks_.root() ? elapsed() : 0,
                                 InterruptGuard::requested() ? 1.0 : 0.0};
  ranks_.sum(sums);
  const auto count = [](double sum) { return static_cast<int64_t>(sum); };
  loss = {.sum = sums[0],
          .tokens = count(sums[1]),
          .divergence = sums[2],
          .distilled = count(sums[3])};
  preferred = {.pairs = count(sums[4]),
               .loss = sums[5],
               .margin = sums[6],
               .preferred = count(sums[7])};
  tokens = sums[8];
  flops = sums[9];
  elapsed_ = sums[10];
  interrupted_ = sums[11] > 0;
}

void Loop::step(int64_t step) {
  const double begin = progress_->seconds(), waited = ranks_.seconds_waited();
  const int64_t sent = ranks_.bytes_sent();
  const bool taught = run_.teacher.decoder != nullptr;
  const std::span<const Batch> batches = batches_.of_step(step);
  // What the loss is a mean over, in all ranks' batches.
  std::array<double, 3> counts{};
  auto& [learned, distilled, pairs] = counts;
  for (const Batch& batch : batches) {
    if (taught) distilled += static_cast<double>(batch.distilled_loss_tokens);
    learned += static_cast<double>(batch.loss_tokens);
    pairs += static_cast<double>(batch.pairs.size());
  }
  learned -= distilled;
  ranks_.sum(counts);
  const auto share_of = [](double count) {
    return count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
  };
  const float scale = share_of(learned), pair_scale = share_of(pairs);
  Teacher teacher = run_.teacher;
  const int64_t round = run_.repair.round(step, options_.steps);
  teacher.scale *= share_of(distilled) * std::exp2f(static_cast<float>(round));
  Sums sums;
  for (const Batch& batch : batches) {
    const auto weigh_pairs = [&](std::span<const float> losses,
                                 std::span<float> weights) {
      std::ranges::fill(weights, scale);  // what is replayed
      sums.preferred.add((*preference_)(batch, losses, pair_scale, weights));
    };
    GradientsReady ready;
    if (&batch == &batches.back())
      ready = [&](int64_t layer) { optimizer_.gradients_ready(layer); };
    sums.loss.add(
        preference_
            ? decoder_.accumulate_gradients(batch, optimizer_.gradients(),
                                            weigh_pairs, teacher, ready)
            : decoder_.accumulate_gradients(batch, optimizer_.gradients(),
                                            scale, teacher, ready));
    const double n = static_cast<double>(batch.tokens.size());
    sums.tokens += n;
    // Weights that stay have no gradient: two of three products.
    const double share = optimizer_.trains_adapter() ? 2.0 / 3 : 1;
    sums.flops += share * optimizer_.config().train_flops(
                              n, static_cast<double>(batch.loss_tokens),
                              mean_context(batch));
  }
  gradient_norm_ = optimizer_.gradient_norm();
  sum_over_ranks(sums);
  preferred_ = sums.preferred;
  state_.tokens += static_cast<int64_t>(sums.tokens);
  step_tokens_ += sums.tokens;
  flops_ += sums.flops;
  loss_ = preference_ ? preferred_.mean_loss() : sums.loss.mean();
  divergence_ = sums.loss.mean_divergence();
  const double absurd = 3 * std::log(optimizer_.config().vocab_size);
  if (!std::isfinite(loss_) || !std::isfinite(gradient_norm_) ||
      !std::isfinite(divergence_) || loss_ > absurd) {
    const auto last = find_checkpoint(run_.output);
    throw Error(
        "{}: loss {} and gradient norm {} at step {}: training has blown up; "
        "last good checkpoint: {}; try a lower --learning-rate",
        run_.stage, loss_, gradient_norm_, step,
        last ? last->string() : "none");
  }

  AdamW adamw;
  learning_rate_ =
      options_.learning_rate *
      (round > 0 ? run_.repair.learning_rate_factor(step, options_.steps)
                 : learning_rate_factor(options_, step, state_.last_step));
  adamw.learning_rate = static_cast<float>(learning_rate_);
  adamw.beta1 = static_cast<float>(options_.beta1);
  adamw.beta2 = static_cast<float>(options_.beta2);
  adamw.weight_decay = static_cast<float>(options_.weight_decay);
  if (options_.clip > 0 && gradient_norm_ > options_.clip)
    adamw.grad_scale = static_cast<float>(options_.clip / gradient_norm_);
  optimizer_.step(step, adamw, static_cast<float>(options_.momentum));

  constexpr double kMemory = 0.95;  // of the smoothed loss
  state_.train_loss =
      step == 1 ? loss_ : kMemory * state_.train_loss + (1 - kMemory) * loss_;
  state_.step = step;
  step_seconds_ += progress_->seconds() - begin;
  waited_ = ranks_.seconds_waited() - waited;
  waited_seconds_ += waited_;
  bytes_sent_ = ranks_.bytes_sent() - sent;
}

void Loop::validate() {
  if (run_.validation.empty()) return;
  Sums sums;
  std::vector<float> losses(static_cast<size_t>(options_.batch_tokens));
  for (size_t i = 0; i < run_.validation.size(); ++i) {
    const Batch* batch = batches_.held_out(run_.validation[i], i);
    if (batch == nullptr) continue;
    sums.loss.add(decoder_.evaluate(*batch, losses.data()));
    if (preference_)
      sums.preferred.add((*validation_preference_)(*batch, losses));
  }
  sum_over_ranks(sums);
  state_.validation_loss =
      preference_ ? sums.preferred.mean_loss() : sums.loss.mean();
  reward_accuracy_ = sums.preferred.reward_accuracy();
  const bool first = state_.best_validation_loss == 0;
  if (first || state_.validation_loss < state_.best_validation_loss) {
    state_.best_validation_loss = state_.validation_loss;
    state_.validations_without_gain = 0;
    if (run_.patience > 0) save_best(run_.output, state_.step, optimizer_);
  } else {
    ++state_.validations_without_gain;
  }
  Json line = {{"step", state_.step},
               {"validation_loss", state_.validation_loss}};
  std::string note = fmt::format("step {}: validation loss {:.4f}", state_.step,
                                 state_.validation_loss);
  if (preference_) {
    line["validation_reward_accuracy"] = reward_accuracy_;
    line["validation_reward_margin"] = sums.preferred.mean_margin();
    note += fmt::format(", reward accuracy {:.1f}%, mean margin {:.2f}",
                        100 * reward_accuracy_, sums.preferred.mean_margin());
  }
  record(line);
  progress_->note(note);
}

// Of the weights as products read them.
void Loop::probe() {
  if (!run_.probe) return;
  probe_ = ranks_.root()
               ? run_.probe->mean(optimizer_.config(), optimizer_.weights())
               : 0;
  probe_ = ranks_.broadcast(probe_);
  record({{"step", state_.step}, {"probe", probe_}});
  progress_->note(
      fmt::format("step {}: knows {:.0f}% of the facts probed (chance {:.0f}%)",
                  state_.step, 100 * probe_, 100 * run_.probe->chance()));
  if (state_.step == 0) state_.probe_before = probe_;
  if (run_.until_probe > 0 && state_.step > 0 && probe_ >= run_.until_probe)
    stop_early("until-probe");
}

void Loop::observe() {
  if (observed_ == state_.step) return;
  observed_ = state_.step;
  if (!run_.observe || !ranks_.root()) return;
  const Json observed = run_.observe(state_.step);
  Json line = {{"step", state_.step}};
  line.update(observed);
  record(line);
  std::string note;
  for (const auto& [what, share] : observed.items())
    note += fmt::format("  {} {:.1f}%", what, 100 * share.get<double>());
  progress_->note(fmt::format("step {}:{}", state_.step, note));
}

// Plans one more round, if it is needed and may be.
bool Loop::repair() {
  if (run_.repair.steps == 0 || !state_.ending.empty() ||
      run_.repair.round(state_.step, options_.steps) >= run_.repair.rounds)
    return false;
  observe();
  if (!needs_repair()) return false;
  state_.last_step = state_.step + run_.repair.steps;
  progress_->set_total(state_.last_step);
  progress_->note(fmt::format(
      "step {}: not enough is kept; {} more steps, nearer to the start",
      state_.step, run_.repair.steps));
  return true;
}

// Whether the learning rate of the next step does.
bool Loop::decays() const {
  const auto last = static_cast<double>(state_.last_step);
  return static_cast<double>(state_.step) >= (1 - options_.decay) * last;
}

// The decay begins now and takes its share of the steps; one that is under way
// is cut short.
void Loop::stop_early(std::string_view why) {
  if (!state_.ending.empty() || state_.step >= state_.last_step) return;
  state_.ending = why;
  state_.last_step = decays() ? state_.step
                              : std::llround(static_cast<double>(state_.step) /
                                             (1 - options_.decay));
  progress_->set_total(state_.last_step);
  progress_->note(fmt::format("step {}: {} reached, the last step is {}",
                              state_.step, why, state_.last_step));
}

void Loop::check_time_limit() {
  const double limit = 60 * options_.minutes;
  if (limit == 0) return;
  const double begin = decays() ? limit : (1 - options_.decay) * limit;
  if (elapsed_ >= begin) stop_early("minutes");
}

void Loop::sample() {
  if (!ranks_.root()) return;
  for (const SamplePrompt& prompt : run_.samples) {
    const std::string text =
        continue_text(optimizer_.config(), optimizer_.weights(),
                      *run_.tokenizer, prompt.tokens);
    record({{"step", state_.step}, {"prompt", prompt.text}, {"sample", text}});
    progress_->note(
        fmt::format("step {}: {} → {}", state_.step, prompt.text, text));
  }
}

void Loop::save() {
  state_.seconds = elapsed();
  if (metrics_) {
    metrics_->sync();
    state_.metrics_bytes = metrics_->bytes();
  }
  save_checkpoint(run_.output, state_, optimizer_, *run_.tokenizer);
}

void Loop::stop() {
  save();
  ranks_.end_together();
  throw Error(
      "{}: stopped at step {} of {}, saved in {}; run the same command "
      "again to go on",
      run_.stage, state_.step, state_.last_step, run_.output.string());
}

TrainSummary Loop::run() {
  check_same_run(run_.stage, run_.identity);
  if (ranks_.root()) fs::create_directories(run_.output);
  read_references();
  resume();
  fs::path tensorboard = options_.tensorboard;
  if (!tensorboard.empty()) {
    const fs::path output = fs::absolute(run_.output).lexically_normal();
    tensorboard /=
        (output.filename().empty() ? output.parent_path() : output).filename();
  }
  if (ranks_.root())
    metrics_.emplace(run_.output / "metrics.jsonl", state_.metrics_bytes,
                     tensorboard);
  progress_.emplace(run_.stage, state_.last_step, state_.step, ranks_.root());
  announce();
  // mpirun hands SIGUSR1 on, and kills a second after it hands on the others.
  const InterruptGuard guard({SIGINT, SIGTERM, SIGUSR1});
  const auto every = [&](int64_t n) {
    return n > 0 && state_.step % n == 0 && state_.step < state_.last_step;
  };
  if (state_.step == 0) {
    probe();
    sample();
  }
  while (state_.step < state_.last_step || repair()) {
    step(state_.step + 1);
    const double rate = step_tokens_ / step_seconds_;
    const double share = flops_ / step_seconds_ / peak_;
    progress_->update(
        state_.step,
        fmt::format("loss {:.3f}  {:.0f} tokens/s ({:.0f}% of peak{})",
                    state_.train_loss, rate, 100 * share,
                    ranks_.size() == 1
                        ? ""
                        : fmt::format(", {:.0f}% waiting for ranks",
                                      100 * waited_seconds_ / step_seconds_)));
    Json line = {{"step", state_.step},
                 {"tokens", state_.tokens},
                 {"seconds", elapsed()},
                 {"loss", loss_},
                 {"learning_rate", learning_rate_},
                 {"grad_norm", gradient_norm_},
                 {"tokens_per_second", rate},
                 {"peak_share", share}};
    if (ranks_.size() > 1) {
      line["seconds_waited"] = waited_;
      line["bytes_sent"] = bytes_sent_;
    }
    if (run_.teacher.decoder != nullptr) line["divergence"] = divergence_;
    if (preference_) {
      line["reward_accuracy"] = preferred_.reward_accuracy();
      line["reward_margin"] = preferred_.mean_margin();
    }
    record(line);
    if (every(options_.validate_every)) {
      validate();
      probe();
      observe();
    }
    if (run_.repair.observes(state_.step, options_.steps)) observe();
    if (run_.repair.round(state_.step, options_.steps) > 0 &&
        observed_ == state_.step && !needs_repair())
      state_.last_step = state_.step;
    check_time_limit();
    if (every(options_.sample_every)) sample();
    if (interrupted_) stop();
    if (run_.patience > 0 && state_.validations_without_gain >= run_.patience)
      return finish("patience");
    if (every(options_.checkpoint_every)) save();
  }
  return finish(state_.ending.empty() ? "done" : state_.ending);
}

TrainSummary Loop::finish(std::string_view why) {
  validate();
  TrainSummary summary;
  summary.kept_step = state_.step;
  // What is left to do needs no gradients, and the root does it alone.
  optimizer_.gather_masters();
  if (ranks_.root() && run_.patience > 0 && !run_.validation.empty()) {
    summary.kept_step = load_best(run_.output, optimizer_);
    observed_ = -1;  // other weights
    state_.validation_loss = state_.best_validation_loss;
    if (summary.kept_step != state_.step)
      progress_->note(
          fmt::format("the weights of step {} are kept, which validated best",
                      summary.kept_step));
  }
  observe();
  bool settled = true;
  if (run_.settle && ranks_.root()) {
    metrics_->sync();
    settled = run_.settle();
  }
  if (ranks_.broadcast(settled ? 1 : 0) == 0) stop();
  probe();
  sample();
  summary.probe_before = state_.probe_before;
  summary.probe = probe_;
  summary.reward_accuracy = reward_accuracy_;
  summary.steps = state_.step;
  summary.tokens = state_.tokens;
  summary.seconds = elapsed();
  summary.train_loss = state_.train_loss;
  summary.validation_loss = state_.validation_loss;
  summary.tokens_per_second =
      step_seconds_ > 0 ? step_tokens_ / step_seconds_ : 0;
  summary.peak_share = step_seconds_ > 0 ? flops_ / step_seconds_ / peak_ : 0;
  summary.peak_memory = peak_memory();
  summary.predicted_memory = run_.predicted_memory;
  summary.stopped_because = why;
  summary.examples = run_.examples;

  if (ranks_.root()) write_model(summary);
  ranks_.broadcast(0);  // all end together
  return summary;
}

void Loop::write_model(const TrainSummary& summary) {
  Json json = {{"stage", run_.stage}};
  visit_summary(summary, [&](const char* name, const auto& value) {
    json[name] = value;
  });
  json["options"] = run_.identity;
  run_.tokenizer->save(run_.output);
  write_file(run_.output / "training.json", json.dump(2) + "\n");
  // The weights come last: where they are, everything is.
  optimizer_.save(run_.output);
  remove_checkpoints(run_.output);
}

}  // namespace

TrainSummary train(Optimizer& optimizer, const TrainingRun& run) {
  return Loop(optimizer, run).run();
}

}  // namespace seodang
