#include "eval/suite.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "generate/tiny_model.h"

namespace seodang {
namespace {

std::filesystem::path suite_file(std::string_view text) {
  const auto path = scratch_directory() / "my.jsonl";
  write_file(path, text);
  return path;
}

TEST(Suite, ReadsQuestions) {
  const Suite suite = load_suite(suite_file(
      "{\"id\":\"a\",\"instruction\":\"대한민국의 수도는?\",\"answers\":[\"서울"
      "\"],\"wrong\":[\"도쿄\",\"파리\",\"로마\"],\"cloze\":\"대한민국의 "
      "수도는\"}\n\n{\"instruction\":\"Find the capital.\",\"input\":\"Paris "
      "is large.\",\"answers\":[\"Paris\"]}\r\n"));
  EXPECT_EQ(suite.name, "my");
  ASSERT_EQ(suite.questions.size(), 2u);
  EXPECT_EQ(suite.questions[0].id, "a");
  EXPECT_EQ(suite.questions[0].wrong.size(), 3u);
  EXPECT_EQ(suite.questions[0].cloze, "대한민국의 수도는");
  EXPECT_EQ(suite.questions[1].input, "Paris is large.");
  EXPECT_TRUE(suite.questions[1].cloze.empty());
}

TEST(Suite, TheFirstLineMayBeSettings) {
  const char* item =
      "{\"kind\":\"capital\",\"instruction\":\"q?\",\"answers\":[\"a\"]}\n";
  const Suite plain = load_suite(suite_file(item));
  EXPECT_EQ(plain.style, AnswerStyle::any);
  EXPECT_EQ(plain.questions[0].kind, "capital");
  const Suite suite = load_suite(suite_file(
      std::string("{\"style\":\"sentence\",\"frame\":\"Q: {question}\\nA:\","
                  "\"shots\":[{\"question\":\"one?\",\"answer\":\"1\"},"
                  "{\"question\":\"two?\",\"answer\":\"2\"}]}\n") +
      item));
  EXPECT_EQ(suite.style, AnswerStyle::sentence);
  EXPECT_EQ(suite.questions.size(), 1u);
  EXPECT_EQ(framed(suite, "q?", 0), "Q: q?\nA:");
  EXPECT_EQ(framed(suite, "q?", 9),
            "Q: one?\nA: 1\n\nQ: two?\nA: 2\n\nQ: q?\nA:");
}

TEST(Suite, ComplaintsAboutSettingsNameTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"{\"style\":\"haiku\"}", "my.jsonl:1: style is"},
      {"{\"stile\":\"any\"}", "\"stile\" is no setting"},
      {"{\"frame\":\"Q:\"}", "frame has no {question}"},
      {"{\"shots\":[]}", "shots need a frame"},
      {"{\"frame\":\"{question}\",\"shots\":{}}", "shots must be a list"},
      {"{\"frame\":\"{question}\",\"shots\":[{\"question\":\"q\"}]}",
       "shots: needs a string \"answer\""},
      {"{\"frame\":\"{question}\",\"shots\":[{\"question\":\"q\"}]}",
       "my.jsonl:1"},
  };
  for (const auto& [line, message] : cases) {
    const auto path = suite_file(
        std::string(line) + "\n{\"instruction\":\"q\",\"answers\":[\"a\"]}\n");
    EXPECT_NE(error_of([&] { load_suite(path); }).find(message),
              std::string::npos)
        << line << ": " << error_of([&] { load_suite(path); });
  }
}

TEST(Suite, ReadsTexts) {
  const Suite suite =
      load_suite(suite_file("{\"text\":\"하나\"}\n{\"text\":\"two\"}"));
  EXPECT_EQ(suite.texts, (std::vector<std::string>{"하나", "two"}));
}

TEST(Suite, ComplaintsNameFileAndLine) {
  const char* good = "{\"instruction\":\"q\",\"answers\":[\"a\"]}\n";
  const std::pair<const char*, const char*> cases[] = {
      {"[1]", "my.jsonl:2: expected an object"},
      {"{\"instruction\":", "my.jsonl:2: not JSON"},
      {"{\"instruction\":\"\xFF\",\"answers\":[\"a\"]}",
       "my.jsonl:2: not JSON"},
      {"{\"answers\":[\"a\"]}", "my.jsonl:2: needs a string \"instruction\""},
      {"{\"instruction\":\"q\"}", "my.jsonl:2: answers is missing or empty"},
      {"{\"instruction\":\"q\",\"answers\":[]}",
       "my.jsonl:2: answers is missing or empty"},
      {"{\"instruction\":\"q\",\"answers\":\"a\"}",
       "needs an array \"answers\""},
      {"{\"instruction\":\"q\",\"answers\":[3]}",
       "answers holds 3, which is no text"},
      {"{\"instruction\":7,\"answers\":[\"a\"]}",
       "needs a string \"instruction\""},
      {"{\"instruction\":\"q\",\"answers\":[\"a\"],\"cloze\":\"c\"}",
       "cloze needs \"wrong\""},
      {"{\"text\":\"t\"}", "questions and texts in one suite"},
  };
  for (const auto& [line, message] : cases) {
    const auto path = suite_file(std::string(good) + line + "\n");
    EXPECT_NE(error_of([&] { load_suite(path); }).find(message),
              std::string::npos)
        << line << ": " << error_of([&] { load_suite(path); });
  }
  const auto empty = suite_file("\n\n");
  EXPECT_NE(error_of([&] { load_suite(empty); }).find("no items"),
            std::string::npos);
  EXPECT_NE(error_of([&] { load_suite("/nowhere.jsonl"); }), "");
}

TEST(Suite, ARunsSuitesComeInTheOrderOfTheQuestion) {
  const auto run = scratch_directory();
  std::filesystem::create_directories(run / "base");
  EXPECT_TRUE(suites_of_run(run / "base").empty());
  std::filesystem::create_directories(run / "corpus/suites");
  for (const char* name :
       {"seen.en", "general", "heldout-reworded.ko", "another", "final.en",
        "heldout.en", "final-reworded.ko", "heldout.ko", "seen.ko", "final.ko",
        "heldout-reworded.en"})
    write_file(run / "corpus/suites" / (std::string(name) + ".jsonl"), "");
  write_file(run / "corpus/suites/README.md", "");
  std::vector<std::string> names;
  for (const auto& path : suites_of_run((run / "base").string() + "/"))
    names.push_back(path.stem().string());
  EXPECT_EQ(names, (std::vector<std::string>{
                       "heldout.ko", "heldout.en", "heldout-reworded.ko",
                       "heldout-reworded.en", "final.ko", "final.en",
                       "final-reworded.ko", "seen.ko", "seen.en", "general",
                       "another"}));
}

}  // namespace
}  // namespace seodang
