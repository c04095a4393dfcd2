#include "eval/probe.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace seodang {

Probe::Probe(const Tokenizer& tokenizer, std::span<const Question> questions) {
  for (const Question& question : questions) add(tokenizer, question);
}

Probe::Probe(const Tokenizer& tokenizer,
             const std::vector<std::string>& suites) {
  for (const std::string& path : suites)
    for (const Question& question : load_suite(path).questions)
      add(tokenizer, question);
  if (items_.empty())
    throw Error("{}: no question with a cloze to probe",
                suites.empty() ? "no suite" : suites.front());
}

void Probe::add(const Tokenizer& tokenizer, const Question& question) {
  facts_.push_back(question.cloze.empty() ? 0 : 1 + question.wrong.size());
  if (question.cloze.empty()) return;
  const std::vector<int32_t> prompt = tokenizer.encode_prompt(question.cloze);
  const auto add_fact = [&](const std::string& fact) {
    items_.push_back(
        {prompt, tokenizer.encode(" " + fact, {.continues = true})});
  };
  add_fact(question.answers[0]);
  for (const std::string& fact : question.wrong) add_fact(fact);
}

std::vector<std::optional<ProbeScore>> Probe::scores(
    const ModelConfig& config, const Weights& weights) const {
  const std::vector<double> all = log_probabilities(config, weights, items_);
  std::vector<std::optional<ProbeScore>> result;
  size_t next = 0;
  for (const size_t count : facts_) {
    result.emplace_back();
    if (count == 0) continue;
    const auto facts = std::span(all).subspan(next, count);
    next += count;
    const double best = *std::ranges::max_element(facts);
    double total = 0;
    for (const double score : facts) total += std::exp(score - best);
    result.back() = {
        .right = std::exp(facts[0] - best) / total,
        .top1 = std::ranges::all_of(
            facts.subspan(1), [&](double score) { return score < facts[0]; })};
  }
  return result;
}

double Probe::mean(const ModelConfig& config, const Weights& weights) const {
  double sum = 0, n = 0;
  for (const auto& score : scores(config, weights))
    if (score) {
      sum += score->right;
      n += 1;
    }
  return n > 0 ? sum / n : 0;
}

double Probe::chance() const {
  double sum = 0, n = 0;
  for (const size_t count : facts_)
    if (count > 0) {
      sum += 1 / static_cast<double>(count);
      n += 1;
    }
  return n > 0 ? sum / n : 0;
}

}  // namespace seodang
