#include "train/optimizer.h"

#include <cmath>
#include <utility>

#include "kernels/convert.h"

namespace seodang {
namespace {

// The matrices whose input and output are both hidden.
bool is_hidden_matrix(const NamedTensor& weight) {
  return weight.decayed && weight.name.find(".layers.") != std::string::npos;
}

}  // namespace

Optimizer::Optimizer(Model model, Dtype precision, bool muon)
    : model_(std::move(model)), precision_(precision), muon_(precision) {
  const int64_t size = weights_size(config());
  gradient_memory_ = OwnedTensor(Dtype::f32, 1, size);
  first_ = OwnedTensor(Dtype::f32, 1, size);
  gradients_ = weights_at(config(), gradient_memory_.view().data, Dtype::f32);
  if (precision_ == Dtype::f32) {
    weights_ = model_.weights();
  } else {
    copy_ = OwnedTensor(precision_, 1, size);
    weights_ = weights_at(config(), copy_.view().data, precision_);
  }
  const float* masters = model_.memory().row<float>(0);
  int64_t second = 0;
  for (NamedTensor& weight : named_weights(config(), model_.weights())) {
    Slot slot{.master = std::move(weight), .second_at = second};
    slot.at = slot.master.tensor.row<float>(0) - masters;
    slot.muon = muon && is_hidden_matrix(slot.master);
    if (!slot.muon) second += slot.master.tensor.size();
    slots_.push_back(std::move(slot));
  }
  second_ = OwnedTensor(Dtype::f32, 1, second);
  refresh();
}

void Optimizer::refresh() {
  if (precision_ != Dtype::f32) convert(copy_, model_.memory());
}

Tensor Optimizer::part(const OwnedTensor& memory, const Slot& slot,
                       int64_t at) const {
  const Tensor& like = slot.master.tensor;
  if (!memory.view()) return {};
  return {memory.view().cols_from(at, like.size()).data, memory.view().dtype,
          like.rows, like.cols};
}

std::vector<NamedTensor> Optimizer::moments() const {
  std::vector<NamedTensor> out;
  const auto add = [&](const char* prefix, const Slot& slot, Tensor moment) {
    out.push_back({prefix + slot.master.name, moment, slot.master.decayed});
  };
  for (const Slot& slot : slots_)
    add(slot.muon ? "momentum_buffer." : "exp_avg.", slot,
        part(first_, slot, slot.at));
  for (const Slot& slot : slots_)
    if (!slot.muon)
      add("exp_avg_sq.", slot, part(second_, slot, slot.second_at));
  return out;
}

int64_t Optimizer::bytes() const {
  return static_cast<int64_t>(gradient_memory_.bytes() + first_.bytes() +
                              second_.bytes() + copy_.bytes()) +
         model_.memory().size() * int64_t{sizeof(float)};
}

double Optimizer::gradient_norm() const {
  return std::sqrt(sum_of_squares(gradient_memory_.view().row<float>(0),
                                  gradient_memory_.view().size()));
}

void Optimizer::step(int64_t step, AdamW options, float momentum) {
  const float decay = options.weight_decay;
  for (const Slot& slot : slots_) {
    const Tensor weight = slot.master.tensor, copy = part(copy_, slot, slot.at),
                 first = part(first_, slot, slot.at),
                 gradient = part(gradient_memory_, slot, slot.at);
    if (slot.muon) {
      muon_.step(weight, copy, first, gradient,
                 {.learning_rate = options.learning_rate,
                  .momentum = momentum,
                  .weight_decay = decay,
                  .grad_scale = options.grad_scale});
      continue;
    }
    options.weight_decay = slot.master.decayed ? decay : 0;
    adamw_step(weight.row<float>(0), copy ? copy.row<bf16>(0) : nullptr,
               first.row<float>(0),
               part(second_, slot, slot.second_at).row<float>(0),
               gradient.row<float>(0), weight.size(), step, options);
  }
}

}  // namespace seodang
