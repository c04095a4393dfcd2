#include "weave/weaver.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "data/conversations.h"
#include "data/documents.h"
#include "jinja/python_string.h"
#include "weave/form.h"
#include "weave/phrasings.h"
#include "weave/reading.h"
#include "weave/split.h"
#include "weave/weave_plan.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Streams of random numbers, so that tuning one part leaves the others as they
// were.
enum Stream : uint64_t {
  kSplit,
  kOrder,
  kProse,
  kQuestions,
  kTasks,
  kGenres,
  kTurns,
  kPermutation,
  kForms
};

std::string dump(const ordered_json& line) { return line.dump() + "\n"; }

std::vector<std::string> ids(const FactTable& facts,
                             const std::vector<int>& entities) {
  std::vector<std::string> result;
  for (int entity : entities) result.push_back(facts.entities()[entity].id);
  return result;
}

// What questions need of the table, said before anything is woven: attributes
// that some thing has, and a name of its own for each thing.
void check_questions(const WeavePlan& plan, const FactTable& facts) {
  if (!plan.question_files.empty() && plan.inquiries.empty())
    throw Error("{}: [[questions.phrasing]] without a [[questions.inquiry]]",
                plan.file.string());
  const auto& things = facts.entities();
  const auto check_attribute = [&](const std::string& language,
                                   const std::string& attribute,
                                   const char* key) {
    if (std::ranges::none_of(facts.all(), [&](int thing) {
          return !facts.values(thing, language, attribute).empty();
        }))
      throw Error("{}: [questions] {} = \"{}\": nothing in {} has it in \"{}\"",
                  plan.file.string(), key, attribute, plan.facts.string(),
                  language);
  };
  for (const QuestionFile& questions : plan.question_files) {
    const std::string& language = questions.language;
    for (const std::string& attribute : plan.named_by)
      check_attribute(language, attribute, "named_by");
    for (const Inquiry& inquiry : plan.inquiries) {
      check_attribute(language, inquiry.asks, "asks");
      check_attribute(language, inquiry.given, "given");
    }
    if (plan.named_by.empty()) continue;
    std::map<std::string, int> taken;
    for (int thing : facts.all()) {
      if (!things[thing].in.contains(language)) continue;
      const auto& names = facts.values(thing, language, plan.named_by.front());
      if (names.empty())
        throw Error("{}: {} has no {} in \"{}\"", plan.facts.string(),
                    things[thing].id, plan.named_by.front(), language);
      for (const std::string& name : names)
        if (const auto [other, fresh] = taken.emplace(name, thing); !fresh)
          throw Error("{}: {} and {} are both called {}", plan.facts.string(),
                      things[other->second].id, things[thing].id, name);
    }
  }
}

// The questions of one language: examples and suites.
class QuestionWeaver {
 public:
  QuestionWeaver(const WeavePlan& plan, const QuestionFile& file,
                 const FactTable& facts, const Split& split, uint64_t seed,
                 uint64_t stream)
      : plan_(plan),
        language_(file.language),
        frame_(file.frame),
        facts_(facts),
        split_(split),
        everything_(facts.all()),
        phrasings_(Phrasings::load({file.file}, facts, file.language)),
        rng_(seed, mix_bits(kQuestions, stream)) {}

  std::vector<Example> examples(int64_t& dropped) {
    std::vector<Example> examples;
    for (int entity : split_.taught()) {
      for (const Inquiry& inquiry : plan_.inquiries) {
        if (!askable(entity, inquiry)) continue;
        std::set<std::string> seen;
        for (int i = 0; i < plan_.per_fact; ++i) {
          const std::string question = say(entity, inquiry, "ask");
          const std::string answer = say(entity, inquiry, "answer");
          if (!seen.insert(question).second) continue;
          if (split_.names_reserved(question + "\n" + answer)) {
            ++dropped;
            continue;
          }
          examples.push_back({question, "", answer});
        }
      }
    }
    return examples;
  }

  // The suite's first line: its answers are sentences, and a base model may be
  // asked in a frame, behind three questions about what is taught.
  std::string settings() {
    constexpr size_t kShots = 3;
    ordered_json line = {{"style", "sentence"}};
    if (frame_.empty()) return dump(line);
    line["frame"] = frame_;
    std::vector<int> order = split_.taught();
    rng_.shuffle(std::span(order));
    size_t next = 0;
    for (int entity : order) {
      if (next == kShots) break;
      const Inquiry& inquiry = plan_.inquiries[next % plan_.inquiries.size()];
      if (!askable(entity, inquiry)) continue;
      line["shots"].push_back(
          {{"question", say(entity, inquiry, "ask")},
           {"answer", facts_.values(entity, language_, inquiry.asks).front()}});
      ++next;
    }
    return dump(line);
  }

  // Items about `entities`, as many of each inquiry, asked as in pool
  // ASKS.`wording`.
  std::vector<std::string> suite(const std::vector<int>& entities,
                                 const std::string& name,
                                 const std::string& wording) {
    std::vector<std::string> lines;
    const size_t share = (plan_.suite_size + plan_.inquiries.size() - 1) /
                         plan_.inquiries.size();
    for (const Inquiry& inquiry : plan_.inquiries) {
      std::vector<int> order = entities;
      rng_.shuffle(std::span(order));
      size_t made = 0, without_choice = 0;
      for (int entity : order) {
        if (made == share) break;
        if (!askable(entity, inquiry)) continue;
        const std::vector<std::string> wrong =
            facts_.wrong(entity, language_, inquiry.asks, 3, everything_, rng_);
        if (wrong.size() < 3) {
          ++without_choice;
          continue;
        }
        ++made;
        lines.push_back(dump(
            {{"id", fmt::format("{}/{}/{}", name, facts_.entities()[entity].id,
                                inquiry.asks)},
             {"kind", inquiry.asks},
             {"instruction", say(entity, inquiry, wording)},
             {"answers", facts_.right(entity, language_, inquiry.asks)},
             {"wrong", wrong},
             {"cloze", say(entity, inquiry, "cloze")}}));
      }
      if (made == 0 && without_choice > 0)
        throw Error(
            "{}: the suite {} can ask for no {}: a question needs three wrong "
            "answers, and too few things have another one",
            plan_.file.string(), name, inquiry.asks);
    }
    return lines;
  }

 private:
  // A question must have one answer, and what it gives must name one thing.
  bool askable(int entity, const Inquiry& inquiry) const {
    return facts_.values(entity, language_, inquiry.asks).size() == 1 &&
           facts_.values(entity, language_, inquiry.given).size() == 1 &&
           facts_.is_unique(entity, language_, inquiry.given);
  }

  std::string say(int entity, const Inquiry& inquiry, const std::string& pool) {
    WeaveContext context{.facts = &facts_,
                         .others = &split_.taught(),
                         .language = language_,
                         .entity = entity};
    std::string text;
    if (!phrasings_.say(inquiry.asks + "." + pool, context, rng_, text))
      throw Error("{}: no phrasing of the pool {}.{} can be said of {}",
                  plan_.file.string(), inquiry.asks, pool,
                  facts_.entities()[entity].id);
    return text;
  }

  const WeavePlan& plan_;
  std::string language_, frame_;
  const FactTable& facts_;
  const Split& split_;
  const std::vector<int> everything_;
  Phrasings phrasings_;
  Rng rng_;
};

Example example_of(const std::string& text, const std::string& where) {
  const auto parts = jinja::split(text, " || ", -1);
  if (parts.size() == 2) return {parts[0], "", parts[1]};
  if (parts.size() != 3)
    throw Error(
        "task {}: expected \"instruction || output\" or \"instruction "
        "|| input || output\", not \"{}\"",
        where, text);
  return {parts[0], parts[1], parts[2]};
}

std::vector<Example> weave_task(const Task& task, const FactTable& facts,
                                const Split& split, Rng rng, int64_t& dropped) {
  Phrasings phrasings = Phrasings::load(task.files, facts, task.language);
  std::vector<int> entities(task.documents, -1);
  for (int i = 0; i < task.each; ++i)
    entities.insert(entities.end(), split.taught().begin(),
                    split.taught().end());
  std::vector<Example> examples;
  for (int entity : entities) {
    WeaveContext context{.facts = &facts,
                         .others = &split.taught(),
                         .language = task.language,
                         .entity = entity};
    std::string text;
    if (say_unreserved(phrasings, task.pool, split, context, rng, text))
      examples.push_back(example_of(text, task.name));
    else
      ++dropped;
  }
  return examples;
}

ordered_json line_of(const Example& example) {
  ordered_json line = {{"instruction", example.instruction}};
  if (!example.input.empty()) line["input"] = example.input;
  line["output"] = example.output;
  return line;
}

// The lines of instruct.jsonl: an example each, or a talk of two or three.
std::vector<std::string> instruct_lines(const std::vector<Example>& examples,
                                        double conversations, Rng rng) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < examples.size();) {
    const size_t wanted =
        rng.uniform() < conversations ? 2 + rng.below(2) : size_t{1};
    const auto turns =
        std::span(examples).subspan(i, std::min(wanted, examples.size() - i));
    i += turns.size();
    ordered_json line;
    if (turns.size() == 1) {
      line = line_of(turns[0]);
    } else {
      for (const Example& turn : turns) {
        line["messages"].push_back(
            {{"role", "user"},
             {"content", instruction_prompt(turn.instruction, turn.input)}});
        line["messages"].push_back(
            {{"role", "assistant"}, {"content", turn.output}});
      }
    }
    lines.push_back(dump(line));
  }
  return lines;
}

void write_lines(const fs::path& path, const std::vector<std::string>& lines) {
  AtomicFile file(path);
  for (const std::string& line : lines) file.write(line);
  file.commit();
}

// All languages of a form in one file, in random order. What is tested is not
// among what is trained on.
void write_tasks(const fs::path& directory, const WeavePlan& plan,
                 const FactTable& facts, const Split& split, uint64_t seed,
                 WeaveReport& report) {
  std::vector<int> others = split.held_out();
  others.insert(others.end(), split.final().begin(), split.final().end());
  std::map<std::string, std::vector<std::string>> files;
  uint64_t stream = 0;
  std::set<std::string> trained;
  const auto add = [&](const Form& form, const char* part,
                       const std::vector<int>& things, int each) {
    const Rng rng(seed, mix_bits(kForms, stream++));
    for (const Example& example : fill_form(form, facts, things, each, rng))
      if (trained.insert(example.input).second)
        files[fmt::format("{}.{}", form.name, part)].push_back(
            dump(line_of(example)));
  };
  for (const Form& form : plan.forms) {
    add(form, "train", split.taught(), form.each);
    add(form, "test", split.taught(), 1);
    add(form, "others", others, 1);
  }
  fs::create_directories(directory);
  Rng order(seed, mix_bits(kForms, stream));
  for (auto& [name, lines] : files) {
    order.shuffle(std::span(lines));
    report.tasks[name] = std::ssize(lines);
    write_lines(directory / (name + ".jsonl"), lines);
  }
}

// What is read, and the part of it that tuning may mix in: replaying a text
// that names a reserved thing would rehearse what the suites ask.
void write_reading(const fs::path& directory,
                   const std::vector<std::string>& texts, const Split& split,
                   WeaveReport& report) {
  AtomicFile reading(directory / "pretrain.jsonl");
  AtomicFile replay(directory / "replay.jsonl");
  for (const std::string& text : texts) {
    const std::string line = dump({{"text", text}});
    reading.write(line);
    report.bytes += static_cast<int64_t>(line.size());
    if (split.names_reserved(text)) continue;
    replay.write(line);
    ++report.replay;
  }
  reading.commit();
  replay.commit();
}

// Returns the held-out documents.
std::vector<std::string> add_prose(const WeavePlan& plan, uint64_t seed,
                                   std::vector<std::string>& texts_read,
                                   WeaveReport& report) {
  std::vector<std::string> held_out;
  if (plan.prose.empty()) return held_out;
  Rng rng(seed, kProse);
  DocumentReader reader(plan.prose, {.invalid_utf8 = "refuse"});
  for (Document document; reader.next(document);) {
    if (rng.uniform() >= plan.prose_share) continue;
    const bool out = rng.uniform() < plan.prose_held_out;
    if (out) {
      held_out.push_back(dump({{"text", document.text}}));
    } else {
      texts_read.push_back(document.text);
      ++report.documents["prose"];
    }
  }
  return held_out;
}

}  // namespace

WeaveReport weave(const fs::path& world_toml, const fs::path& output_dir,
                  uint64_t seed, bool permute) {
  const WeavePlan plan = read_weave_plan(world_toml);
  FactTable facts = FactTable::load(plan.facts);
  if (permute && plan.named_by.empty())
    throw Error(
        "{}: to permute facts, [questions] named_by must say what a "
        "thing is called",
        plan.file.string());
  if (permute) facts.permute(plan.named_by.front(), Rng(seed, kPermutation));
  check_questions(plan, facts);
  const Split split(facts, plan.named_by, plan.held_out, plan.final,
                    Rng(seed, kSplit));
  WeaveReport report;
  report.entities = static_cast<int64_t>(facts.entities().size());
  report.taught = ids(facts, split.taught());
  report.held_out = ids(facts, split.held_out());
  report.final = ids(facts, split.final());
  fs::create_directories(output_dir / "suites");

  std::vector<Example> examples;
  Reading read = weave_reading(plan, facts, split, seed, kGenres);
  std::vector<std::string>& reading = read.texts;
  report.documents = std::move(read.documents);
  report.mentions = std::move(read.mentions);
  const auto write_suite = [&](const std::string& name,
                               const std::string& settings,
                               std::vector<std::string> lines) {
    if (lines.empty()) return;
    report.suites[name] = std::ssize(lines);
    lines.insert(lines.begin(), settings);
    write_lines(output_dir / "suites" / (name + ".jsonl"), lines);
  };
  write_suite("general", "", add_prose(plan, seed, reading, report));

  for (size_t i = 0; i < plan.question_files.size(); ++i) {
    const QuestionFile& file = plan.question_files[i];
    QuestionWeaver questions(plan, file, facts, split, seed, i);
    for (Example& example : questions.examples(report.dropped))
      examples.push_back(std::move(example));
    const auto ask = [&](const char* kind, const std::vector<int>& entities,
                         const char* wording) {
      const std::string name = fmt::format("{}.{}", kind, file.language);
      const std::string settings = questions.settings();
      write_suite(name, settings, questions.suite(entities, name, wording));
    };
    ask("heldout", split.held_out(), "ask");
    ask("heldout-reworded", split.held_out(), "reworded");
    ask("final", split.final(), "ask");
    ask("final-reworded", split.final(), "reworded");
    ask("seen", split.taught(), "ask");
  }
  for (size_t i = 0; i < plan.tasks.size(); ++i)
    for (Example& example :
         weave_task(plan.tasks[i], facts, split, Rng(seed, mix_bits(kTasks, i)),
                    report.dropped))
      examples.push_back(std::move(example));

  if (!plan.forms.empty())
    write_tasks(output_dir / "tasks", plan, facts, split, seed, report);

  Rng order(seed, kOrder);
  order.shuffle(std::span(reading));
  order.shuffle(std::span(examples));
  write_reading(output_dir, reading, split, report);
  write_file(output_dir / "split.json",
             ordered_json{{"taught", report.taught},
                          {"heldout", report.held_out},
                          {"final", report.final}}
                     .dump(1) +
                 "\n");
  if (!examples.empty())
    write_lines(
        output_dir / "instruct.jsonl",
        instruct_lines(examples, plan.conversations, Rng(seed, kTurns)));
  report.documents_in_all = static_cast<int64_t>(reading.size());
  report.examples = static_cast<int64_t>(examples.size());
  return report;
}

}  // namespace seodang
