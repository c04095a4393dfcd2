#include "weave/form.h"

#include "base/error.h"
#include "base/files.h"
#include "jinja/evaluator.h"
#include "jinja/parser.h"
#include "jinja/python_string.h"
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

Example example_of(const std::string& text) {
  const auto parts = jinja::split(text, "\n||\n", -1);
  if (parts.size() != 3)
    throw Error(
        "the template writes no three parts (instruction, input, output) with "
        "a line || between them");
  const auto stripped = [](const std::string& part) {
    return std::string(jinja::strip(part, jinja::Side::both, " \n"));
  };
  return {stripped(parts[0]), stripped(parts[1]), stripped(parts[2])};
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
