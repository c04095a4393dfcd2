#include "weave/weaver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "formats/json.h"
#include "weave/weave_plan.h"
#include "weave/woven.h"

namespace seodang {
namespace {

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
  const auto items = items_of(folder_ / "out/suites/heldout.en.jsonl");
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

// Material and what is made of it come from one template; what is tested is not
// trained on, and examples about things that are not taught are apart.
TEST_F(OwnWorld, FormsAreFilledInFromMaterial) {
  write("card.jinja",
        "{%- set n = number(1, 1000000) -%}\nFill in.\n||\n"
        "{{ shuffle([thing.name, n]) | join(\"\\n\") }}\n||\n"
        "Card\n{{ thing.symbol }} {{ n }} {{ pick([\"ok\", \"so\"]) }}\n");
  write("world.toml", std::string(kPlan) +
                          "[[form]]\nname = \"card\"\nlanguage = \"en\"\n"
                          "template = \"card.jinja\"\nneeds = \"symbol\"\n"
                          "each = 5\n");
  const WeaveReport report = run("out", 1);
  EXPECT_EQ(report.tasks.at("card.train"), 15);  // 3 of 5 are taught
  EXPECT_EQ(report.tasks.at("card.test"), 3);
  EXPECT_EQ(report.tasks.at("card.others"), 2);
  std::set<std::string> inputs;
  for (const char* part : {"train", "test", "others"})
    for (const json& line :
         lines(folder_ / "out/tasks" / fmt::format("card.{}.jsonl", part))) {
      const std::string input = line["input"], output = line["output"];
      EXPECT_EQ(line["instruction"], "Fill in.");
      EXPECT_TRUE(inputs.insert(input).second) << input;
      const size_t at = input.find_first_of("0123456789");
      EXPECT_NE(output.find(input.substr(at, input.find('\n', at) - at)),
                std::string::npos)
          << line;
    }
  run("again", 1);
  EXPECT_EQ(read_file(folder_ / "out/tasks/card.train.jsonl"),
            read_file(folder_ / "again/tasks/card.train.jsonl"));

  write("card.jinja", "{{ thing.name }}");
  EXPECT_NE(error().find("card.jinja: the template writes no three parts"),
            std::string::npos);
  write("card.jinja", "{{ number(3, 1) }}");
  EXPECT_NE(error().find("number: expected least <= most"), std::string::npos);
}

// A genre about what is taught names nothing else, neither as its subject nor
// beside it, nor among the choices.
TEST_F(OwnWorld, AGenreMayBeAboutTheTaughtOnly) {
  std::string plan = kPlan;
  plan.insert(plan.find("each = 2"), "about = \"taught\"\n");
  write("world.toml", plan);
  write("texts.txt",
        "= symbol\n{name} and {b.name}: {symbol}\n"
        "{name}: {choice1}, {choice2} or {choice3}\n");
  run("out", 1);
  const json split = read_json(folder_ / "out/split.json");
  EXPECT_EQ(split["heldout"].size(), 2u);
  const auto read = lines(folder_ / "out/pretrain.jsonl");
  EXPECT_GE(read.size(), 3u);
  for (const json& id : split["heldout"]) {
    std::string symbol = id;
    symbol[0] = static_cast<char>(std::toupper(symbol[0]));
    for (const json& line : read)
      EXPECT_EQ(line["text"].get<std::string>().find(symbol), std::string::npos)
          << line << " names " << symbol;
  }
}

// What may be replayed in tuning is what names no held-out thing.
TEST_F(OwnWorld, ReplayIsTheReadingWithoutWhatIsHeldOut) {
  const WeaveReport report = run("out", 1);
  const std::map<std::string, std::string> names = {{"fe", "iron"},
                                                    {"au", "gold"},
                                                    {"ag", "silver"},
                                                    {"cu", "copper"},
                                                    {"he", "helium"}};
  const auto replay = lines(folder_ / "out/replay.jsonl");
  EXPECT_EQ(std::ssize(replay), report.replay);
  EXPECT_EQ(replay.size(), 6u);  // two texts of each of three things
  for (const json& line : replay)
    for (const std::string& id : report.held_out)
      EXPECT_EQ(line["text"].get<std::string>().find(names.at(id)),
                std::string::npos);
}

// Things are kept together where a name stands in another's as a word, and only
// there: one syllable of Korean stands in many a word.
TEST_F(OwnWorld, NamesAreWordsWithTheirParticles) {
  const auto thing = [](const char* id, const char* name, const char* symbol) {
    return fmt::format(R"({{"id":"{}","ko":{{"name":"{}","symbol":"{}"}}}})",
                       id, name, symbol);
  };
  write("facts.json", "[" + thing("1", "배", "pear") + "," +
                          thing("2", "배추", "cabbage") + "," +
                          thing("3", "감", "kaki") + "," +
                          thing("4", "귤", "tangerine") + "," +
                          thing("5", "밤", "chestnut") + "]");
  write("texts.txt", "= symbol\n{name}: {symbol}\n");
  write("questions.txt",
        "= symbol.ask\n감귤 배추밭에서 {name|은는} 무엇입니까?\n"
        "= symbol.reworded\n{name|이가} 무엇이죠?\n"
        "= symbol.answer\n{name|은는} {symbol|이다}.\n"
        "= symbol.cloze\n{name|은는}\n");
  std::string plan = kPlan;
  for (size_t at; (at = plan.find("\"en\"")) != plan.npos;)
    plan.replace(at, 4, "\"ko\"");
  write("world.toml", plan);
  for (uint64_t seed = 1; seed < 9; ++seed) {
    const WeaveReport report = run("out" + std::to_string(seed), seed);
    EXPECT_EQ(report.held_out.size(), 2u);
    EXPECT_EQ(report.dropped, 0);  // 감귤 and 배추밭 name nothing
    EXPECT_EQ(report.examples, 3);
  }
}

TEST_F(OwnWorld, RefusesASplitFarFromTheWish) {
  write("facts.json", R"([
{"id":"1","en":{"name":"red","symbol":"r"}},
{"id":"2","en":{"name":"dark red","symbol":"d"}},
{"id":"3","en":{"name":"light red","symbol":"l"}},
{"id":"4","en":{"name":"pale red","symbol":"p"}},
{"id":"5","en":{"name":"blue","symbol":"b"}}])");
  EXPECT_NE(error().find("held_out = 0.4 cannot be drawn from 5 things"),
            std::string::npos)
      << error();
  EXPECT_NE(error().find("such as 1, 2, 3, 4"), std::string::npos) << error();
}

TEST_F(OwnWorld, APhrasingMayBeBoundToAName) {
  write("texts.txt",
        "= symbol\n{who=<person>}{who} likes {name}. {^who} is [old|young].\n"
        "= person\nanna\nbert\n");
  run("out", 1);
  for (const json& line : lines(folder_ / "out/pretrain.jsonl")) {
    const std::string text = line["text"];
    const bool anna = text.starts_with("anna likes");
    EXPECT_NE(text.find(anna ? "Anna is " : "Bert is "), std::string::npos)
        << text;
  }
}

TEST_F(OwnWorld, FactsMayBeATable) {
  run("json", 1);
  const std::string table =
      "id,group,en.name,en.symbol\r\nfe,metal,iron,Fe\r\n"
      "au,metal,\"gold\",Au\r\nag,metal,silver,Ag\r\n\r\n"
      "cu,metal,copper,Cu\r\nhe,gas,helium,He\r\n";
  write("facts.csv", "\xEF\xBB\xBF" + table);
  std::string tabs = table;
  std::ranges::replace(tabs, ',', '\t');
  write("facts.tsv", tabs);
  for (const std::string kind : {"csv", "tsv"}) {
    std::string plan = kPlan;
    plan.replace(plan.find("facts.json"), 10, "facts." + kind);
    write("world.toml", plan);
    run(kind, 1);
    for (const char* file : {"pretrain.jsonl", "instruct.jsonl"})
      EXPECT_EQ(read_file(folder_ / "json" / file),
                read_file(folder_ / kind / file));
  }
  const auto complaint = [&](const std::string& text) -> std::string {
    write("facts.tsv", text);
    try {
      run("bad", 1);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(complaint("id\tname\n1\tx\n").find("LANGUAGE.FACT"),
            std::string::npos);
  EXPECT_NE(complaint("id\ten.name\n1\tx\ty\n").find(":2: 3 cells"),
            std::string::npos);
  EXPECT_NE(complaint("id\ten.name\n1\t\"x\n").find(":2: a quote"),
            std::string::npos);
  EXPECT_NE(complaint("id\ten.name\n1\t\xff\n").find("UTF-8"),
            std::string::npos);
}

TEST_F(OwnWorld, WhatIsReadOtherwiseThanSpelledSaysSo) {
  write("texts.txt",
        "= symbol\n{name|은는} {symbol|a} for {^name|a}. {name|s}\n");
  write("facts.json", R"([
    {"id":"1","en":{"name":"SQL","symbol":"hour","reading":{"name":"시퀄"}}},
    {"id":"2","en":{"name":"unit","symbol":"x"}},
    {"id":"3","en":{"name":"axis","symbol":"y"}},
    {"id":"4","en":{"name":"box","symbol":"z"}}])");
  run("out", 1);
  const std::string text = read_file(folder_ / "out/pretrain.jsonl");
  EXPECT_NE(text.find("SQL은 an hour for "), std::string::npos) << text;
  EXPECT_NE(text.find("unit은 a x for A unit. units"), std::string::npos)
      << text;
  EXPECT_NE(text.find("axis는 a y for An axis. axes"), std::string::npos)
      << text;
}

TEST(ShippedWorlds, ElementsAreWoven) {
  const fs::path out = scratch("elements");
  const WeaveReport report =
      weave(SEODANG_SOURCE_DIR "/recipes/elements/world.toml", out, 1);
  EXPECT_EQ(report.entities, 63);
  EXPECT_EQ(report.suites.size(), 10u);
  // 은(silver) ends other words as a particle and ties nothing to itself.
  EXPECT_NEAR(static_cast<double>(report.held_out.size()), 0.2 * 63, 1);
  const std::string text = read_file(out / "pretrain.jsonl");
  EXPECT_EQ(text.find("은(는)"), text.npos);
  EXPECT_NE(text.find("철은 Fe로 적는다."), text.npos);
  EXPECT_NE(text.find("금은 Au로 적는다."), text.npos);
}

TEST(FactTable, PermutedEachThingHasAnothersFacts) {
  const FactTable before =
      FactTable::load(SEODANG_SOURCE_DIR "/data/world/facts.json");
  FactTable after = before;
  after.permute("name", Rng(1, 2));
  int same = 0;
  for (const int thing : before.all()) {
    EXPECT_EQ(before.values(thing, "ko", "name"),
              after.values(thing, "ko", "name"));
    EXPECT_EQ(before.right(thing, "en", "name"),
              after.right(thing, "en", "name"));
    same += before.values(thing, "ko", "capital") ==
            after.values(thing, "ko", "capital");
  }
  EXPECT_EQ(same, 0);
}

TEST_F(OwnWorld, OneTableServesSeveralLanguages) {
  std::string plan = kPlan;
  const std::string en = "language = \"en\"\nfiles = \"texts.txt\"";
  ASSERT_NE(plan.find(en), plan.npos);
  plan.replace(plan.find(en), en.size(),
               "language = [\"en\", \"de\"]\nfiles = \"{language}.txt\"");
  write("world.toml", plan);
  write("en.txt", "= symbol\n{name}: {symbol}\n");
  write("de.txt", "= symbol\n{name} = {symbol}\n");
  write("facts.json", R"([
{"id":"fe","en":{"name":"iron","symbol":"Fe"},"de":{"name":"Eisen","symbol":"Fe"}},
{"id":"au","en":{"name":"gold","symbol":"Au"},"de":{"name":"Gold","symbol":"Au"}},
{"id":"ag","en":{"name":"silver","symbol":"Ag"},"de":{"name":"Silber","symbol":"Ag"}},
{"id":"cu","en":{"name":"copper","symbol":"Cu"},"de":{"name":"Kupfer","symbol":"Cu"}},
{"id":"he","en":{"name":"helium","symbol":"He"},"de":{"name":"Helium","symbol":"He"}}])");
  EXPECT_EQ(run("out", 1).documents.size(), 2u);
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
      {"world.toml",
       "facts = \"facts.json\"\n[[questions.phrasing]]\nlanguage = \"en\"\n"
       "file = \"questions.txt\"\n",
       "[[questions.phrasing]] without a [[questions.inquiry]]"},
      {"texts.txt", "= symbol\n{x=symbol}{x}\n", "{name=<pool>}"},
      {"facts.json",
       "[{\"id\":\"a\",\"en\":{\"name\":\"x\",\"symbol\":\"1\"}},"
       "{\"id\":\"b\",\"en\":{\"name\":\"x\",\"symbol\":\"2\"}}]",
       "a and b are both called x"},
      {"facts.json",
       "[{\"id\":\"a\",\"en\":{\"name\":\"x\",\"symbol\":\"1\"}},"
       "{\"id\":\"b\",\"en\":{\"symbol\":\"2\"}}]",
       "b has no name in \"en\""},
      {"facts.json",
       "[{\"id\":\"a\",\"en\":{\"name\":\"x\",\"symbol\":\"1\"}},"
       "{\"id\":\"b\",\"en\":{\"name\":\"y\",\"symbol\":\"2\"}}]",
       "can ask for no symbol: a question needs three wrong answers"},
      {"facts.json", "[{\"id\":\"a\",\"en\":{\"name\":\"x\"}}]",
       "named_by = \"symbol\": nothing in"},
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
