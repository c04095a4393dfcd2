#include "weave/form.h"

#include "base/error.h"
#include "base/files.h"
#include "jinja/evaluator.h"
#include "jinja/parser.h"
#include "jinja/value.h"
#include "tokenizer/chat_template.h"

namespace seodang {
namespace {

using jinja::Arguments;
using jinja::Dict;
using jinja::Value;

const std::vector<Value>& list_of(const Arguments& arguments) {
  const Value* list = arguments.get(0, "list");
  if (list == nullptr || list->list().empty())
    throw Error("expected a list that is not empty");
  return list->list();
}

std::vector<std::pair<std::string, Value>> random_functions(Rng& rng) {
  return {
      {"pick", Value([&rng](const Arguments& arguments) {
         const auto& list = list_of(arguments);
         return list[rng.below(list.size())];
       })},
      {"shuffle", Value([&rng](const Arguments& arguments) {
         std::vector<Value> list = list_of(arguments);
         rng.shuffle(std::span(list));
         return Value(std::move(list));
       })},
      {"number", Value([&rng](const Arguments& arguments) {
         const Value* least = arguments.get(0, "least");
         const Value* most = arguments.get(1, "most");
         if (least == nullptr || most == nullptr ||
             least->integer() > most->integer())
           throw Error("number: expected least <= most");
         const auto span = static_cast<uint64_t>(most->integer()) -
                           static_cast<uint64_t>(least->integer()) + 1;
         return Value(least->integer() + static_cast<int64_t>(rng.below(span)));
       })}};
}

Value described(const Description& description) {
  Dict dict;
  for (const auto& [attribute, values] : description.values) {
    if (values.size() == 1) {
      dict.set(attribute, values.front());
    } else {
      std::vector<Value> list(values.begin(), values.end());
      dict.set(attribute, std::move(list));
    }
  }
  return Value(std::move(dict));
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \n") - begin + 1);
}

Example example_of(const std::string& text) {
  constexpr std::string_view kBar = "\n||\n";
  const size_t first = text.find(kBar);
  const size_t second =
      first == std::string::npos ? first : text.find(kBar, first + 1);
  if (second == std::string::npos ||
      text.find(kBar, second + 1) != std::string::npos)
    throw Error(
        "the template writes no three parts (instruction, input, output) with "
        "a line || between them");
  const size_t input = first + kBar.size();
  return {trimmed(text.substr(0, first)),
          trimmed(text.substr(input, second - input)),
          trimmed(text.substr(second + kBar.size()))};
}

}  // namespace

std::vector<Example> fill_form(const Form& form, const FactTable& facts,
                               const std::vector<int>& things, int each,
                               Rng rng) {
  std::vector<Example> examples;
  try {
    const jinja::Body body = jinja::parse(read_file(form.file));
    for (const int thing : things) {
      const auto& in = facts.entities()[thing].in;
      const auto found = in.find(form.language);
      if (found == in.end()) continue;
      const auto has = [&](const std::string& attribute) {
        return found->second.values.contains(attribute);
      };
      if (!std::ranges::all_of(form.needs, has)) continue;
      auto globals = random_functions(rng);
      globals.emplace_back("thing", described(found->second));
      for (int i = 0; i < each; ++i)
        examples.push_back(
            example_of(jinja::evaluate(body, globals, kTemplateDay)));
    }
  } catch (const Error& error) {
    throw Error("{}: {}", form.file.string(), error.what());
  }
  return examples;
}

}  // namespace seodang
