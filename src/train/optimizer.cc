#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <span>
#include <utility>

#include "base/error.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"

namespace seodang {
namespace {

// Moments in files are called KIND.NAME.
constexpr const char *kFirst = "exp_avg.", *kSecond = "exp_avg_sq.",
                     *kMomentum = "momentum_buffer.";

// The matrices whose input and output are both hidden.
bool is_hidden_matrix(const NamedTensor& weight) {
  return weight.decayed && weight.name.find(".layers.") != std::string::npos;
}

// GradientsReady: when the gradient of a weight is complete.
int64_t ready_with(const std::string& name, int64_t num_hidden_layers) {
  constexpr std::string_view kLayers = ".layers.";
  if (const size_t at = name.find(kLayers); at != std::string::npos)
    return std::atoll(name.c_str() + at + kLayers.size());
  return name.find("embed_tokens") == std::string::npos ? num_hidden_layers
                                                        : -1;
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
  void* const read = read_memory().data;
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
  make_buckets();
  refresh();
}

void Optimizer::make_buckets() {
  buckets_.clear();
  const int64_t depth = config().num_hidden_layers;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const int64_t layer = ready_with(slots_[i].master.name, depth);
    if (buckets_.empty() || buckets_.back().layer != layer)
      buckets_.push_back({.layer = layer, .begin = i, .end = i, .bounds = {}});
    buckets_.back().end = i + 1;
  }
  for (Bucket& bucket : buckets_) {
    const std::span slots(&slots_[bucket.begin], bucket.end - bucket.begin);
    const int64_t begin = slots.front().at,
                  end = slots.back().at + slots.back().master.tensor.size();
    for (int rank = 0; rank <= ranks_.size(); ++rank) {
      constexpr int64_t kLine = 16;  // numbers of a cache line
      int64_t bound = begin + (end - begin) * rank / ranks_.size();
      if (rank > 0 && rank < ranks_.size()) bound -= (bound - begin) % kLine;
      // Muon needs whole matrices.
      for (const Slot& slot : slots)
        if (const int64_t size = slot.master.tensor.size();
            slot.muon && slot.at < bound && bound < slot.at + size)
          bound = bound - slot.at < size / 2 ? slot.at : slot.at + size;
      bucket.bounds.push_back(bound);
    }
  }
  std::ranges::stable_sort(buckets_, std::greater(), &Bucket::layer);
}

Optimizer::Range Optimizer::own(const Bucket& bucket) const {
  const auto rank = static_cast<size_t>(ranks_.rank());
  return {bucket.bounds[rank], bucket.bounds[rank + 1]};
}

Optimizer::Range Optimizer::own(const Bucket& bucket, const Slot& slot) const {
  const auto within = [&](int64_t number) {
    return std::clamp<int64_t>(number - slot.at, 0, slot.master.tensor.size());
  };
  return {within(own(bucket).begin), within(own(bucket).end)};
}

template <class Visit>
void Optimizer::for_each_slot(Visit&& visit) const {
  for (const Bucket& bucket : buckets_)
    for (size_t i = bucket.begin; i < bucket.end; ++i) visit(bucket, slots_[i]);
}

void Optimizer::clear_others(Tensor memory, const Bucket& bucket,
                             const Slot& slot, int64_t at) const {
  const Range kept = own(bucket, slot);
  const auto clear = [&](int64_t begin, int64_t end) {
    if (begin < end)
      clear_pages(memory.row<float>(0) + at + begin,
                  static_cast<size_t>(end - begin) * sizeof(float));
  };
  clear(0, kept.begin);
  clear(kept.end, slot.master.tensor.size());
}

void Optimizer::gather(Tensor memory, const Bucket& bucket, const Slot& slot,
                       int64_t at) const {
  const int64_t size = slot.master.tensor.size();
  std::vector<int64_t> bounds = bucket.bounds;
  for (int64_t& bound : bounds)
    bound = std::clamp<int64_t>(bound - slot.at, 0, size);
  ranks_.gather(memory.cols_from(at, size), bounds);
}

void Optimizer::shard() {
  if (ranks_.size() == 1) return;
  sharded_ = true;
  for_each_slot([&](const Bucket& bucket, const Slot& slot) {
    if (precision_ != Dtype::f32) clear_others(memory(), bucket, slot, slot.at);
    clear_others(first_, bucket, slot, slot.at);
    if (!slot.muon) clear_others(second_, bucket, slot, slot.second_at);
  });
}

void Optimizer::gather_masters() {
  if (ranks_.size() == 1) return;
  sharded_ = false;
  // They are zeros between steps: their memory serves what is collected.
  if (ranks_.root())
    clear_pages(gradient_memory_.view().data, gradient_memory_.bytes());
  if (precision_ == Dtype::f32) return;
  for_each_slot([&](const Bucket& bucket, const Slot& slot) {
    gather(memory(), bucket, slot, slot.at);
  });
  ranks_.wait();
}

void Optimizer::gather_all() {
  if (ranks_.size() == 1) return;
  gather_masters();
  for_each_slot([&](const Bucket& bucket, const Slot& slot) {
    gather(first_, bucket, slot, slot.at);
    if (!slot.muon) gather(second_, bucket, slot, slot.second_at);
  });
  ranks_.wait();
}

void Optimizer::freeze_embeddings() {
  gradients_.embed_tokens = gradients_.lm_head = {};
  std::erase_if(slots_,
                [](const Slot& slot) { return is_of_tokens(slot.master); });
  make_buckets();
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
  if (sharded_) shard();
  refresh();
}

void Optimizer::load_moments(const std::filesystem::path& file) {
  const SafetensorsFile from(file);
  for_each_slot([&](const Bucket& bucket, const Slot& slot) {
    const auto load = [&](const char* kind, const OwnedTensor& to, int64_t at) {
      const Tensor moment = part(to, slot, at);
      convert(moment,
              from.tensor(kind + slot.master.name, {moment.rows, moment.cols}));
      if (sharded_) clear_others(to, bucket, slot, at);
    };
    load(slot.muon ? kMomentum : kFirst, first_, slot.at);
    if (!slot.muon) load(kSecond, second_, slot.second_at);
  });
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
  if (!sharded_) {
    if (precision_ != Dtype::f32) convert(copy_, memory());
    return;
  }
  for (const Bucket& bucket : buckets_) {
    const Range kept = own(bucket);
    if (precision_ != Dtype::f32 && kept.size() > 0)
      convert(copy_.view().cols_from(kept.begin, kept.size()),
              memory().cols_from(kept.begin, kept.size()));
    ranks_.all_gather(read_memory(), bucket.bounds);
  }
  ranks_.wait();
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
    add(slot.muon ? kMomentum : kFirst, slot, part(first_, slot, slot.at));
  for (const Slot& slot : slots_)
    if (!slot.muon) add(kSecond, slot, part(second_, slot, slot.second_at));
  return out;
}

int64_t Optimizer::bytes() const {
  constexpr int64_t kF32 = sizeof(float);
  const bool all_masters = precision_ == Dtype::f32 || ranks_.size() == 1;
  auto bytes = static_cast<int64_t>(gradient_memory_.bytes() + copy_.bytes());
  if (all_masters) bytes += memory().size() * kF32;
  if (ranks_.size() == 1) {
    bytes += static_cast<int64_t>(first_.bytes() + second_.bytes());
  } else {
    for_each_slot([&](const Bucket& bucket, const Slot& slot) {
      bytes += own(bucket, slot).size() * kF32 *
               ((all_masters ? 0 : 1) + (slot.muon ? 1 : 2));
    });
  }
  if (adapter_)
    for (const NamedTensor& weight : named_weights(config(), model_.weights()))
      bytes += static_cast<int64_t>(
          bytes_of(weight.tensor.dtype, weight.tensor.size()));
  return bytes;
}

void Optimizer::gradients_ready(int64_t layer) {
  for (; summed_ < buckets_.size() && buckets_[summed_].layer >= layer;
       ++summed_)
    ranks_.reduce_scatter(gradient_memory_, buckets_[summed_].bounds);
}

double Optimizer::gradient_norm() {
  gradients_ready(-1);
  ranks_.wait();
  clear_frozen_rows();
  const Tensor gradients = gradient_memory_;
  if (ranks_.size() == 1)
    return std::sqrt(sum_of_squares(gradients.row<float>(0), gradients.cols));
  double sum = 0;
  for (const Bucket& bucket : buckets_)
    sum += sum_of_squares(gradients.row<float>(0) + own(bucket).begin,
                          own(bucket).size());
  ranks_.sum({&sum, 1});
  return std::sqrt(sum);
}

// Of the numbers in `range`, those in rows that learn.
void Optimizer::step_adamw(const Slot& slot, Range range, int64_t step,
                           const AdamW& options) const {
  const Tensor weight = slot.master.tensor, copy = part(copy_, slot, slot.at),
               first = part(first_, slot, slot.at),
               second = part(second_, slot, slot.second_at),
               gradient = part(gradient_memory_, slot, slot.at);
  const auto step_numbers = [&](int64_t begin, int64_t end) {
    begin = std::max(begin, range.begin);
    end = std::min(end, range.end);
    if (begin < end)
      adamw_step(weight.row<float>(0) + begin,
                 copy ? copy.row<bf16>(0) + begin : nullptr,
                 first.row<float>(0) + begin, second.row<float>(0) + begin,
                 gradient.row<float>(0) + begin, end - begin, step, options);
  };
  if (!is_of_tokens(slot.master) || learned_rows_.empty()) {
    step_numbers(0, weight.size());
  } else {
    for (const Rows& rows : learned_rows_)
      step_numbers(rows.begin * weight.cols, rows.end * weight.cols);
  }
}

void Optimizer::step(int64_t step, AdamW options, float momentum) {
  const float decay = options.weight_decay;
  for (const Bucket& bucket : buckets_) {
    for (size_t i = bucket.begin; i < bucket.end; ++i) {
      const Slot& slot = slots_[i];
      const Range range = own(bucket, slot);
      if (!slot.muon) {
        options.weight_decay = slot.master.decayed ? decay : 0;
        step_adamw(slot, range, step, options);
      } else if (range.size() > 0) {
        muon_.step(slot.master.tensor, part(copy_, slot, slot.at),
                   part(first_, slot, slot.at),
                   part(gradient_memory_, slot, slot.at),
                   {.learning_rate = options.learning_rate,
                    .momentum = momentum,
                    .weight_decay = decay,
                    .grad_scale = options.grad_scale});
      }
    }
    ranks_.all_gather(read_memory(), bucket.bounds);
  }
  // Its own are zero already.
  for (const Bucket& bucket : buckets_) {
    float* gradient = gradient_memory_.view().row<float>(0);
    const Range kept = own(bucket);
    std::fill(gradient + bucket.bounds.front(), gradient + kept.begin, 0.0f);
    std::fill(gradient + kept.end, gradient + bucket.bounds.back(), 0.0f);
  }
  summed_ = 0;
  ranks_.wait();
}

}  // namespace seodang
