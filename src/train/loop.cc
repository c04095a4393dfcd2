#include "train/loop.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "formats/json.h"
#include "kernels/matmul.h"
#include "model/decoder.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/preference.h"
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

}  // namespace

int64_t Repair::round(int64_t step, int64_t planned) const {
  return steps == 0 || step <= planned ? 0 : (step - planned - 1) / steps + 1;
}

bool Repair::observes(int64_t step, int64_t planned) const {
  return round(step, planned) > 0 && observe_every > 0 &&
         ((step - planned - 1) % steps + 1) % observe_every == 0;
}

double Repair::learning_rate_factor(int64_t step, int64_t planned) const {
  constexpr double kPeak = 0.2;
  const int64_t done = (step - planned - 1) % steps;
  return kPeak * (1 - static_cast<double>(done) / static_cast<double>(steps));
}

namespace {

class Loop {
 public:
  Loop(Optimizer& optimizer, const TrainingRun& run)
      : optimizer_(optimizer),
        run_(run),
        options_(run.options),
        decoder_(optimizer.config(), optimizer.weights(), options_.batch_tokens,
                 options_.recompute ? Keep::inputs : Keep::all),
        peak_(measure_product_peak(optimizer.weights().act())) {
    micro_batches_.resize(static_cast<size_t>(options_.accumulate));
  }

  TrainSummary run();

 private:
  void resume();
  void announce();
  void read_references();
  void step(int64_t step);
  void validate();
  void probe();
  void observe();
  bool repair();
  bool decays() const;
  void stop_early(std::string_view why);
  void check_time_limit();
  void sample();
  void save();
  [[noreturn]] void stop();
  TrainSummary finish(std::string_view why);
  double elapsed() const { return before_ + progress_->seconds(); }

  Optimizer& optimizer_;
  const TrainingRun& run_;
  const TrainOptions& options_;
  Decoder decoder_;
  double peak_;
  std::vector<Batch> micro_batches_;
  TrainerState state_;
  // Of the pairs learned from, and of those held out.
  std::optional<PreferenceLoss> preference_, validation_preference_;
  std::optional<Metrics> metrics_;
  std::optional<Progress> progress_;
  double before_ = 0;  // seconds spent by earlier processes
  // Of the step just done.
  double loss_ = 0, gradient_norm_ = 0, learning_rate_ = 0, divergence_ = 0;
  PreferenceSums preferred_;
  double probe_ = 0;            // last measured
  double reward_accuracy_ = 0;  // of the pairs held out, likewise
  int64_t observed_ = -1;       // the step, last
  // Of all steps of this process.
  double flops_ = 0, step_seconds_ = 0, step_tokens_ = 0;
};

// What the model says of the pairs before it learns from them.
void Loop::read_references() {
  if (!run_.preference) return;
  preference_.emplace(*run_.preference);
  validation_preference_.emplace(*run_.preference);
  const auto batches =
      std::min(run_.batches->batches_per_epoch(),
               static_cast<uint64_t>(options_.steps * options_.accumulate));
  Progress progress(run_.stage, static_cast<int64_t>(batches), 0);
  for (uint64_t i = 0; i < batches; ++i) {
    run_.batches->batch(i, micro_batches_[0]);
    preference_->add_reference(decoder_, micro_batches_[0]);
    progress.update(static_cast<int64_t>(i) + 1,
                    "pairs read before the first step");
  }
  for (const Batch& batch : run_.validation)
    validation_preference_->add_reference(decoder_, batch);
}

void Loop::resume() {
  state_.options = run_.identity;
  state_.last_step = options_.steps;
  const auto checkpoint = find_checkpoint(run_.output);
  if (!checkpoint) return;
  state_ = load_checkpoint(*checkpoint, optimizer_);
  before_ = state_.seconds;
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
  for (const std::string& note : run_.notes) progress_->note(note);
  if (state_.step > 0)
    progress_->note(fmt::format("going on from step {}", state_.step));
}

void Loop::step(int64_t step) {
  const double begin = progress_->seconds();
  const bool taught = run_.teacher.decoder != nullptr;
  int64_t loss_tokens = 0, distilled = 0, pairs = 0;
  for (size_t i = 0; i < micro_batches_.size(); ++i) {
    const uint64_t index =
        static_cast<uint64_t>((step - 1) * options_.accumulate) + i;
    run_.batches->batch(index, micro_batches_[i]);
    if (taught) distilled += micro_batches_[i].distilled_loss_tokens;
    loss_tokens += micro_batches_[i].loss_tokens;
    pairs += static_cast<int64_t>(micro_batches_[i].pairs.size());
  }
  loss_tokens -= distilled;
  const auto share_of = [](int64_t tokens) {
    return tokens > 0 ? 1.0f / static_cast<float>(tokens) : 0.0f;
  };
  const float scale = share_of(loss_tokens);
  Teacher teacher = run_.teacher;
  const int64_t round = run_.repair.round(step, options_.steps);
  teacher.scale *= share_of(distilled) * std::exp2f(static_cast<float>(round));
  Loss loss;
  preferred_ = {};
  for (const Batch& batch : micro_batches_) {
    const auto weigh_pairs = [&](std::span<const float> losses,
                                 std::span<float> weights) {
      std::ranges::fill(weights, scale);  // what is replayed
      preferred_.add((*preference_)(batch, losses, share_of(pairs), weights));
    };
    loss.add(preference_
                 ? decoder_.accumulate_gradients(batch, optimizer_.gradients(),
                                                 weigh_pairs, teacher)
                 : decoder_.accumulate_gradients(batch, optimizer_.gradients(),
                                                 scale, teacher));
    const double n = static_cast<double>(batch.tokens.size());
    step_tokens_ += n;
    // Weights that stay have no gradient: two of three products.
    const double share = optimizer_.trains_adapter() ? 2.0 / 3 : 1;
    flops_ += share * optimizer_.config().train_flops(
                          n, static_cast<double>(batch.loss_tokens),
                          mean_context(batch));
    state_.tokens += static_cast<int64_t>(batch.tokens.size());
  }
  loss_ = preference_ ? preferred_.mean_loss() : loss.mean();
  divergence_ = loss.mean_divergence();
  gradient_norm_ = optimizer_.gradient_norm();
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
}

void Loop::validate() {
  if (run_.validation.empty()) return;
  Loss loss;
  PreferenceSums preferred;
  std::vector<float> losses(static_cast<size_t>(options_.batch_tokens));
  for (const Batch& batch : run_.validation) {
    loss.add(decoder_.evaluate(batch, losses.data()));
    if (preference_) preferred.add((*validation_preference_)(batch, losses));
  }
  state_.validation_loss = preference_ ? preferred.mean_loss() : loss.mean();
  reward_accuracy_ = preferred.reward_accuracy();
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
    line["validation_reward_margin"] = preferred.mean_margin();
    note += fmt::format(", reward accuracy {:.1f}%, mean margin {:.2f}",
                        100 * reward_accuracy_, preferred.mean_margin());
  }
  metrics_->write(line);
  progress_->note(note);
}

// Of the weights as products read them.
void Loop::probe() {
  if (!run_.probe) return;
  probe_ = run_.probe->mean(optimizer_.config(), optimizer_.weights());
  metrics_->write({{"step", state_.step}, {"probe", probe_}});
  progress_->note(
      fmt::format("step {}: knows {:.0f}% of the facts probed (chance {:.0f}%)",
                  state_.step, 100 * probe_, 100 * run_.probe->chance()));
  if (state_.step == 0) state_.probe_before = probe_;
  if (run_.until_probe > 0 && state_.step > 0 && probe_ >= run_.until_probe)
    stop_early("until-probe");
}

void Loop::observe() {
  if (!run_.observe || observed_ == state_.step) return;
  observed_ = state_.step;
  const Json observed = run_.observe(state_.step);
  Json line = {{"step", state_.step}};
  line.update(observed);
  metrics_->write(line);
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
  if (!run_.repair.needed()) return false;
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
  if (elapsed() >= begin) stop_early("minutes");
}

void Loop::sample() {
  for (const SamplePrompt& prompt : run_.samples) {
    const std::string text =
        continue_text(optimizer_.config(), optimizer_.weights(),
                      *run_.tokenizer, prompt.tokens);
    metrics_->write(
        {{"step", state_.step}, {"prompt", prompt.text}, {"sample", text}});
    progress_->note(
        fmt::format("step {}: {} → {}", state_.step, prompt.text, text));
  }
}

void Loop::save() {
  state_.seconds = elapsed();
  metrics_->sync();
  state_.metrics_bytes = metrics_->bytes();
  save_checkpoint(run_.output, state_, optimizer_, *run_.tokenizer);
}

void Loop::stop() {
  save();
  throw Error(
      "{}: stopped at step {} of {}, saved in {}; run the same command "
      "again to go on",
      run_.stage, state_.step, state_.last_step, run_.output.string());
}

TrainSummary Loop::run() {
  fs::create_directories(run_.output);
  read_references();
  resume();
  fs::path tensorboard = options_.tensorboard;
  if (!tensorboard.empty()) {
    const fs::path output = fs::absolute(run_.output).lexically_normal();
    tensorboard /=
        (output.filename().empty() ? output.parent_path() : output).filename();
  }
  metrics_.emplace(run_.output / "metrics.jsonl", state_.metrics_bytes,
                   tensorboard);
  progress_.emplace(run_.stage, state_.last_step, state_.step);
  announce();
  const InterruptGuard guard;
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
        fmt::format("loss {:.3f}  {:.0f} tokens/s ({:.0f}% of peak)",
                    state_.train_loss, rate, 100 * share));
    Json line = {{"step", state_.step},
                 {"tokens", state_.tokens},
                 {"seconds", elapsed()},
                 {"loss", loss_},
                 {"learning_rate", learning_rate_},
                 {"grad_norm", gradient_norm_},
                 {"tokens_per_second", rate},
                 {"peak_share", share}};
    if (run_.teacher.decoder != nullptr) line["divergence"] = divergence_;
    if (preference_) {
      line["reward_accuracy"] = preferred_.reward_accuracy();
      line["reward_margin"] = preferred_.mean_margin();
    }
    metrics_->write(line);
    if (every(options_.validate_every)) {
      validate();
      probe();
      observe();
    }
    if (run_.repair.observes(state_.step, options_.steps)) observe();
    if (run_.repair.round(state_.step, options_.steps) > 0 &&
        observed_ == state_.step && !run_.repair.needed())
      state_.last_step = state_.step;
    check_time_limit();
    if (every(options_.sample_every)) sample();
    if (InterruptGuard::requested()) stop();
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
  if (run_.patience > 0 && !run_.validation.empty()) {
    summary.kept_step = load_best(run_.output, optimizer_);
    observed_ = -1;  // other weights
    state_.validation_loss = state_.best_validation_loss;
    if (summary.kept_step != state_.step)
      progress_->note(
          fmt::format("the weights of step {} are kept, which validated best",
                      summary.kept_step));
  }
  observe();
  if (run_.settle) {
    metrics_->sync();
    if (!run_.settle()) stop();
  }
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
  summary.stopped_because = why;
  summary.examples = run_.examples;

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
  return summary;
}

}  // namespace

TrainSummary train(Optimizer& optimizer, const TrainingRun& run) {
  return Loop(optimizer, run).run();
}

bool already_trained(const fs::path& output,
                     const std::map<std::string, std::string>& identity,
                     TrainSummary& summary) {
  const auto complain = [&](const std::map<std::string, std::string>& other,
                            std::string_view what) {
    std::string differences;
    for (const auto& [key, value] : identity) {
      const auto found = other.find(key);
      if (found != other.end() && found->second == value) continue;
      differences += fmt::format(
          "{}{} = {}, now it is {}", differences.empty() ? "" : "; ", key,
          found == other.end() ? "(nothing)" : found->second, value);
    }
    if (!differences.empty())
      throw UsageError(
          "{} holds {} with {}; name another --output, or remove it to start "
          "over",
          output.string(), what, differences);
  };
  if (const auto checkpoint = find_checkpoint(output))
    complain(read_trainer_state(*checkpoint).options, "a run");
  if (!fs::exists(output / "model.safetensors") &&
      !fs::exists(output / "adapter_model.safetensors"))
    return false;
  const fs::path path = output / "training.json";
  if (!fs::exists(path))
    throw UsageError("{} holds another model; name another --output",
                     output.string());
  try {
    const nlohmann::json json = read_json(path);
    complain(json.at("options").get<std::map<std::string, std::string>>(),
             "a model trained");
    visit_summary(summary, [&](const char* name, auto& value) {
      if (json.contains(name)) json.at(name).get_to(value);
    });
  } catch (const Json::exception& error) {
    throw Error("{}: {}", path.string(), error.what());
  }
  remove_checkpoints(output);
  return true;
}

}  // namespace seodang
