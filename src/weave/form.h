// Examples of a task: a form to fill in from material. A template writes both,
// so that what stands in the output is what the material says.
#pragma once

#include <string>
#include <vector>

#include "base/rng.h"
#include "weave/fact_table.h"
#include "weave/weave_plan.h"

namespace seodang {

struct Example {
  std::string instruction, input, output;
};

// `each` examples for each of `things` that has all the template asks for; the
// template (Jinja) knows
//   thing         the thing's attributes in the form's language, by name: a
//                 text, or a list of several values
//   pick(list)    one of its items, number(least, most) a whole number, and
//                 shuffle(list), drawn at random
// and writes instruction, input and output, each part behind a line "||".
// Throws Error naming the file for what is malformed.
std::vector<Example> fill_form(const Form& form, const FactTable& facts,
                               const std::vector<int>& things, int each,
                               Rng rng);

}  // namespace seodang
