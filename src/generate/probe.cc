#include "generate/probe.h"

#include <fmt/format.h>

#include <algorithm>

#include "generate/generation.h"

namespace seodang {
namespace {

constexpr const char* kQuestions[] = {
    "대한민국의 수도는 어디입니까?",
    "What is the capital of France?",
    "하늘은 무슨 색입니까?",
    "Say hello to my friend, please.",
};

bool is_answer(const std::string& question, const std::string& text) {
  return text.find_first_not_of(" \t\r\n") != std::string::npos &&
         text.find(question) == std::string::npos &&
         text.find('?') == std::string::npos;
}

}  // namespace

std::vector<ProbeAnswer> probe(const LanguageModel& model) {
  GenerateOptions options;
  options.max_new_tokens = 48;
  options.end_tokens = model.end_tokens();
  std::vector<ProbeAnswer> out;
  std::vector<std::vector<int32_t>> prompts;
  for (const bool through_template : {false, true}) {
    if (through_template && model.tokenizer().chat_template().empty()) break;
    for (const char* question : kQuestions) {
      const Message message{"user", question};
      prompts.push_back(through_template ? model.encode_chat({&message, 1})
                                         : model.encode_text(question));
      out.push_back({question, through_template, {}, false, false});
    }
  }
  const auto generations = generate_batch(model.config(), model.weights(),
                                          model.tokenizer(), prompts, options);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].text = generations[i].text;
    out[i].stopped = generations[i].stop == StopReason::eos;
    out[i].answered = out[i].stopped && is_answer(out[i].question, out[i].text);
  }
  return out;
}

void judge_answers(const std::vector<ProbeAnswer>& answers,
                   KindVerdict& verdict) {
  for (const bool through_template : {false, true}) {
    int asked = 0, stopped = 0, answered = 0;
    for (const ProbeAnswer& answer : answers) {
      if (answer.through_template != through_template) continue;
      ++asked;
      stopped += answer.stopped ? 1 : 0;
      answered += answer.answered ? 1 : 0;
    }
    if (asked == 0) continue;
    // A base model may stop where a document ends; that tells less.
    const double most = through_template ? 3 : 1;
    const double share = static_cast<double>(answered) / asked;
    verdict.add(
        most * (2 * share - 1),
        fmt::format("asked {}, it stopped in {} of {} and answered in "
                    "{}",
                    through_template ? "through its template" : "in bare text",
                    stopped, asked, answered));
  }
}

}  // namespace seodang
