#include "cli/raise_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/terminal.h"
#include "eval/suite.h"
#include "formats/json.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Lines = std::vector<std::string>;

struct Words {
  std::map<std::string, std::string, std::less<>> stages;
  const char *unchanged, *base, *instruct;
  std::vector<std::string> head;
  const char *weakest, *report, *wrong_answers, *ask;
};

const Words& words() {
  static const Words kEnglish = {
      {{"corpus", "the texts, examples and suites"},
       {"tokenizer", "learns which pieces texts are cut into"},
       {"data", "the texts become tokens"},
       {"base", "learns to predict the next token: knows, but only goes on"},
       {"replay", "what tuning may read again"},
       {"instruct", "learns from examples to answer and stop"},
       {"eval", "both models are asked the same"},
       {"report", "everything on one page"}},
      "unchanged",
      "base",
      "instruct",
      {"suite", "n", "answer rate", "", "correct", "", "probe", ""},
      "weakest",
      "The report",
      "Its wrong answers",
      "Ask it yourself"};
  static const Words kKorean = {
      {{"corpus", "읽을 글, 튜닝 예제, 평가 세트를 준비한다"},
       {"tokenizer", "글을 어떤 조각으로 나눌지 배운다"},
       {"data", "글을 토큰으로 바꾼다"},
       {"base", "다음 토큰을 예측하며 읽는다: 알지만 이어 쓰기만 한다"},
       {"replay", "튜닝 중 다시 읽을 글을 고른다"},
       {"instruct", "예제로 묻는 말에 대답하고 멈추는 법을 배운다"},
       {"eval", "두 모델에 같은 것을 묻는다"},
       {"report", "모든 결과를 한 페이지로 만든다"}},
      "그대로",
      "기반",
      "지시",
      {"평가 세트", "문항", "대답률", "", "정답률", "", "프로브", ""},
      "가장 약한 것",
      "보고서",
      "틀린 대답",
      "직접 묻기"};
  static const Words& chosen = prefers_korean() ? kKorean : kEnglish;
  return chosen;
}

// A model that stopped by itself is marked as `compare` marks it.
Lines answered(const json& model, int width) {
  const std::string text = model["text"].get<std::string>() +
                           (model["stop"] == "length" ? " …" : " ⏹");
  return wrapped(text, width);
}

void add_answers(const json& answers, int width, Lines& out) {
  constexpr size_t kShown = 2;
  const int column = (width - 3) / 2;
  const auto show = [&](const std::vector<Lines>& columns) {
    for (std::string& line : side_by_side(columns, column))
      out.push_back(std::move(line));
  };
  for (size_t i = 0; i < std::min(kShown, answers.size()); ++i) {
    const json& models = answers[i]["models"];
    out.push_back("");
    out.push_back(answers[i]["prompt"]);
    if (models.size() < 2) {
      for (const json& model : models)
        for (std::string& line : answered(model, width))
          out.push_back(std::move(line));
      continue;
    }
    show({{words().base}, {words().instruct}});
    show({answered(models[0], column), answered(models[1], column)});
  }
}

std::string percent(const json& suite, const char* metric) {
  return suite.contains(metric)
             ? fmt::format("{:.1f}%", 100 * suite[metric].get<double>())
             : "";
}

// Base → instruct, a row a suite, in the order in which they were asked.
void add_scores(const json& models, const fs::path& run, Lines& out) {
  std::vector<Lines> rows = {words().head};
  Lines perplexities;
  const json& suites = models[0]["suites"];
  for (const fs::path& file : suites_of_run(run / "base")) {
    const std::string name = file.stem().string();
    if (!suites.contains(name)) continue;
    const json& before = suites[name];
    const json* after =
        models.size() > 1 ? &models[1]["suites"][name] : nullptr;
    if (before.contains("perplexity")) {
      std::string line = fmt::format("{}  perplexity {:.3f}", name,
                                     before["perplexity"].get<double>());
      if (after != nullptr)
        line += fmt::format(" → {:.3f}", (*after)["perplexity"].get<double>());
      perplexities.push_back(line);
      continue;
    }
    Lines row = {name, fmt::format("{}", before["n"].get<int64_t>())};
    for (const char* metric : {"answer_rate", "correct", "probe"}) {
      row.push_back(percent(before, metric));
      row.push_back(after == nullptr || !after->contains(metric)
                        ? ""
                        : "→ " + percent(*after, metric));
    }
    rows.push_back(std::move(row));
  }
  if (rows.size() > 1) {
    out.push_back("");
    for (std::string& line :
         aligned(rows, {false, true, true, true, true, true, true, true}))
      out.push_back(std::move(line));
  }
  out.insert(out.end(), perplexities.begin(), perplexities.end());
}

struct Weakest {
  std::string suite, kind;
  double correct = 2;
};

// The kind of question that the last model is worst at; nothing where no suite
// tells kinds.
std::optional<Weakest> weakest_kind(const json& models) {
  Weakest weakest;
  for (const auto& [name, suite] : models.back()["suites"].items()) {
    if (!suite.contains("kinds")) continue;
    for (const auto& [kind, scores] : suite["kinds"].items())
      if (scores["correct"] < weakest.correct)
        weakest = {name, kind, scores["correct"]};
  }
  if (weakest.suite.empty()) return std::nullopt;
  return weakest;
}

}  // namespace

std::string stage_line(const StageOutcome& stage) {
  const auto purpose = words().stages.find(stage.name);
  return fmt::format(
      "[{}/{}] {}{} ({})", stage.number, stage.stages, stage.name,
      purpose == words().stages.end() ? "" : ": " + purpose->second,
      stage.ran ? stage.reason : words().unchanged);
}

Lines raise_summary(const fs::path& run, int width) {
  Lines out;
  const json stamp = read_stamp(run, "report");
  const json result =
      stamp.is_object() ? stamp.value("result", json()) : json();
  if (result.is_object() && result.contains("answers"))
    add_answers(result["answers"], width, out);

  std::vector<Lines> next = {
      {words().report + std::string(":"), (run / "report.html").string()}};
  const std::string last =
      (run / (fs::exists(run / "instruct") ? "instruct" : "base")).string();
  if (fs::exists(run / "eval.json")) {
    const json models = read_json(run / "eval.json")["models"];
    add_scores(models, run, out);
    if (const auto weakest = weakest_kind(models)) {
      out.push_back(fmt::format("{}: {}, {} {:.1f}%", words().weakest,
                                weakest->suite, weakest->kind,
                                100 * weakest->correct));
      next.push_back(
          {words().wrong_answers + std::string(":"),
           fmt::format("seodang eval {} {} --wrong 10", last, weakest->suite)});
    }
  }
  next.push_back({words().ask + std::string(":"), "seodang chat " + last});
  out.push_back("");
  for (std::string& line : aligned(next, {})) out.push_back(std::move(line));
  return out;
}

}  // namespace seodang
