#include "train/optimizer.h"

#include <cmath>
#include <utility>

#include "kernels/convert.h"

namespace seodang {

Optimizer::Optimizer(Model model, Dtype precision)
    : model_(std::move(model)), precision_(precision) {
  const int64_t size = weights_size(config());
  gradient_memory_ = OwnedTensor(Dtype::f32, 1, size);
  first_ = OwnedTensor(Dtype::f32, 1, size);
  second_ = OwnedTensor(Dtype::f32, 1, size);
  gradients_ = weights_at(config(), gradient_memory_.view().data, Dtype::f32);
  if (precision_ == Dtype::f32) {
    weights_ = model_.weights();
  } else {
    copy_ = OwnedTensor(precision_, 1, size);
    weights_ = weights_at(config(), copy_.view().data, precision_);
  }
  named_ = named_weights(config(), model_.weights());
  refresh();
}

void Optimizer::refresh() {
  if (precision_ != Dtype::f32) convert(copy_, model_.memory());
}

std::vector<NamedTensor> Optimizer::moments() const {
  std::vector<NamedTensor> out;
  const auto add = [&](const char* prefix, const OwnedTensor& memory) {
    const Weights at = weights_at(config(), memory.view().data, Dtype::f32);
    for (NamedTensor& moment : named_weights(config(), at)) {
      moment.name = prefix + moment.name;
      out.push_back(std::move(moment));
    }
  };
  add("exp_avg.", first_);
  add("exp_avg_sq.", second_);
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

void Optimizer::step(int64_t step, AdamW options) {
  const float decay = options.weight_decay;
  float* masters = model_.memory().row<float>(0);
  bf16* copies = precision_ == Dtype::f32 ? nullptr : copy_.view().row<bf16>(0);
  for (const NamedTensor& weight : named_) {
    const int64_t at = weight.tensor.row<float>(0) - masters;
    options.weight_decay = weight.decayed ? decay : 0;
    adamw_step(masters + at, copies == nullptr ? nullptr : copies + at,
               first_.view().row<float>(0) + at,
               second_.view().row<float>(0) + at,
               gradient_memory_.view().row<float>(0) + at, weight.tensor.size(),
               step, options);
  }
}

}  // namespace seodang
