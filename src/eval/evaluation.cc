#include "eval/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numbers>
#include <utility>

#include "base/concurrent.h"
#include "base/error.h"
#include "base/progress.h"
#include "data/conversations.h"
#include "eval/answer.h"
#include "eval/probe.h"
#include "generate/generation.h"
#include "generate/scoring.h"

namespace seodang {
namespace {

// How many of `count` items the limit leaves.
int64_t used(size_t count, const EvalOptions& options) {
  const auto all = static_cast<int64_t>(count);
  return options.limit > 0 ? std::min(all, options.limit) : all;
}

int64_t items_of(const std::vector<Suite>& suites, const EvalOptions& options) {
  int64_t sum = 0;
  for (const Suite& suite : suites)
    sum += used(suite.questions.size(), options) +
           used(suite.texts.size(), options) + used(suite.task.size(), options);
  return sum;
}

EvalOptions shown_by(Progress& progress, EvalOptions options) {
  options.progress = [&](int64_t done, const std::string& what) {
    progress.update(done, what);
  };
  return options;
}

// A model that is here, or one of which there are only answers.
struct Examinee {
  std::filesystem::path path;
  const LanguageModel* model = nullptr;
  Answerer answerer = {};

  ModelKind kind() const {
    return model != nullptr ? model->kind() : ModelKind::instruct;
  }
};

// One model on one suite.
class Examination {
 public:
  // `tell` hears how many of the suite's items are done.
  Examination(const Examinee& examinee, const Suite& suite,
              const EvalOptions& options,
              const std::function<void(int64_t)>& tell)
      : examinee_(examinee), suite_(suite), options_(options), tell_(tell) {
    result_.name = suite.name;
  }

  SuiteResult run() {
    if (!suite_.questions.empty()) {
      take(suite_.questions, questions_);
      result_.n = std::ssize(questions_);
      answer();
      if (examinee_.kind() == ModelKind::base && !suite_.frame.empty()) {
        in_frame(0, &AnswerRecord::framed, "correct_framed");
        if (!suite_.shots.empty())
          in_frame(suite_.shots.size(), &AnswerRecord::few_shot,
                   "correct_few_shot");
      }
      if (examinee_.model != nullptr) probe();
    }
    if (!suite_.texts.empty() && examinee_.model != nullptr) read_texts();
    if (!suite_.task.empty()) do_task();
    return std::move(result_);
  }

 private:
  template <class T>
  void take(const std::vector<T>& all, std::vector<T>& some) const {
    const auto count = used(all.size(), options_);
    some.assign(all.begin(), all.begin() + count);
  }

  static std::string text_of(const std::vector<Message>& messages) {
    std::string text;
    for (const Message& message : messages)
      text += (text.empty() ? "" : "\n\n") + message.content;
    return text;
  }

  const LanguageModel& model() const { return *examinee_.model; }

  // Greedily, up to an end token or a text of `stop`.
  std::vector<Generation> continue_all(
      const std::vector<std::vector<int32_t>>& prompts,
      std::vector<std::string> stop, const std::function<void(size_t)>& on_done,
      int64_t max_new_tokens) const {
    GenerateOptions generation;
    generation.max_new_tokens = max_new_tokens;
    generation.end_tokens = model().end_tokens();
    generation.stop = std::move(stop);
    return generate_batch(model().config(), model().weights(),
                          model().tokenizer(), prompts, generation,
                          options_.batch_size, on_done);
  }

  // A base model gets the bare text, an instruct model its chat template.
  std::vector<Generation> answer_all(
      const std::vector<std::vector<Message>>& conversations,
      int64_t max_new_tokens) const {
    const auto on_done = [&](size_t done) {
      tell_(static_cast<int64_t>(done));
    };
    if (examinee_.model == nullptr)
      return ask_all(conversations, max_new_tokens, on_done);
    std::vector<std::vector<int32_t>> prompts;
    for (const std::vector<Message>& messages : conversations)
      prompts.push_back(examinee_.kind() == ModelKind::base
                            ? model().encode_text(text_of(messages))
                            : model().encode_chat(messages));
    return continue_all(prompts, {}, on_done, max_new_tokens);
  }

  // Some at a time of who is elsewhere.
  std::vector<Generation> ask_all(
      const std::vector<std::vector<Message>>& conversations,
      int64_t max_new_tokens,
      const std::function<void(size_t)>& on_done) const {
    constexpr int kAtOnce = 8;
    std::vector<Generation> out(conversations.size());
    std::mutex mutex;
    size_t done = 0;
    concurrently(conversations.size(), kAtOnce, [&](size_t i) {
      out[i] = examinee_.answerer(conversations[i], max_new_tokens);
      const std::lock_guard lock(mutex);
      on_done(++done);
    });
    return out;
  }

  void answer() {
    std::vector<std::vector<Message>> conversations;
    for (const Question& question : questions_) {
      AnswerRecord record;
      record.id = question.id;
      record.kind = question.kind;
      record.answers = question.answers;
      record.prompt = instruction_prompt(question.instruction, question.input);
      conversations.push_back({{"user", record.prompt}});
      result_.records.push_back(std::move(record));
    }
    const auto outputs = answer_all(conversations, options_.max_new_tokens);

    double well_formed = 0, correct = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      AnswerRecord& record = result_.records[i];
      record.text = outputs[i].text;
      record.stop = name_of(outputs[i].stop);
      record.ill_formed = grader_.ill_formed_because(
          questions_[i], record.text, outputs[i].stop == StopReason::eos);
      record.correct = grader_.correct(questions_[i], record.text);
      well_formed += record.well_formed();
      correct += record.correct;
    }
    const auto n = static_cast<double>(outputs.size());
    result_.metrics["answer_rate"] = well_formed / n;
    result_.metrics["correct"] = correct / n;
  }

  // Outputs may be half as long again as the longest that an example wants.
  void do_task() {
    std::vector<TaskItem> items;
    take(suite_.task, items);
    result_.n = std::ssize(items);
    std::vector<std::string> texts;
    size_t longest = 0;
    for (const TaskItem& item : suite_.task) {
      texts.push_back(text_of(item.messages));
      // No token is less than a byte, where nothing else is known of them.
      longest = std::max(longest,
                         examinee_.model == nullptr
                             ? item.output.size()
                             : model().tokenizer().encode(item.output).size());
    }
    suite_.scorer.check_fits(texts);
    std::vector<std::vector<Message>> conversations;
    for (const TaskItem& item : items) conversations.push_back(item.messages);
    const auto outputs = answer_all(
        conversations, static_cast<int64_t>(longest + longest / 2 + 1));
    double score = 0, complete = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      AnswerRecord record;
      record.id = std::to_string(i + 1);
      record.prompt = texts[i];
      record.answers = {items[i].output};
      record.text = outputs[i].text;
      record.stop = name_of(outputs[i].stop);
      const bool stopped = outputs[i].stop == StopReason::eos;
      if (!stopped) record.ill_formed = "did not stop by itself";
      Verdict verdict =
          suite_.scorer.judge(texts[i], record.text, items[i].output, stopped);
      record.score = verdict.score;
      record.correct = verdict.complete();
      record.failed = std::move(verdict.failed);
      score += *record.score;
      complete += record.correct;
      result_.records.push_back(std::move(record));
    }
    const auto n = static_cast<double>(items.size());
    result_.metrics["score"] = score / n;
    result_.metrics["complete"] = complete / n;
  }

  // A fair chance for a model that only continues texts: a frame behind which
  // an answer is due, and the rest of that line.
  void in_frame(size_t shots,
                std::optional<AnswerRecord::Framed> AnswerRecord::*part,
                const char* metric) {
    std::vector<std::vector<int32_t>> prompts;
    for (const AnswerRecord& record : result_.records)
      prompts.push_back(
          model().encode_text(framed(suite_, record.prompt, shots)));
    const auto outputs =
        continue_all(prompts, {"\n"}, {}, options_.max_new_tokens);
    double correct = 0;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const bool right = grader_.correct(questions_[i], outputs[i].text);
      result_.records[i].*part = {outputs[i].text, right};
      correct += right;
    }
    result_.metrics[metric] = correct / static_cast<double>(outputs.size());
  }

  // The same plain text for both kinds: bos, the cloze, a space and a fact.
  void probe() {
    const auto scores = Probe(model().tokenizer(), questions_)
                            .scores(model().config(), model().weights());
    double sum = 0, first = 0, n = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (!scores[i]) continue;
      result_.records[i].probe = scores[i]->right;
      result_.records[i].probe_top1 = scores[i]->top1;
      sum += scores[i]->right;
      first += scores[i]->top1;
      n += 1;
    }
    if (n == 0) return;
    result_.metrics["probe"] = sum / n;
    result_.metrics["probe_top1"] = first / n;
  }

  // Texts longer than the context are read in pieces, each from bos; from the
  // token before it when the tokenizer puts no bos.
  void read_texts() {
    std::vector<std::string> texts;
    take(suite_.texts, texts);
    result_.n = std::ssize(texts);
    std::vector<Continuation> pieces;
    std::vector<size_t> text_of;
    double bytes = 0, tokens = 0;
    for (size_t t = 0; t < texts.size(); ++t) {
      bytes += static_cast<double>(texts[t].size());
      const auto all = model().encode_text(texts[t]);
      const bool has_bos = !model().tokenizer().ids_before_text().empty();
      const auto context =
          static_cast<size_t>(model().config().context_length());
      for (size_t at = 1; at < all.size(); at += context) {
        const size_t end = std::min(all.size(), at + context);
        pieces.push_back({{has_bos ? all[0] : all[at - 1]},
                          {all.begin() + static_cast<std::ptrdiff_t>(at),
                           all.begin() + static_cast<std::ptrdiff_t>(end)}});
        text_of.push_back(t);
        tokens += static_cast<double>(end - at);
      }
    }
    if (tokens == 0) throw Error("{}: texts without tokens", suite_.name);
    const auto scores =
        log_probabilities(model().config(), model().weights(), pieces);
    double nats = 0;
    result_.text_nll.assign(texts.size(), 0);
    const double tokens_each = tokens / static_cast<double>(texts.size());
    for (size_t i = 0; i < scores.size(); ++i) {
      nats -= scores[i];
      result_.text_nll[text_of[i]] -= scores[i] / tokens_each;
    }
    result_.metrics["nll"] = nats / tokens;
    result_.metrics["perplexity"] = std::exp(nats / tokens);
    result_.metrics["bits_per_byte"] = nats / bytes / std::numbers::ln2;
  }

  const Examinee& examinee_;
  const Suite& suite_;
  const EvalOptions& options_;
  const std::function<void(int64_t)>& tell_;
  // Of the whole suite, so that a limit changes no judgement.
  const Grader grader_{suite_};
  std::vector<Question> questions_;
  SuiteResult result_;
};

constexpr const char* kCompared[] = {
    "answer_rate", "correct", "correct_framed", "correct_few_shot",
    "probe",       "nll",     "score",          "complete"};

// The values of one metric, one an item; empty when the suite has none.
std::vector<double> values_of(const SuiteResult& suite,
                              std::string_view metric) {
  std::vector<double> out;
  if (metric == "nll") return suite.text_nll;
  for (const AnswerRecord& record : suite.records) {
    if (metric == "answer_rate") out.push_back(record.well_formed());
    if (metric == "correct" || metric == "complete")
      out.push_back(record.correct);
    if (metric == "score" && record.score) out.push_back(*record.score);
    if (metric == "correct_framed")
      out.push_back(record.framed ? record.framed->correct : record.correct);
    if (metric == "correct_few_shot")
      out.push_back(record.few_shot ? record.few_shot->correct
                                    : record.correct);
    if (metric == "probe" && record.probe) out.push_back(*record.probe);
  }
  return out;
}

ModelResult examine(const Examinee& examinee, const std::vector<Suite>& suites,
                    const EvalOptions& options, int64_t done) {
  check_options(options);
  ModelResult out{examinee.path, examinee.kind(), {}};
  for (const Suite& suite : suites) {
    const auto tell = [&](int64_t in_suite) {
      if (options.progress)
        options.progress(
            done + in_suite,
            fmt::format("{}: {}", examinee.path.string(), suite.name));
    };
    tell(0);
    out.suites.push_back(Examination(examinee, suite, options, tell).run());
    done += items_of({suite}, options);
    tell(0);
  }
  return out;
}

}  // namespace

std::map<std::string, std::map<std::string, double>> metrics_by_kind(
    const SuiteResult& suite) {
  std::map<std::string, std::map<std::string, double>> kinds;
  std::map<std::string, double> probed;
  for (const AnswerRecord& record : suite.records) {
    if (record.kind.empty()) continue;
    auto& of = kinds[record.kind];
    of["n"] += 1;
    of["answer_rate"] += record.well_formed();
    of["correct"] += record.correct;
    if (!record.probe) continue;
    of["probe"] += *record.probe;
    probed[record.kind] += 1;
  }
  for (auto& [kind, of] : kinds)
    for (auto& [metric, sum] : of)
      if (metric != "n") sum /= metric == "probe" ? probed[kind] : of["n"];
  return kinds;
}

ModelResult evaluate(const LanguageModel& model,
                     const std::vector<Suite>& suites,
                     const EvalOptions& options) {
  return examine({model.path(), &model}, suites, options, 0);
}

ModelResult evaluate_with_progress(const LanguageModel& model,
                                   const std::vector<Suite>& suites,
                                   const EvalOptions& options) {
  if (suites.empty()) return evaluate(model, suites, options);
  Progress progress("eval", items_of(suites, options));
  return evaluate(model, suites, shown_by(progress, options));
}

EvaluationReport evaluate_with_progress(
    const std::vector<std::filesystem::path>& models,
    const std::vector<Suite>& suites, const EvalOptions& options) {
  Progress progress("eval", std::ssize(models) * items_of(suites, options));
  return evaluate(models, suites, shown_by(progress, options));
}

std::map<std::string, std::map<std::string, Delta>> compare(
    const ModelResult& before, const ModelResult& after,
    const EvalOptions& options) {
  std::map<std::string, std::map<std::string, Delta>> delta;
  for (size_t i = 0; i < before.suites.size(); ++i) {
    const SuiteResult& from = before.suites[i];
    for (const char* metric : kCompared) {
      const auto values = values_of(from, metric);
      const auto others = values_of(after.suites[i], metric);
      // Who is elsewhere has no probe.
      if (from.metrics.contains(metric) && !values.empty() &&
          values.size() == others.size())
        delta[from.name][metric] =
            paired_bootstrap(values, others, options.resamples, options.seed);
    }
  }
  return delta;
}

EvaluationReport evaluate(const std::vector<std::filesystem::path>& models,
                          const std::vector<Suite>& suites,
                          const EvalOptions& options) {
  EvaluationReport report;
  const int64_t items = items_of(suites, options);
  for (const auto& path : models) {
    const int64_t done = std::ssize(report.models) * items;
    if (Answerer answerer =
            options.elsewhere ? options.elsewhere(path) : nullptr) {
      report.models.push_back(
          examine({path, nullptr, std::move(answerer)}, suites, options, done));
      continue;
    }
    const LanguageModel model = LanguageModel::load(path);
    report.models.push_back(examine({path, &model}, suites, options, done));
  }
  if (report.models.size() != 2) return report;
  report.delta = compare(report.models[0], report.models[1], options);
  return report;
}

nlohmann::json to_json(const EvaluationReport& report, bool records) {
  using Json = nlohmann::json;
  Json out;
  out["models"] = Json::array();
  for (const ModelResult& model : report.models) {
    Json suites = Json::object();
    for (const SuiteResult& suite : model.suites) {
      Json& one = suites[suite.name] = Json(suite.metrics);
      one["n"] = suite.n;
      if (const auto kinds = metrics_by_kind(suite); !kinds.empty())
        one["kinds"] = kinds;
      if (!records) continue;
      one["records"] = Json::array();
      for (const AnswerRecord& r : suite.records) {
        Json record = {{"id", r.id},
                       {"kind", r.kind},
                       {"prompt", r.prompt},
                       {"answers", r.answers},
                       {"text", r.text},
                       {"stop", r.stop},
                       {"well_formed", r.well_formed()},
                       {"correct", r.correct}};
        if (!r.well_formed()) record["ill_formed"] = r.ill_formed;
        if (r.probe) record["probe"] = *r.probe;
        const auto add = [&](const char* key, const auto& framed) {
          if (framed)
            record[key] = {{"text", framed->text},
                           {"correct", framed->correct}};
        };
        add("framed", r.framed);
        add("few_shot", r.few_shot);
        if (r.score) {
          record["score"] = *r.score;
          record["failed"] = r.failed;
        }
        one["records"].push_back(std::move(record));
      }
    }
    out["models"].push_back({{"path", model.path.string()},
                             {"kind", name_of(model.kind)},
                             {"suites", std::move(suites)}});
  }
  if (report.models.size() == 2) {
    Json& delta = out["delta"] = Json::object();
    for (const auto& [suite, metrics] : report.delta)
      for (const auto& [metric, d] : metrics)
        delta[suite][metric] = {d.before, d.after, d.low, d.high};
  }
  return out;
}

}  // namespace seodang
