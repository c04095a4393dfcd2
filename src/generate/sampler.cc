#include "generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace seodang {
namespace {

// Of all logits at once; Error when they make no distribution.
struct Summary {
  int32_t best = 0;
  double log_sum_exp = 0;
};

Summary summarize(std::span<const float> logits) {
  Summary out;
  for (size_t i = 1; i < logits.size(); ++i)
    if (logits[i] > logits[static_cast<size_t>(out.best)])
      out.best = static_cast<int32_t>(i);
  const float largest = logits[static_cast<size_t>(out.best)];
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - largest);
  if (!std::isfinite(largest) || !std::isfinite(sum))
    throw Error("the model's logits are not numbers; its weights are damaged");
  out.log_sum_exp = largest + std::log(sum);
  return out;
}

struct Option {
  int32_t id;
  double value;  // a logit, later a share of the probability
};

bool better(const Option& a, const Option& b) {
  return a.value != b.value ? a.value > b.value : a.id < b.id;
}

void penalize(std::vector<Option>& options, std::span<const int32_t> history,
              double penalty) {
  std::vector<int32_t> seen(history.begin(), history.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const int32_t id : seen) {
    if (id < 0 || id >= static_cast<int32_t>(options.size())) continue;
    double& logit = options[static_cast<size_t>(id)].value;
    logit = logit > 0 ? logit / penalty : logit * penalty;
  }
}

void penalize_output(std::vector<Option>& options,
                     std::span<const int32_t> output, double frequency,
                     double presence) {
  std::vector<int32_t> sorted(output.begin(), output.end());
  std::sort(sorted.begin(), sorted.end());
  for (auto begin = sorted.begin(); begin != sorted.end();) {
    const auto end = std::upper_bound(begin, sorted.end(), *begin);
    if (*begin >= 0 && *begin < static_cast<int32_t>(options.size()))
      options[static_cast<size_t>(*begin)].value -=
          frequency * static_cast<double>(end - begin) + presence;
    begin = end;
  }
}

// Sorted logits become probabilities that sum to 1.
void softmax(std::vector<Option>& options) {
  const double largest = options[0].value;
  double sum = 0;
  for (Option& o : options) sum += o.value = std::exp(o.value - largest);
  for (Option& o : options) o.value /= sum;
}

// Of probabilities, best first.
void keep_top_p(std::vector<Option>& options, double top_p) {
  double sum = 0;
  size_t kept = 0;
  while (kept < options.size() && sum < top_p) sum += options[kept++].value;
  options.resize(std::max<size_t>(kept, 1));
  for (Option& o : options) o.value /= sum;
}

void keep_min_p(std::vector<Option>& options, double min_p) {
  const double least = min_p * options[0].value;
  while (options.back().value < least) options.pop_back();
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options, uint64_t stream)
    : options_(options), rng_(options.seed, stream) {
  check_options(options);
}

Choice Sampler::choose(std::span<const float> logits,
                       std::span<const int32_t> history, size_t prompt_tokens,
                       int32_t top, const std::vector<bool>* allowed) {
  const Summary summary = summarize(logits);
  Choice choice;
  const bool as_it_is = allowed == nullptr && options_.temperature == 0 &&
                        options_.repetition_penalty == 1 &&
                        options_.frequency_penalty == 0 &&
                        options_.presence_penalty == 0;
  choice.id =
      as_it_is ? summary.best
               : draw(logits, history,
                      history.subspan(std::min(prompt_tokens, history.size())),
                      allowed);
  choice.logprob = static_cast<float>(logits[static_cast<size_t>(choice.id)] -
                                      summary.log_sum_exp);
  if (top > 0) choice.top = most_probable(logits, top);
  return choice;
}

int32_t Sampler::draw(std::span<const float> logits,
                      std::span<const int32_t> history,
                      std::span<const int32_t> output,
                      const std::vector<bool>* allowed) {
  std::vector<Option> options(logits.size());
  for (size_t i = 0; i < logits.size(); ++i)
    options[i] = {static_cast<int32_t>(i), logits[i]};
  if (options_.repetition_penalty != 1)
    penalize(options, history, options_.repetition_penalty);
  if (options_.frequency_penalty != 0 || options_.presence_penalty != 0)
    penalize_output(options, output, options_.frequency_penalty,
                    options_.presence_penalty);
  if (allowed != nullptr)
    std::erase_if(options, [&](const Option& o) {
      return !(*allowed)[static_cast<size_t>(o.id)];
    });
  if (options.empty())
    throw Error("no token of the vocabulary writes what has to come next");
  if (options_.temperature == 0)
    return std::min_element(options.begin(), options.end(), better)->id;

  for (Option& o : options) o.value /= options_.temperature;
  size_t k = options.size();
  if (options_.top_k > 0) k = std::min(k, static_cast<size_t>(options_.top_k));
  std::partial_sort(options.begin(),
                    options.begin() + static_cast<std::ptrdiff_t>(k),
                    options.end(), better);
  options.resize(k);
  softmax(options);
  if (options_.top_p < 1) keep_top_p(options, options_.top_p);
  if (options_.min_p > 0) keep_min_p(options, options_.min_p);
  double sum = 0;
  for (const Option& o : options) sum += o.value;
  double left = rng_.uniform() * sum;
  for (const Option& o : options)
    if ((left -= o.value) < 0) return o.id;
  return options.back().id;
}

std::vector<Candidate> most_probable(std::span<const float> logits,
                                     int32_t count) {
  const double total = summarize(logits).log_sum_exp;
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto end =
      ids.begin() + std::min<std::ptrdiff_t>(count, std::ssize(ids));
  std::partial_sort(ids.begin(), end, ids.end(), [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  std::vector<Candidate> out;
  for (auto id = ids.begin(); id != end; ++id)
    out.push_back(
        {*id, static_cast<float>(logits[static_cast<size_t>(*id)] - total)});
  return out;
}

}  // namespace seodang
