#include "tokenizer/chat_template.h"

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"

namespace seodang {
namespace {

using nlohmann::json;

std::string render(const std::string& source) {
  const Message message = {"user", "hi"};
  return render_chat(source, {&message, 1}, false, "<s>", "</s>");
}

// chats.json holds what Python's Jinja2 writes, or null where it fails.
TEST(ChatTemplate, WritesWhatJinja2Writes) {
  const json cases = read_json(kTokenizerData / "chats.json");
  ASSERT_GE(cases.size(), 90u);
  for (const json& expected : cases) {
    std::vector<Message> messages;
    for (const json& message : expected["messages"])
      messages.push_back({message["role"], message["content"]});
    const std::string source = expected["template"];
    json got;
    try {
      got =
          render_chat(source, messages, expected["generation"], "<s>", "</s>");
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind("chat template, line ", 0), 0u)
          << error.what();
    }
    EXPECT_EQ(got, expected["text"]) << source;
  }
}

TEST(ChatTemplate, OursHasTheShapeOfLlama3) {
  const Message messages[] = {
      {"system", " 짧게. "}, {"user", "수도는?\n"}, {"assistant", "서울"}};
  EXPECT_EQ(
      render_chat(kLlama3ChatTemplate, messages, true, "<|begin_of_text|>", ""),
      "<|begin_of_text|>"
      "<|start_header_id|>system<|end_header_id|>\n\n짧게.<|eot_id|>"
      "<|start_header_id|>user<|end_header_id|>\n\n수도는?<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n서울<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(ChatTemplate, EndlessOnesAreStopped) {
  const char* loops = "runs too long or grows too large";
  for (const auto& [source, says] :
       {std::pair{"{% for i in range(90000) %}{% for j in range(90000) %}"
                  "{% endfor %}{% endfor %}",
                  loops},
        {"{% set ns = namespace(s='ab') %}{% for i in range(99) %}"
         "{% set ns.s = ns.s + ns.s %}{% endfor %}",
         loops},
        {"{{ 'ab' * 9000000000000 }}", loops},
        {"{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}", loops},
        {"{{ range(9000) | join('b' * 1000000) }}", loops},
        {"{{ 'a\n' | indent(9000000000) }}", loops},
        {"{{ range(100001) }}", "more than 100000 items"},
        {"{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "too deep"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(9000) %}"
         "{% set ns.l = [ns.l] %}{% endfor %}",
         "nested too deep"},
        {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
         "cannot print"}}) {
    EXPECT_NE(message_of([&] { render(source); }).find(says), std::string::npos)
        << source;
  }
}

TEST(ChatTemplate, DeepSourcesAreRefused) {
  auto many = [](const std::string& part, int times) {
    std::string out;
    while (times-- > 0) out += part;
    return out;
  };
  for (const std::string& source :
       {"{{ " + many("(", 5000), "{{ " + many("[", 5000),
        "{{ " + many("-", 5000), "{{ " + many("not ", 5000),
        "{{ 1" + many("+1", 50000) + " }}",
        "{{ x" + many("|trim", 50000) + "}}", "{{ x" + many(".x", 50000) + "}}",
        "{{ 1" + many(" if 1", 9000) + "}}", many("{% if 1 %}", 5000),
        many("{% for x in y %}", 5000)})
    EXPECT_THROW(render(source), Error) << source.substr(0, 40);
}

TEST(ChatTemplate, ErrorsSayTheLine) {
  EXPECT_EQ(message_of([] { render("a\nb\n{{ 1 / 0 }}"); }),
            "chat template, line 3: division by zero");
  EXPECT_EQ(message_of([] { render("{{ raise_exception('say less') }}"); }),
            "chat template, line 1: the template says: say less");
  EXPECT_EQ(message_of([] { render("\n{% include 'x' %}"); }),
            "chat template, line 2: tag 'include' is not supported here");
}

TEST(ChatTemplate, NumbersThatOverflowAreErrors) {
  for (const char* source :
       {"{{ 9223372036854775807 + 1 }}", "{{ 9223372036854775808 }}",
        "{{ 3 ** 60 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ 5 % 0 }}"})
    EXPECT_THROW(render(source), Error) << source;
  EXPECT_EQ(render("{{ 'abc'[9223372036854775807:] }}"
                   "{{ 'abc'[-9223372036854775807::9223372036854775807] }}"),
            "a");
}

TEST(ChatTemplate, DamagedSourcesNeverCrash) {
  const json cases = read_json(kTokenizerData / "chats.json");
  Rng rng(4);
  for (const json& one : cases) {
    for (int i = 0; i < 20; ++i) {
      std::string source = one["template"];
      const size_t at = rng.below(source.size());
      if (i % 2)
        source.erase(at, 1 + rng.below(4));
      else
        source.insert(at, 1, "{}%-|'\"([.:,=*x1"[rng.below(16)]);
      try {
        render(source);
      } catch (const Error& error) {
        EXPECT_FALSE(std::string(error.what()).empty());
      }
    }
  }
}

}  // namespace
}  // namespace seodang
