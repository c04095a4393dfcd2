#include "upbringing/report_data.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "generate/generation.h"
#include "generate/language_model.h"
#include "kernels/processor.h"
#include "upbringing/stages.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kAnswerTokens = 64, kExplainedTokens = 8;
constexpr int32_t kRivals = 6;

json read_metrics(const fs::path& path) {
  json lines = json::array();
  if (!fs::exists(path)) return lines;
  std::istringstream text(read_file(path));
  for (std::string line; std::getline(text, line);) {
    json value = json::parse(line, nullptr, false);
    if (value.is_object()) lines.push_back(std::move(value));
  }
  return lines;
}

// The text of a token; bytes that are no characters as SentencePiece spells
// byte tokens: <0xEC><0x95>.
std::string token_text(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view bytes = tokenizer.token_bytes(id);
  if (find_invalid_utf8(bytes) == bytes.npos) return std::string(bytes);
  std::string text;
  for (const char byte : bytes)
    text += fmt::format("<0x{:02X}>", static_cast<uint8_t>(byte));
  return text;
}

json token_texts(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  json texts = json::array();
  for (const int32_t id : ids) texts.push_back(token_text(tokenizer, id));
  return texts;
}

Generation continue_prompt(const LanguageModel& model,
                           const std::vector<int32_t>& prompt,
                           int64_t max_new_tokens, int32_t top) {
  Session session(model.config(), model.weights());
  GenerateOptions options;
  options.max_new_tokens = max_new_tokens;
  options.end_tokens = model.end_tokens();
  options.top = top;
  return generate(session, model.tokenizer(), prompt, options);
}

// Each model as it is meant to be used: a base model reads the bare text, an
// instruct model gets it as a message.
json answer(const LanguageModel& model, const std::string& name,
            const std::string& prompt) {
  const Message message{.role = "user", .content = prompt};
  const std::vector<int32_t> tokens =
      model.kind() == ModelKind::instruct
          ? model.encode_chat(std::span(&message, 1))
          : model.encode_text(prompt);
  const Generation said = continue_prompt(model, tokens, kAnswerTokens, 0);
  return {{"name", name},
          {"kind", name_of(model.kind())},
          {"seen", token_texts(model.tokenizer(), tokens)},
          {"text", said.text},
          {"stop", name_of(said.stop)}};
}

json explain(const LanguageModel& model, const std::string& name,
             const std::string& prompt) {
  const Generation said = continue_prompt(model, model.encode_text(prompt),
                                          kExplainedTokens, kRivals);
  const auto show = [&](int32_t id, float logprob) {
    return json{{"id", id},
                {"text", token_text(model.tokenizer(), id)},
                {"probability", std::exp(logprob)}};
  };
  json steps = json::array();
  for (const Choice& choice : said.tokens) {
    json step = show(choice.id, choice.logprob);
    step["top"] = json::array();
    for (const Candidate& candidate : choice.top)
      step["top"].push_back(show(candidate.id, candidate.logprob));
    steps.push_back(std::move(step));
  }
  return {{"prompt", prompt}, {"model", name}, {"steps", std::move(steps)}};
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:%F}", fmt::localtime(now));
}

json describe(const LanguageModel& model, const std::string& name,
              const json& stamp) {
  return {{"name", name},
          {"kind", name_of(model.kind())},
          {"config", json::parse(model.config().to_json())},
          {"parameters", model.config().num_parameters()},
          {"summary", stamp.value("result", json::object())}};
}

}  // namespace

json collect_finetune_report(const fs::path& output, uint64_t seed) {
  return {{"name", fs::absolute(output).lexically_normal().filename()},
          {"seed", seed},
          {"machine", describe_processor()},
          {"date", today()},
          {"metrics", {{"finetune", read_metrics(output / "metrics.jsonl")}}},
          {"forgetting", read_json(output / "forgetting.json")}};
}

json collect_report(const Recipe& recipe, const fs::path& run) {
  const auto result = [&](const char* stage) {
    const json stamp = read_stamp(run, stage);
    return stamp.is_object() ? stamp.value("result", json()) : json();
  };
  json report = {{"name", recipe.name},
                 {"seed", recipe.seed},
                 {"machine", describe_processor()},
                 {"date", today()},
                 {"corpus", result("corpus")},
                 {"data", result("data")},
                 {"sources", recipe.report.sources},
                 {"models", json::array()},
                 {"explain", json::array()},
                 {"answers", json::array()}};
  for (const std::string& prompt : recipe.report.compare)
    report["answers"].push_back(
        {{"prompt", prompt}, {"models", json::array()}});

  for (const std::string name : {"base", "instruct"}) {
    if (!fs::exists(run / name)) continue;
    report["metrics"][name] = read_metrics(run / name / "metrics.jsonl");
    const LanguageModel model = LanguageModel::load(run / name);
    report["models"].push_back(describe(model, name, read_stamp(run, name)));
    for (json& asked : report["answers"])
      asked["models"].push_back(
          answer(model, name, asked["prompt"].get<std::string>()));
    if (name == "base")
      for (const std::string& prompt : recipe.report.explain)
        report["explain"].push_back(explain(model, name, prompt));
  }
  // How many things are in each group of a woven corpus.
  if (const fs::path split = run / "corpus/split.json"; fs::exists(split)) {
    const json groups = read_json(split);
    for (const auto& [group, ids] : groups.items())
      report["split"][group] = ids.size();
  }
  if (fs::exists(run / "eval.json"))
    report["eval"] = json::parse(read_file(run / "eval.json"));
  return report;
}

}  // namespace seodang
