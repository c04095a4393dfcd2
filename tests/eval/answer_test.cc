#include "eval/answer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>

namespace seodang {
namespace {

Question capital_of(std::string country, std::string question,
                    std::vector<std::string> answers,
                    std::vector<std::string> wrong) {
  return {.id = std::move(country),
          .kind = "capital",
          .instruction = std::move(question),
          .input = "",
          .answers = std::move(answers),
          .wrong = std::move(wrong),
          .cloze = ""};
}

Suite suite_of(std::vector<Question> questions,
               AnswerStyle style = AnswerStyle::sentence) {
  return {.name = "suite",
          .style = style,
          .frame = "",
          .shots = {},
          .questions = std::move(questions),
          .texts = {}};
}

const Question kSeoul = capital_of("KR", "대한민국의 수도는 어디입니까?",
                                   {"서울"}, {"도쿄", "베이징", "하노이"});
const Question kParis = capital_of("FR", "What is the capital of France?",
                                   {"Paris"}, {"London", "Madrid", "Rome"});

struct FormCase {
  const char* text;
  bool well_formed;
};

void expect_forms(const Question& question, AnswerStyle style,
                  std::span<const FormCase> cases) {
  const Grader grader(suite_of({question}, style));
  for (const FormCase& c : cases) {
    const std::string_view because =
        grader.ill_formed_because(question, c.text, true);
    EXPECT_EQ(because.empty(), c.well_formed) << c.text << ": " << because;
  }
}

// Judged by hand, as a reader of the essay would.
TEST(WellFormed, HandMadeTable) {
  const FormCase korean[] = {
      {"대한민국의 수도는 서울입니다.", true},
      {" 서울입니다.\n", true},
      {"서울", true},
      {"서울이에요!", true},
      {"수도는 서울이다", true},
      {"\"서울\"이라고 합니다.", true},
      {"대한민국의 수도는 서울입니다. 인구가 가장 많은 도시이기도 해요.", true},
      {"", false},
      {" \n ", false},
      {"...", false},
      {"도쿄", true},   // wrong, but a fact
      {"부산", false},  // a bare word that is no fact of the suite
      {"① 서울 ② 부산 ③ 대구", false},
      {"1) 서울 2) 부산", false},
      {"가) 서울입니다.", false},
      {"1. 서울입니다.", false},
      {"정답: 서울입니다.", false},
      {"문제 3: 일본의 수도를 쓰시오.", false},
      {"서울입니다.\n일본의 수도는 도쿄입니다.", false},
      {"일본의 수도는 어디입니까?", false},
      {"서울입니다. 일본의 수도는?", false},
      {"대한민국의 수도는 어디입니까", false},
      {"대한민국의 수도는 서울이며", false},
      {"서울입니다. 서울입니다. 서울입니다.", false},
      {"서울서울서울서울서울서울", false},
      {"| 대한민국 | 서울 |입니다.", false},
      {"<|start_header_id|>서울입니다.", false},
      {"**서울**입니다.", false},
      {"은 서울입니다. 통화는 원입니다. 대륙은 아시아입니다.", false},
      {"서울\xEF\xBF\xBD입니다.", false},
      {"사용자: 서울입니다.", false},
  };
  expect_forms(kSeoul, AnswerStyle::sentence, korean);
  const FormCase english[] = {
      {"The capital of France is Paris.", true},
      {"Paris is the capital of France.", true},
      {"Paris", true},
      {"“Paris.”", true},
      {"It is St. Denis.", true},  // wrong, but an answer
      {"The capital is Washington, D.C.", true},
      {"paris", true},  // the bare fact
      {"of France is Paris.", false},
      {"? It is Paris.", false},
      {"(A) Paris (B) London", false},
      {"A. Paris", false},
      {"b) Paris.", false},
      {"Answer: Paris.", false},
      {"Q: What is the capital of Spain", false},
      {"Question 4: Name the capital.", false},
      {"What is the capital of Spain?", false},
      {"What is the capital of France", false},
      {"The capital of France", false},
      {"The capital of France is Paris, and", false},
      {"The capital of France is Paris...", false},
      {"Paris. Paris is large. Paris is old.", false},
      {"Paris is is is the capital.", false},
      {"Paris is in France. Paris is in France.", false},
      {"Capital: Paris | Currency: euro", false},
      {"Assistant: Paris.", false},
      {"France is large.\nIts capital is Paris.", false},
  };
  expect_forms(kParis, AnswerStyle::sentence, english);
}

// Other people's instruct models answer in paragraphs, lists and emphasis.
TEST(WellFormed, AnyStyleLeavesTheFormToTheModel) {
  const FormCase korean[] = {
      {"대한민국의 수도는 **서울**입니다.", true},
      {"- 수도: 서울\n- 인구: 약 940만 명", true},
      {"서울입니다. 더 궁금한 것이 있으신가요?", true},
      {"서울", true},
      {"부산", true},
      {"", false},
      {"서울\xEF\xBF\xBD입니다.", false},
      {"정답: ② 서울", false},
      {"대한민국의 수도는 어디입니까", false},
      {"서울입니다. 서울입니다. 서울입니다.", false},
  };
  expect_forms(kSeoul, AnswerStyle::any, korean);
  const FormCase english[] = {
      {"The capital of France is Paris.\n\nIt lies on the Seine.", true},
      {"**Paris**", true},
      {"1. Paris\n2. Lyon", true},
      {"of France is Paris.", false},
      {"User: and of Spain?", false},
  };
  expect_forms(kParis, AnswerStyle::any, english);
}

TEST(WellFormed, OnlyWhatStopsByItselfIsAnAnswer) {
  for (const AnswerStyle style : {AnswerStyle::any, AnswerStyle::sentence}) {
    const Grader grader(suite_of({kParis}, style));
    EXPECT_EQ(grader.ill_formed_because(
                  kParis, "The capital of France is Paris.", false),
              "did not stop by itself");
    EXPECT_EQ(grader.ill_formed_because(kParis, "Paris\xFF.", true),
              "broken characters");
  }
}

struct FactCase {
  const char* text;
  bool correct;
};

void expect_facts(const Question& question, const std::vector<Question>& suite,
                  const std::vector<FactCase>& cases) {
  const Grader grader(suite_of(suite));
  for (const FactCase& c : cases)
    EXPECT_EQ(grader.correct(question, c.text), c.correct)
        << question.instruction << " → " << c.text;
}

TEST(Correct, KoreanParticlesAndEndings) {
  expect_facts(kSeoul, {kSeoul},
               {{"대한민국의 수도는 서울입니다.", true},
                {"서울", true},
                {"서울이에요!", true},
                {"서울에서는", true},
                {"그것은 '서울'이라고 합니다.", true},
                {"수도가 서울인데요, 크답니다.", true},
                {"Seoul입니다.", false},
                {"대한민국의 수도는 부산입니다.", false},
                {"서울과 도쿄입니다.", false},
                {"도쿄가 아니라 서울입니다.", false},  // it names a wrong one
                {"남서울입니다.", false},
                {"서울랜드입니다.", false},
                {"", false}});
}

TEST(Correct, CaseAndPunctuation) {
  expect_facts(kParis, {kParis},
               {{"PARIS!", true},
                {"the capital is paris", true},
                {"Paris's streets", true},
                {"Parisian streets", false},
                {"Comparis", false},
                {"London", false},
                {"Paris or London", false}});
  const Question tonga = capital_of("TO", "Capital of Tonga?", {"Nuku'alofa"},
                                    {"Apia", "Suva", "Majuro"});
  expect_facts(tonga, {tonga},
               {{"Nukuʻalofa is the capital.", true},
                {"Nuku’alofa", true},
                {"Nuku", false}});
  const Question haiti =
      capital_of("HT", "Capital of Haiti?", {"Port-au-Prince"}, {"Havana"});
  expect_facts(haiti, {haiti},
               {{"It is Port au Prince.", true}, {"Prince", false}});
  const Question washington =
      capital_of("US", "미국의 수도는?", {"워싱턴 D.C.", "워싱턴"}, {"하바나"});
  expect_facts(washington, {washington},
               {{"미국의 수도는 워싱턴 D.C.입니다.", true},
                {"워싱턴입니다.", true},
                {"하바나입니다.", false}});
}

TEST(Correct, DecomposedHangulIsTheSame) {
  // "서울" as conjoining jamo (NFD).
  expect_facts(kSeoul, {kSeoul},
               {{"\u1109\u1165\u110B\u116E\u11AF\u110B\u1175\u11B8\u1102\u1175"
                 "\u1103\u1161.",
                 true}});
}

TEST(Correct, NamesInsideNames) {
  const Question niger = capital_of("NE", "니아메는 어느 나라의 수도인가?",
                                    {"니제르"}, {"나이지리아", "말리", "차드"});
  const Question nigeria = capital_of("NG", "Whose capital is Abuja?",
                                      {"Nigeria"}, {"Niger", "Mali", "Chad"});
  const Question guinea =
      capital_of("GN", "Whose capital is Conakry?", {"Guinea"},
                 {"Equatorial Guinea", "Guinea-Bissau", "Mali"});
  const Question equatorial =
      capital_of("GQ", "Whose capital is Malabo?", {"Equatorial Guinea"},
                 {"Guinea", "Gabon", "Togo"});
  const Question korean_guinea =
      capital_of("GN", "코나크리는 어느 나라의 수도인가?", {"기니"},
                 {"적도 기니", "기니비사우", "파푸아뉴기니"});
  const Question dominica =
      capital_of("DM", "Whose capital is Roseau?", {"Dominica"},
                 {"Dominican Republic", "Cuba", "Haiti"});
  const Question korean_dominica =
      capital_of("DM", "로조는 어느 나라의 수도인가?", {"도미니카 연방"},
                 {"도미니카 공화국", "쿠바", "아이티"});
  const Question won = capital_of("KR", "대한민국의 통화는?", {"원"}, {"엔"});
  const Question chinese =
      capital_of("CN", "중국의 공용어는?", {"중국어"}, {"몽골어"});
  const std::vector<Question> suite = {niger,    nigeria,         guinea,
                                       dominica, korean_dominica, equatorial,
                                       won,      korean_guinea,   chinese};
  expect_facts(niger, suite,
               {{"니제르입니다.", true}, {"나이지리아입니다.", false}});
  expect_facts(nigeria, suite, {{"Nigeria.", true}, {"Niger.", false}});
  expect_facts(guinea, suite,
               {{"It is Guinea.", true},
                {"It is Equatorial Guinea.", false},
                {"It is Guinea-Bissau.", false},
                {"Papua New Guineans", false}});
  expect_facts(equatorial, suite,
               {{"It is Equatorial Guinea.", true}, {"It is Guinea.", false}});
  expect_facts(korean_guinea, suite,
               {{"기니입니다.", true},
                {"기니의 수도입니다.", true},
                {"적도 기니입니다.", false},
                {"적도기니입니다.", false},
                {"기니비사우입니다.", false},
                {"파푸아뉴기니입니다.", false}});
  expect_facts(dominica, suite,
               {{"Roseau is the capital of Dominica.", true},
                {"It is the Dominican Republic.", false}});
  expect_facts(
      korean_dominica, suite,
      {{"도미니카 연방입니다.", true}, {"도미니카 공화국입니다.", false}});
  expect_facts(won, suite, {{"원입니다.", true}, {"원화입니다.", false}});
  expect_facts(
      chinese, suite,
      {{"중국의 공용어는 중국어입니다.", true}, {"중국의 말입니다.", false}});
}

TEST(Correct, ANameInTheQuestionIsNoAnswerByItself) {
  const Question singapore =
      capital_of("SG", "What is the capital of Singapore?", {"Singapore"},
                 {"Manila", "Hanoi", "Jakarta"});
  const Question malaysia =
      capital_of("MY", "What is the capital of Malaysia?", {"Kuala Lumpur"},
                 {"Manila", "Hanoi", "Jakarta"});
  expect_facts(singapore, {singapore, malaysia},
               {{"The capital of Singapore is Singapore.", true},
                {"Singapore.", true},
                {"The capital of Singapore is Kuala Lumpur.", false},
                {"The capital of Singapore is Manila.", false}});
  const Question south_africa =
      capital_of("ZA", "Which continent is South Africa in?", {"Africa"},
                 {"Asia", "Europe", "Oceania"});
  expect_facts(south_africa, {south_africa},
               {{"South Africa is a country in Africa.", true},
                {"South Africa is a country in Asia.", false}});
}

TEST(Correct, WrongFactsThatTheQuestionNamesMayBeSaid) {
  Question choice = capital_of("AU", "Which of the two is the capital?",
                               {"Canberra"}, {"Sydney"});
  choice.input = "Sydney or Canberra";
  expect_facts(choice, {choice},
               {{"Canberra, not Sydney.", true}, {"Sydney.", false}});
}

}  // namespace
}  // namespace seodang
