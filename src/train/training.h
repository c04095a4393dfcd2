// Stages of training, which differ in data and loss, not in loop. The third is
// train/finetune.h.
#pragma once

#include <cstdint>
#include <string>

#include "train/options.h"

namespace seodang {

struct ExampleCounts {
  int64_t learned = 0;                 // that were learned from
  int64_t dropped = 0, truncated = 0;  // that were longer than the context
};

struct TrainSummary {
  int64_t steps = 0;
  int64_t tokens = 0;
  double seconds = 0;
  double train_loss = 0, validation_loss = 0;  // nats per token, at the end
  double tokens_per_second = 0;
  // Of the suites that were probed, before the first step and at the end.
  double probe_before = 0, probe = 0;
  // Of the pairs held out, the share in which the chosen answer gained on the
  // rejected one (train/preference.h).
  double reward_accuracy = 0;
  double peak_share = 0;  // model FLOP/s over the measured product peak
  // Bytes: of this process at most, and as they were predicted.
  int64_t peak_memory = 0, predicted_memory = 0;
  ExampleCounts examples;
  std::string stopped_because;  // "done", "patience", "until-probe", "minutes"
  // The step whose weights were kept: the last one, or with patience the one
  // that validated best, whose validation_loss is then told.
  int64_t kept_step = 0;
};

// visit(name, value) for each figure, under its name in training.json and
// --json.
template <class Summary, class Visit>
void visit_summary(Summary& s, Visit&& visit) {
  visit("steps", s.steps);
  visit("tokens", s.tokens);
  visit("seconds", s.seconds);
  visit("train_loss", s.train_loss);
  visit("validation_loss", s.validation_loss);
  visit("probe_before", s.probe_before);
  visit("probe", s.probe);
  visit("reward_accuracy", s.reward_accuracy);
  visit("tokens_per_second", s.tokens_per_second);
  visit("peak_share", s.peak_share);
  visit("peak_memory", s.peak_memory);
  visit("predicted_memory", s.predicted_memory);
  visit("stopped_because", s.stopped_because);
  visit("kept_step", s.kept_step);
  visit("examples", s.examples.learned);
  visit("examples_dropped", s.examples.dropped);
  visit("examples_truncated", s.examples.truncated);
}

// Several ranks (train/ranks.h) train as one: all call these, all get the same
// model, and the summary is the root's.

// Learns to predict the next token of `options.data`. While it runs,
// `options.output` holds metrics.jsonl and checkpoint-STEP/; in the end the
// model itself. Where a checkpoint of the same run is found, it goes on from
// there; one of other options is a UsageError that names what differs.
TrainSummary pretrain(const PretrainOptions& options);

// Learns to answer: loss on the outputs of the examples alone, through the chat
// template that it writes into the model. With options.lora `options.output`
// becomes an adapter, else a model.
TrainSummary instruct(const InstructOptions& options);

}  // namespace seodang
