#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "kernels/convert.h"

namespace seodang {
namespace {

// The matrices whose input and output are both hidden.
bool is_hidden_matrix(const NamedTensor& weight) {
  return weight.decayed && weight.name.find(".layers.") != std::string::npos;
}

bool is_of_tokens(const NamedTensor& weight) {
  return weight.name == "model.embed_tokens.weight" ||
         weight.name == "lm_head.weight";
}

}  // namespace

Optimizer::Optimizer(Model model, Dtype precision, bool muon)
    : model_(std::move(model)), precision_(precision), muon_(precision) {
  make_slots(muon);
}

Optimizer::Optimizer(Model model, Adapter adapter, Dtype precision, bool muon)
    : model_(std::move(model)),
      adapter_(std::move(adapter)),
      precision_(precision),
      muon_(precision) {
  make_slots(muon);
}

// Base weights, whose gradients and copies are none where only an adapter
// learns, and in `memory` what learns.
Weights Optimizer::lay_out(void* memory, Dtype dtype) const {
  if (!adapter_) return weights_at(config(), memory, dtype);
  Weights weights;
  weights.layers.resize(static_cast<size_t>(config().num_hidden_layers));
  for (const Adapter::Part& part : adapter_->parts_at(memory, dtype))
    attach(part, config(), weights);
  return weights;
}

void Optimizer::make_slots(bool muon) {
  const int64_t size = memory().size();
  gradient_memory_ = OwnedTensor(Dtype::f32, 1, size);
  first_ = OwnedTensor(Dtype::f32, 1, size);
  gradients_ = lay_out(gradient_memory_.view().data, Dtype::f32);
  if (precision_ != Dtype::f32) copy_ = OwnedTensor(precision_, 1, size);
  void* const read =
      precision_ == Dtype::f32 ? memory().data : copy_.view().data;
  if (adapter_) {
    weights_ = model_.weights();
    for (const Adapter::Part& part : adapter_->parts_at(read, precision_))
      attach(part, config(), weights_);
  } else {
    weights_ = lay_out(read, precision_);
  }
  const float* masters_begin = memory().row<float>(0);
  int64_t second = 0;
  for (NamedTensor& weight : masters()) {
    Slot slot{.master = std::move(weight), .second_at = second};
    slot.at = slot.master.tensor.row<float>(0) - masters_begin;
    slot.muon = muon && is_hidden_matrix(slot.master);
    if (!slot.muon) second += slot.master.tensor.size();
    slots_.push_back(std::move(slot));
  }
  second_ = OwnedTensor(Dtype::f32, 1, second);
  refresh();
}

void Optimizer::freeze_embeddings() {
  gradients_.embed_tokens = gradients_.lm_head = {};
  std::erase_if(slots_,
                [](const Slot& slot) { return is_of_tokens(slot.master); });
}

void Optimizer::freeze_embeddings_but(const std::vector<int32_t>& learned) {
  learned_rows_.clear();
  for (const int32_t row : learned) {
    if (learned_rows_.empty() || learned_rows_.back().end != row)
      learned_rows_.push_back({row, row});
    learned_rows_.back().end = row + 1;
  }
}

void Optimizer::clear_frozen_rows() {
  if (learned_rows_.empty()) return;
  for (const Slot& slot : slots_) {
    if (!is_of_tokens(slot.master)) continue;
    const Tensor gradient = part(gradient_memory_, slot, slot.at);
    int64_t row = 0;
    const auto clear_until = [&](int64_t end) {
      for (; row < end; ++row)
        std::fill_n(gradient.row<float>(row), gradient.cols, 0.0f);
    };
    for (const Rows& rows : learned_rows_) {
      clear_until(rows.begin);
      row = rows.end;
    }
    clear_until(gradient.rows);
  }
}

std::vector<NamedTensor> Optimizer::masters() const {
  return adapter_ ? adapter_->named()
                  : named_weights(config(), model_.weights());
}

int64_t Optimizer::num_trainable_parameters() const {
  int64_t sum = 0;
  for (const Slot& slot : slots_) sum += slot.master.tensor.size();
  return sum;
}

void Optimizer::save(const std::filesystem::path& directory) const {
  if (adapter_)
    adapter_->save(directory);
  else
    save_model(directory, config(), model_.weights());
}

void Optimizer::load(const std::filesystem::path& directory) {
  std::vector<NamedTensor> from;
  std::optional<Adapter> adapter;
  std::optional<Model> model;
  if (adapter_) {
    adapter.emplace(Adapter::load(directory, config()));
    from = adapter->named();
  } else {
    model.emplace(Model::load(directory, Dtype::f32));
    from = named_weights(model->config(), model->weights());
  }
  const auto to = masters();
  if (from.size() != to.size())
    throw Error("{}: not a checkpoint of this model", directory.string());
  for (size_t i = 0; i < to.size(); ++i) {
    if (from[i].name != to[i].name ||
        from[i].tensor.rows != to[i].tensor.rows ||
        from[i].tensor.cols != to[i].tensor.cols)
      throw Error("{}: tensor {} has another shape than in this run",
                  directory.string(), to[i].name);
    convert(to[i].tensor, from[i].tensor);
  }
  refresh();
}

OwnedTensor Optimizer::snapshot() const {
  OwnedTensor copy(Dtype::f32, 1, memory().size());
  convert(copy, memory());
  return copy;
}

void Optimizer::interpolate(const OwnedTensor& start, const OwnedTensor& end,
                            float share) {
  float* to = memory().row<float>(0);
  const float* a = start.view().row<float>(0);
  const float* b = end.view().row<float>(0);
  for (int64_t i = 0; i < memory().size(); ++i)
    to[i] = share == 1 ? b[i] : a[i] + share * (b[i] - a[i]);
  refresh();
}

void Optimizer::refresh() {
  if (precision_ != Dtype::f32) convert(copy_, memory());
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
  auto bytes = static_cast<int64_t>(gradient_memory_.bytes() + first_.bytes() +
                                    second_.bytes() + copy_.bytes()) +
               memory().size() * int64_t{sizeof(float)};
  if (adapter_)
    for (const NamedTensor& weight : named_weights(config(), model_.weights()))
      bytes += static_cast<int64_t>(
          bytes_of(weight.tensor.dtype, weight.tensor.size()));
  return bytes;
}

double Optimizer::gradient_norm() {
  clear_frozen_rows();
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
    const Tensor second = part(second_, slot, slot.second_at);
    const auto step_rows = [&](int64_t begin, int64_t end) {
      adamw_step(weight.row<float>(begin),
                 copy ? copy.row<bf16>(begin) : nullptr,
                 first.row<float>(begin), second.row<float>(begin),
                 gradient.row<float>(begin), (end - begin) * weight.cols, step,
                 options);
    };
    if (!is_of_tokens(slot.master) || learned_rows_.empty()) {
      step_rows(0, weight.rows);
    } else {
      for (const Rows& rows : learned_rows_) step_rows(rows.begin, rows.end);
    }
  }
}

}  // namespace seodang
