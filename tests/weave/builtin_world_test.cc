// What the built-in world is woven to: who is asked about, and who is not.
#include "weave/weaver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "data/documents.h"
#include "eval/suite.h"
#include "formats/json.h"
#include "weave/woven.h"

namespace seodang {
namespace {

const fs::path kWorld = SEODANG_SOURCE_DIR "/data/world/world.toml";

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
  DocumentReader prose(read_weave_plan(kWorld).prose,
                       {.invalid_utf8 = "refuse"});
  for (Document document; prose.next(document);) manuals.insert(document.text);
  std::string texts;
  for (const json& line : lines(folder_ / "pretrain.jsonl"))
    if (asks(line["text"]) && !manuals.contains(line["text"]))
      texts += line["text"].get<std::string>() + "\n";
  EXPECT_GT(texts.size(), 100000u);
  for (const json& line : lines(folder_ / "tasks/report.train.jsonl"))
    texts += line["input"].get<std::string>() + "\n" +
             line["output"].get<std::string>() + "\n";
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

// Every report that an example shows passes all checks of its scorer, and no
// other report does.
TEST_F(BuiltIn, ReportsPassTheirScorer) {
  const Scorer scorer =
      Scorer::load(kWorld.parent_path() / "report-scorer.toml");
  for (const char* part : {"train", "test", "others"}) {
    const Suite suite =
        load_suite(folder_ / "tasks" / fmt::format("report.{}.jsonl", part));
    EXPECT_GT(suite.task.size(), 50u);
    std::vector<std::string> prompts;
    for (const TaskItem& item : suite.task) {
      prompts.push_back(item.messages[0].content);
      const Verdict verdict =
          scorer.judge(prompts.back(), item.output, item.output, true);
      EXPECT_TRUE(verdict.complete())
          << item.output << fmt::format("{}", fmt::join(verdict.failed, ", "));
      // Another's report is not right.
      EXPECT_FALSE(scorer.judge(prompts.back(), suite.task[0].output, "", true)
                       .complete() &&
                   item.output != suite.task[0].output);
    }
    scorer.check_fits(prompts);
  }
  EXPECT_EQ(report_.tasks.at("report.others"),
            std::ssize(lines(folder_ / "tasks/report.others.jsonl")));
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

}  // namespace
}  // namespace seodang
