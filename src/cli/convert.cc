#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "eval/evaluation.h"
#include "model/adapter.h"
#include "model/convert_model.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ConvertArguments {
  std::string model, out, type, measure;
  bool json = false;
};

double size_in_bytes(const fs::path& path) {
  if (!fs::is_directory(path)) return static_cast<double>(fs::file_size(path));
  double total = 0;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.path().extension() == ".safetensors")
      total += static_cast<double>(entry.file_size());
  return total;
}

double perplexity(const fs::path& model, const std::string& file) {
  Suite suite;
  suite.name = file;
  suite.texts = {read_file(file)};
  check_utf8(suite.texts[0], file);
  const ModelResult result = evaluate(LanguageModel::load(model), {suite});
  return result.suites.at(0).metrics.at("perplexity");
}

// Tensors of one kind and format stand in one line.
struct Line {
  int64_t tensors = 0, numbers = 0;
  double squares = 0;  // Σ numbers·rms²
  double worst = 0;
  std::string worst_name;
};

void print_table(const ConversionReport& report) {
  std::map<std::pair<Dtype, Dtype>, Line> lines;
  for (const ConvertedTensor& t : report.tensors) {
    Line& line = lines[{t.from, t.to}];
    line.tensors += 1;
    line.numbers += t.numbers;
    line.squares +=
        static_cast<double>(t.numbers) * t.relative_rms * t.relative_rms;
    if (t.relative_rms >= line.worst) {
      line.worst = t.relative_rms;
      line.worst_name = t.name;
    }
  }
  fmt::print("{:<10} {:<10} {:>8} {:>14} {:>10} {:>10}  {}\n", "from", "to",
             "tensors", "numbers", "rms error", "worst", "in");
  for (const auto& [types, line] : lines)
    fmt::print(
        "{:<10} {:<10} {:>8} {:>14} {:>9.4f}% {:>9.4f}%  {}\n",
        name_of(types.first), name_of(types.second), line.tensors, line.numbers,
        100 * std::sqrt(line.squares / static_cast<double>(line.numbers)),
        100 * line.worst, line.worst_name);
}

void print_json(const ConversionReport& report, const Json& sizes,
                const Json& perplexities) {
  Json tensors = Json::array();
  for (const ConvertedTensor& t : report.tensors)
    tensors.push_back({{"name", t.name},
                       {"from", name_of(t.from)},
                       {"to", name_of(t.to)},
                       {"numbers", t.numbers},
                       {"relative_rms", t.relative_rms}});
  Json out = {{"bytes", sizes}, {"tensors", tensors}};
  if (!perplexities.is_null()) out["perplexity"] = perplexities;
  if (!report.note.empty()) out["note"] = report.note;
  fmt::print("{}\n", out.dump());
}

void run_convert(const ConvertArguments& arguments) {
  const ConvertType type = arguments.type.empty()
                               ? ConvertType::as_stored
                               : convert_type(arguments.type);
  if (!arguments.measure.empty() && !fs::is_regular_file(arguments.measure))
    throw Error("{}: no such text file", arguments.measure);
  ConversionReport report;
  {
    Progress progress("convert", 1000);
    report = convert_model(arguments.model, arguments.out, type,
                           [&](const std::string& name, double part) {
                             progress.update(static_cast<int64_t>(1000 * part),
                                             name);
                           });
  }
  const ModelPath from(arguments.model);
  double before = size_in_bytes(from.base);
  for (const fs::path& adapter : from.adapters)
    before += size_in_bytes(adapter);
  const double after = size_in_bytes(arguments.out);
  Json perplexities;
  if (!arguments.measure.empty())
    perplexities = {perplexity(arguments.model, arguments.measure),
                    perplexity(arguments.out, arguments.measure)};
  if (arguments.json) {
    print_json(report, Json::array({before, after}), perplexities);
    return;
  }
  print_table(report);
  fmt::print("size        {} → {}\n", show_bytes(before), show_bytes(after));
  if (!perplexities.is_null())
    fmt::print("perplexity  {:.4f} → {:.4f} on {}\n",
               perplexities[0].get<double>(), perplexities[1].get<double>(),
               arguments.measure);
  if (!report.note.empty()) fmt::print(stderr, "note: {}\n", report.note);
}

}  // namespace

void add_convert(CLI::App& program) {
  const auto arguments = std::make_shared<ConvertArguments>();
  CLI::App* command = program.add_subcommand(
      "convert", "A model into another file format or fewer bits");
  command
      ->add_option("MODEL", arguments->model,
                   "Hugging Face directory or .gguf file; of MODEL+ADAPTER the "
                   "adapter is merged")
      ->required();
  command
      ->add_option("OUT,-o,--output", arguments->out,
                   "Written: a .gguf file, or a Hugging Face directory")
      ->required();
  command->add_option(
      "--type", arguments->type,
      "Numbers: f32, f16, bf16; in GGUF also q8_0, q5_0, q4_0, q4_k_m "
      "(default: as they are)");
  command->add_option("--measure", arguments->measure,
                      "Text file: the perplexity of both models on it");
  command->add_flag("--json", arguments->json, "Print the report as JSON");
  command->footer(
      "Examples:\n"
      "  seodang convert runs/demo/instruct demo.gguf\n"
      "  seodang convert runs/demo/instruct demo-q8_0.gguf --type q8_0 "
      "--measure text.txt\n"
      "  seodang convert demo.gguf demo-hf --type bf16\n"
      "  seodang convert demo.gguf+my-adapter merged.gguf");
  command->callback([arguments] { run_convert(*arguments); });
}

}  // namespace seodang
