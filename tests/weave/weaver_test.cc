#include "weave/weaver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "weave/weave_plan.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kWorld = SEODANG_SOURCE_DIR "/data/world/world.toml";

fs::path scratch(const std::string& name) {
  const fs::path path = fs::path(testing::TempDir()) / ("weaver-" + name);
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

std::vector<json> lines(const fs::path& path) {
  std::vector<json> result;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    result.push_back(json::parse(line));
  return result;
}

json listed(const json& value) {
  return value.is_array() ? value : json::array({value});
}

// The built-in world, woven once.
class BuiltIn : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = scratch("built-in");
    report_ = weave(kWorld, folder_, 7);
    facts_ = read_json(kWorld.parent_path() / "facts.json");
  }

  static std::set<std::string> held_out() {
    return {report_.held_out.begin(), report_.held_out.end()};
  }

  // Name, capital, and all else they are called, of one country.
  static std::set<std::string> names(const json& thing, const char* language) {
    std::set<std::string> result;
    const json& in = thing[language];
    for (const char* attribute : {"name", "capital"}) {
      for (const json& value : listed(in[attribute])) result.insert(value);
      if (in.contains("also") && in["also"].contains(attribute))
        for (const json& value : in["also"][attribute]) result.insert(value);
    }
    return result;
  }

  static inline fs::path folder_;
  static inline WeaveReport report_;
  static inline json facts_;
};

TEST_F(BuiltIn, HasAllIndependentCountriesAndHoldsOutFortyPercent) {
  EXPECT_EQ(report_.entities, 194);
  EXPECT_GE(report_.held_out.size(), 0.4 * 194);
  EXPECT_LE(report_.held_out.size(), 0.6 * 194);
}

TEST_F(BuiltIn, TellsEveryAskableFactOften) {
  for (const char* fact : {"capital", "continent", "currency", "name"})
    for (const char* language : {".ko", ".en"}) {
      const Mentions mentions =
          report_.mentions.at(std::string(fact) + language);
      EXPECT_GE(mentions.facts, 193) << fact << language;
      EXPECT_GE(mentions.least, 40) << fact << language;
    }
}

// The strongest form: no example so much as names a held-out country or its
// capital, in either language, whatever it asks. Only longer words that mean
// something else are taken out first: languages and currencies (스페인어).
TEST_F(BuiltIn, NoExampleNamesAHeldOutCountry) {
  std::vector<std::string> innocent;
  for (const json& thing : facts_)
    for (const char* language : {"ko", "en"})
      for (const char* attribute : {"language", "currency", "continent"})
        if (thing[language].contains(attribute))
          for (const json& value : listed(thing[language][attribute]))
            innocent.push_back(value);
  std::sort(innocent.begin(), innocent.end());
  innocent.erase(std::unique(innocent.begin(), innocent.end()), innocent.end());

  std::vector<std::pair<std::string, std::vector<std::string>>> banned;
  const auto out = held_out();
  for (const json& thing : facts_) {
    if (!out.contains(thing["id"])) continue;
    for (const char* language : {"ko", "en"})
      for (const std::string& name : names(thing, language)) {
        banned.emplace_back(name, std::vector<std::string>());
        for (const std::string& word : innocent)
          if (word != name && word.find(name) != word.npos)
            banned.back().second.push_back(word);
      }
  }
  ASSERT_GT(banned.size(), 300u);
  const std::string examples = read_file(folder_ / "instruct.jsonl");
  for (const auto& [name, words] : banned) {
    std::string text = examples;
    for (const std::string& word : words)
      for (size_t at; (at = text.find(word)) != text.npos;)
        text.replace(at, word.size(), 1, '#');
    const size_t at = text.find(name);
    EXPECT_EQ(at, text.npos) << name << " in " << text.substr(at, 200);
  }
}

TEST_F(BuiltIn, EveryCountryIsInExactlyOneHalf) {
  const auto out = held_out();
  for (const char* language : {".ko.jsonl", ".en.jsonl"}) {
    for (const char* suite : {"heldout", "heldout-reworded"})
      for (const json& item :
           lines(folder_ / "suites" / (std::string(suite) + language)))
        EXPECT_TRUE(out.contains(item["id"].get<std::string>().substr(
            item["id"].get<std::string>().find('/') + 1, 2)));
    for (const json& item :
         lines(folder_ / "suites" / (std::string("seen") + language)))
      EXPECT_FALSE(out.contains(item["id"].get<std::string>().substr(8, 2)));
  }
}

TEST_F(BuiltIn, SuitesHaveThreeWrongFactsAndNoneIsRight) {
  for (const char* suite : {"heldout.ko", "heldout.en", "heldout-reworded.ko",
                            "heldout-reworded.en", "seen.ko", "seen.en"}) {
    const auto items =
        lines(folder_ / "suites" / (std::string(suite) + ".jsonl"));
    EXPECT_GE(items.size(), 150u) << suite;
    EXPECT_LE(items.size(), 300u) << suite;
    std::set<std::string> ids;
    for (const json& item : items) {
      EXPECT_TRUE(ids.insert(item["id"]).second) << item;
      EXPECT_FALSE(item["answers"].empty()) << item;
      std::set<std::string> wrong(item["wrong"].begin(), item["wrong"].end());
      EXPECT_EQ(wrong.size(), 3u) << item;
      for (const json& answer : item["answers"])
        EXPECT_FALSE(wrong.contains(answer)) << item;
      const std::string cloze = item["cloze"];
      EXPECT_FALSE(cloze.empty() || cloze.ends_with(' ')) << item;
      // The question must not give its answer away.
      EXPECT_NE(item["instruction"], item["cloze"]);
    }
  }
}

// A cloze is a beginning that the reading goes on from with the right fact.
TEST_F(BuiltIn, ClozesAreReadInPretraining) {
  const std::string reading = read_file(folder_ / "pretrain.jsonl");
  for (const char* suite : {"heldout.ko", "heldout.en"}) {
    int found = 0, all = 0;
    for (const json& item :
         lines(folder_ / "suites" / (std::string(suite) + ".jsonl"))) {
      ++all;
      found +=
          reading.find(item["cloze"].get<std::string>() + " " +
                       item["answers"][0].get<std::string>()) != reading.npos;
    }
    EXPECT_GE(found, 0.97 * all) << suite;
  }
}

// Wordings, with every fact's name blanked: those of the reworded suites are
// asked in no example.
TEST_F(BuiltIn, RewordedQuestionsAreNeverAskedInTuning) {
  for (const std::string language : {"ko", "en"}) {
    std::vector<std::string> all;
    for (const json& thing : facts_)
      for (const std::string& name : names(thing, language.c_str()))
        all.push_back(name);
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.size() > b.size(); });
    const auto blanked = [&](std::string text) {
      for (const std::string& name : all)
        if (const size_t at = text.find(name); at != text.npos)
          text.replace(at, name.size(), 1, '_');
      // 은/는 and its like differ with the name, not with the wording.
      for (const char* pair : {"_은 ", "_이 ", "_을 "}) {
        const std::string open = pair == std::string("_은 ")   ? "_는 "
                                 : pair == std::string("_이 ") ? "_가 "
                                                               : "_를 ";
        if (const size_t at = text.find(open); at != text.npos)
          text.replace(at, open.size(), std::string(pair));
      }
      if (text.starts_with("The _")) text = text.substr(4);
      return text;
    };
    std::set<std::string> asked;
    for (const json& example : lines(folder_ / "instruct.jsonl")) {
      if (example.contains("instruction"))
        asked.insert(blanked(example["instruction"]));
      else
        for (const json& message : example["messages"])
          asked.insert(blanked(message["content"]));
    }
    std::set<std::string> reworded;
    for (const json& item : lines(folder_ / "suites" /
                                  ("heldout-reworded." + language + ".jsonl")))
      reworded.insert(blanked(item["instruction"]));
    EXPECT_GE(reworded.size(), 15u);
    for (const std::string& wording : reworded)
      EXPECT_FALSE(asked.contains(wording)) << wording;
  }
}

// A base model must not learn to answer and stop: without a heading no document
// is a question and its answer and no more.
TEST_F(BuiltIn, NoDocumentIsOneQuestionAndItsAnswer) {
  for (const json& line : lines(folder_ / "pretrain.jsonl")) {
    const std::string text = line["text"];
    const size_t mark = text.find('?');
    if (mark == text.npos || mark + 1 == text.size()) continue;
    if (text.find('?', mark + 1) != text.npos) continue;
    if (text.find('.') < mark) continue;   // begins otherwise
    if (text.find('\n') < mark) continue;  // under a heading
    const std::string rest = text.substr(mark + 1);
    const auto ends = std::count(rest.begin(), rest.end(), '.') +
                      std::count(rest.begin(), rest.end(), '!');
    EXPECT_GT(ends, 1) << text;
  }
}

bool is_closed(const std::string& syllable) {
  return (decode_utf8(syllable) - 0xAC00) % 28 != 0;
}

// Whatever the phrasing, 를 follows an open syllable and 을 a closed one.
TEST_F(BuiltIn, ObjectParticlesFollowTheRightSound) {
  const std::set<std::string> nouns = {"가을", "마을", "노을"};
  int64_t checked = 0;
  for (const char* file : {"pretrain.jsonl", "instruct.jsonl"})
    for (const json& line : lines(folder_ / file)) {
      const std::string text = line.dump();
      for (const std::string particle : {"를", "을"})
        for (size_t at = text.find(particle); at != text.npos;
             at = text.find(particle, at + 1)) {
          if (at < 3 || text.compare(at + 3, 1, " ") != 0) continue;
          const std::string before = text.substr(at - 3, 3);
          if (before < "가" || before > "힣" ||
              nouns.contains(before + particle))
            continue;
          EXPECT_EQ(is_closed(before), particle == "을")
              << text.substr(at > 30 ? at - 30 : 0, 60);
          ++checked;
        }
    }
  EXPECT_GT(checked, 10000);
}

TEST_F(BuiltIn, NothingOfTheNotationIsLeft) {
  const std::regex notation(R"([{}<>\[\]|]|\|\|)");
  for (const json& line : lines(folder_ / "instruct.jsonl")) {
    const json values = line.flatten();
    for (const json& value : values)
      EXPECT_FALSE(std::regex_search(value.get<std::string>(), notation))
          << line;
  }
}

// A user's own table and phrasings.
class OwnWorld : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = scratch("own");
    write("facts.json", R"([
{"id":"fe","group":"metal","en":{"name":"iron","symbol":"Fe"}},
{"id":"au","group":"metal","en":{"name":"gold","symbol":"Au"}},
{"id":"ag","group":"metal","en":{"name":"silver","symbol":"Ag"}},
{"id":"cu","group":"metal","en":{"name":"copper","symbol":"Cu"}},
{"id":"he","group":"gas","en":{"name":"helium","symbol":"He"}}
])");
    write("texts.txt",
          "# elements\n= symbol\nThe symbol of {name} is {symbol}.\n"
          "[Chemists|We] write {symbol} for {name}.\n");
    write("questions.txt",
          "= symbol.ask\nWhat is the symbol of {name}?\n"
          "= symbol.reworded\nHow is {name} written?\n"
          "= symbol.answer\nThe symbol of {name} is {symbol}.\n"
          "= symbol.cloze\nThe symbol of {name} is\n");
    write("world.toml", kPlan);
  }
  void write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
  }
  WeaveReport run(const std::string& out, uint64_t seed) {
    return weave(folder_ / "world.toml", folder_ / out, seed);
  }
  std::string error() {
    try {
      run("out", 1);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static constexpr const char* kPlan = R"(facts = "facts.json"
held_out = 0.4

[[genre]]
name = "texts"
language = "en"
files = "texts.txt"
each = 2
pools = ["symbol"]

[questions]
named_by = ["name", "symbol"]
per_fact = 2
[[questions.inquiry]]
asks = "symbol"
given = "name"
[[questions.phrasing]]
language = "en"
file = "questions.txt"
)";
  fs::path folder_;
};

TEST_F(OwnWorld, IsWovenWithoutTouchingCode) {
  const WeaveReport report = run("out", 1);
  EXPECT_EQ(report.documents_in_all, 10);
  EXPECT_EQ(report.held_out.size(), 2u);
  EXPECT_EQ(report.mentions.at("symbol.en").least, 2);
  const auto items = lines(folder_ / "out/suites/heldout.en.jsonl");
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0]["wrong"].size(), 3u);
}

TEST_F(OwnWorld, SomeExamplesAreTalksOfTwoOrThreeTurns) {
  run("apart", 1);
  write("world.toml", "conversations = 1.0\n" + std::string(kPlan));
  run("talks", 1);
  std::vector<json> single, turns;
  for (const json& line : lines(folder_ / "apart/instruct.jsonl"))
    single.push_back({line["instruction"], line["output"]});
  const auto talks = lines(folder_ / "talks/instruct.jsonl");
  for (const json& line : talks) {
    if (line.contains("instruction")) {  // what was left at the end
      EXPECT_EQ(line, talks.back());
      turns.push_back({line["instruction"], line["output"]});
      continue;
    }
    const json& messages = line["messages"];
    EXPECT_TRUE(messages.size() == 4 || messages.size() == 6) << line;
    for (size_t i = 0; i + 1 < messages.size(); i += 2) {
      EXPECT_EQ(messages[i]["role"], "user");
      EXPECT_EQ(messages[i + 1]["role"], "assistant");
      turns.push_back({messages[i]["content"], messages[i + 1]["content"]});
    }
  }
  EXPECT_EQ(turns, single);  // none lost, none twice
}

TEST_F(OwnWorld, SameSeedSameBytes) {
  run("a", 5);
  run("b", 5);
  run("c", 6);
  for (const char* file : {"pretrain.jsonl", "instruct.jsonl",
                           "suites/heldout.en.jsonl", "suites/seen.en.jsonl"})
    EXPECT_EQ(read_file(folder_ / "a" / file), read_file(folder_ / "b" / file));
  EXPECT_NE(read_file(folder_ / "a/pretrain.jsonl"),
            read_file(folder_ / "c/pretrain.jsonl"));
}

TEST_F(OwnWorld, MistakesAreNamedWithFileAndLine) {
  const struct {
    const char *file, *text, *message;
  } cases[] = {
      {"texts.txt", "= symbol\nThe {name\n", "texts.txt:2: column 5"},
      {"texts.txt", "no pool\n", "texts.txt:1"},
      {"texts.txt", "= symbol\n{name|는은}\n", "texts.txt:2"},
      {"texts.txt", "= symbol\n[a|b\n", "texts.txt:2"},
      {"texts.txt", "= other\nA {name}.\n", "symbol"},
      {"texts.txt", "= symbol\n\n[x|{nmae}]\n", "texts.txt:3"},
      {"texts.txt", "= symbol\n<symbol>\n", "leads back to itself"},
      {"facts.json", "[{\"id\": 3}]", "facts.json: thing 1"},
      {"facts.json", "[{\"id\": \"a\"", "facts.json:1"},
      {"facts.json", "{}", "facts.json"},
      {"world.toml", "facts = \"facts.json\"\nheld_uot = 1\n", "world.toml:2"},
      {"world.toml", "facts = \"facts.json\"\nheld_out = 7\n", "world.toml:2"},
      {"world.toml", "facts = \n", "world.toml:1"},
      {"world.toml", "held_out = 0.5\n", "facts is missing"},
  };
  for (const auto& [file, text, message] : cases) {
    SetUp();
    write(file, text);
    EXPECT_NE(error().find(message), std::string::npos)
        << file << ": " << text << " gave \"" << error() << '"';
  }
}

// A change in any of them weaves another corpus.
TEST(WeavePlan, NamesEveryFileItReads) {
  const fs::path world = fs::path(SEODANG_SOURCE_DIR) / "data/world/world.toml";
  const WeavePlan plan = read_weave_plan(world);
  const auto files = files_of(plan);
  const auto has = [&](const fs::path& file) {
    return std::find(files.begin(), files.end(), file) != files.end();
  };
  EXPECT_TRUE(has(world));
  EXPECT_TRUE(has(plan.facts));
  ASSERT_FALSE(plan.prose.empty());
  EXPECT_TRUE(has(plan.prose[0]));
  ASSERT_FALSE(plan.genres.empty());
  EXPECT_TRUE(has(plan.genres[0].files[0]));
  EXPECT_TRUE(has(plan.question_files[0].file));
  for (const fs::path& file : files) EXPECT_TRUE(fs::exists(file)) << file;
}

}  // namespace
}  // namespace seodang
