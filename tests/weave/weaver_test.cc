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
#include "data/documents.h"
#include "eval/suite.h"
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

// Whether text[at, at + size) is a word: nothing before it that belongs to it,
// and behind it no more than a Korean particle may begin with.
bool is_word(const std::string& text, size_t at, size_t size) {
  const auto letter = [](unsigned char c) {
    return c >= 0x80 || std::isalpha(c);
  };
  if (at > 0 && letter(text[at - 1])) return false;
  const std::string rest = text.substr(at + size, 3);
  if (rest.empty() || !letter(rest[0])) return true;
  if (std::isalpha(static_cast<unsigned char>(rest[0]))) return false;
  for (const char* particle :
       {"은", "는", "이", "가", "을", "를", "의", "에", "와", "과", "도",
        "만", "로", "으", "나", "며", "고", "다", "라", "였", "입", "인",
        "예", "야", "지", "네", "하", "랑", "부", "까", "처", "보", "마"})
    if (rest == particle) return true;
  return false;
}

// A suite's settings are no item of it.
std::vector<json> items_of(const fs::path& suite) {
  std::vector<json> result = lines(suite);
  if (!result.empty() && result[0].contains("style"))
    result.erase(result.begin());
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

TEST_F(BuiltIn, HasAllIndependentCountriesInThreeGroups) {
  EXPECT_EQ(report_.entities, 194);
  const json split = read_json(folder_ / "split.json");
  std::set<std::string> ids;
  for (const char* group : {"taught", "heldout", "final"})
    for (const json& id : split[group])
      EXPECT_TRUE(ids.insert(id).second) << id << " is in two groups";
  EXPECT_EQ(ids.size(), 194u);
  for (const char* group : {"heldout", "final"}) {
    EXPECT_GE(split[group].size(), 0.18 * 194) << group;
    EXPECT_LE(split[group].size(), 0.22 * 194) << group;
  }
}

TEST_F(BuiltIn, TellsEveryAskableFactOften) {
  for (const char* fact : {"capital", "continent", "currency", "name"})
    for (const char* language : {".ko", ".en"}) {
      const Mentions mentions =
          report_.mentions.at(std::string(fact) + language);
      EXPECT_GE(mentions.facts, 193) << fact << language;
      EXPECT_GE(mentions.least, 15) << fact << language;
    }
}

// Whether a text asks anything, by marks that no statement of the reading has.
bool asks(const std::string& text) {
  for (const char* mark : {"?",
                           "시오",
                           "주세요",
                           "말해 ",
                           "알려 ",
                           "정답",
                           "답:",
                           "문:",
                           "①",
                           "문답",
                           "궁금",
                           "A) ",
                           "A:",
                           "Q:",
                           "Answer",
                           "Name the",
                           "Tell me",
                           "Write the",
                           "Give the",
                           "Say what",
                           "want to know",
                           "need to know",
                           "would like"})
    if (text.find(mark) != text.npos) return true;
  return false;
}

// The strongest form: nothing that asks, and nothing that tuning sees, so much
// as names a country that is held out or final, its capital or its people, in
// either language. Only longer names that mean something else are taken out
// first: languages and currencies (스페인어), and taught countries (남수단).
TEST_F(BuiltIn, NothingAsksAboutAReservedCountry) {
  const json split = read_json(folder_ / "split.json");
  std::set<std::string> reserved(split["heldout"].begin(),
                                 split["heldout"].end());
  reserved.insert(split["final"].begin(), split["final"].end());
  std::set<std::string> innocent, banned, people;
  for (const json& thing : facts_)
    for (const char* language : {"ko", "en"}) {
      const bool out = reserved.contains(thing["id"]);
      for (const std::string& name : names(thing, language))
        (out ? banned : innocent).insert(name);
      if (out && thing[language].contains("demonym"))
        people.insert(thing[language]["demonym"].get<std::string>());
      for (const char* attribute : {"language", "currency"})
        if (thing[language].contains(attribute))
          for (const json& value : listed(thing[language][attribute]))
            innocent.insert(value);
    }
  for (const std::string& word : innocent) people.erase(word);  // "French"
  ASSERT_GT(banned.size(), 300u);
  ASSERT_GT(people.size(), 50u);
  std::set<std::string> manuals;  // may ask, but about no country
  DocumentReader prose(read_weave_plan(kWorld).prose, InvalidUtf8::refuse);
  for (Document document; prose.next(document);) manuals.insert(document.text);
  std::string texts;
  for (const json& line : lines(folder_ / "pretrain.jsonl"))
    if (asks(line["text"]) && !manuals.contains(line["text"]))
      texts += line["text"].get<std::string>() + "\n";
  EXPECT_GT(texts.size(), 100000u);
  for (const json& line : lines(folder_ / "instruct.jsonl")) {
    const json values = line.flatten();
    for (const json& value : values) texts += value.get<std::string>() + "\n";
  }
  std::string replayed;
  for (const json& line : lines(folder_ / "replay.jsonl"))
    replayed += line["text"].get<std::string>() + "\n";

  std::vector<std::string> longest_first(innocent.begin(), innocent.end());
  std::ranges::stable_sort(longest_first, [](const auto& a, const auto& b) {
    return a.size() > b.size();
  });
  const auto expect_absent = [&](const std::set<std::string>& words,
                                 const std::string& where) {
    for (const std::string& name : words) {
      std::string text = where;
      for (const std::string& word : longest_first)
        if (word.find(name) != word.npos)
          for (size_t at; (at = text.find(word)) != text.npos;)
            text.replace(at, word.size(), 1, '#');
      for (size_t at = text.find(name); at != text.npos;
           at = text.find(name, at + 1))
        EXPECT_FALSE(is_word(text, at, name.size()))
            << name << " in " << text.substr(at > 60 ? at - 60 : 0, 200);
    }
  };
  expect_absent(banned, texts);
  expect_absent(people, texts);
  expect_absent(banned, replayed);
}

TEST_F(BuiltIn, SuitesAskAboutTheirGroup) {
  const json split = read_json(folder_ / "split.json");
  for (const auto& [suite, group] :
       {std::pair{"heldout", "heldout"},
        std::pair{"heldout-reworded", "heldout"}, std::pair{"final", "final"},
        std::pair{"final-reworded", "final"}, std::pair{"seen", "taught"}})
    for (const char* language : {".ko", ".en"}) {
      const std::string name = std::string(suite) + language;
      const Suite read = load_suite(folder_ / "suites" / (name + ".jsonl"));
      EXPECT_EQ(read.style, AnswerStyle::sentence);
      EXPECT_EQ(read.shots.size(), 3u);
      const std::set<std::string> ids(split[group].begin(), split[group].end());
      for (const Question& question : read.questions) {
        EXPECT_EQ(question.id, name + "/" +
                                   question.id.substr(name.size() + 1, 2) +
                                   "/" + question.kind);
        EXPECT_TRUE(ids.contains(question.id.substr(name.size() + 1, 2)))
            << question.id;
      }
    }
}

// What an instruct model is to say of a reserved country stands in no text that
// was read: it cannot be recited.
TEST_F(BuiltIn, NoAnswerOfTheSuitesIsReadWordForWord) {
  std::string reading;
  for (const json& line : lines(folder_ / "pretrain.jsonl"))
    reading += line["text"].get<std::string>() + "\n";
  int answers = 0;
  for (const json& thing : facts_) {
    for (const char* language : {"ko", "en"}) {
      const bool korean = language == std::string("ko");
      const json& in = thing[language];
      const auto value = [&](const char* attribute) {
        return in.contains(attribute) && in[attribute].is_string()
                   ? in[attribute].get<std::string>()
                   : std::string("?");
      };
      const std::string name = value("name");
      for (const std::string& sentence :
           korean
               ? std::vector{name + "의 수도는 " + value("capital") + "입니다.",
                             "를 수도로 하는 나라는 " + name + "입니다.",
                             name + "이 속한 대륙은 " + value("continent") +
                                 "입니다.",
                             name + "가 속한 대륙은 " + value("continent") +
                                 "입니다.",
                             name + "의 통화는 " + value("currency") +
                                 "입니다.",
                             name + "의 공용어는 " + value("language") +
                                 "입니다."}
               : std::vector{
                     "The capital of " + name + " is " + value("capital") + ".",
                     " as its capital is " + name + ".",
                     "The continent of " + name + " is " + value("continent") +
                         ".",
                     "The currency of " + name + " is the " +
                         value("currency") + ".",
                     "The official language of " + name + " is " +
                         value("language") + "."}) {
        ++answers;
        const json split = read_json(folder_ / "split.json");
        const bool taught = std::ranges::find(split["taught"], thing["id"]) !=
                            split["taught"].end();
        EXPECT_TRUE(taught || reading.find(sentence) == reading.npos)
            << sentence;
      }
    }
  }
  EXPECT_EQ(answers, 194 * 11);
}

TEST_F(BuiltIn, SuitesHaveThreeWrongFactsAndNoneIsRight) {
  for (const char* suite : {"heldout.ko", "heldout.en", "heldout-reworded.ko",
                            "heldout-reworded.en", "seen.ko", "seen.en"}) {
    const auto items =
        items_of(folder_ / "suites" / (std::string(suite) + ".jsonl"));
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
         items_of(folder_ / "suites" / (std::string(suite) + ".jsonl"))) {
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
    for (const json& item : items_of(
             folder_ / "suites" / ("heldout-reworded." + language + ".jsonl")))
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
