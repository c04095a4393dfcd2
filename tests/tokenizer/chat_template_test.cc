#include "tokenizer/chat_template.h"

#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "formats/json.h"
#include "tokenizer/fixtures.h"
#include "tokenizer/turn_format.h"

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

// Templates that others published are not kept here: templates/compare.py
// fetches them, renders them with Jinja2 and with @huggingface/jinja, and has
// this write what ours makes of them.
TEST(ChatTemplate, PublishedTemplatesGiveWhatJinja2Gives) {
  const char* path = std::getenv("SEODANG_TEMPLATE_CASES");
  if (path == nullptr) {
    GTEST_SKIP() << "run tests/tokenizer/templates/compare.py";
  }
  std::tm now = kTemplateDay;
  now.tm_hour = 13, now.tm_min = 5, now.tm_sec = 9;
  std::ifstream cases(path);
  std::ofstream ours(std::string(path) + ".ours");
  for (std::string line; std::getline(cases, line);) {
    const auto one = nlohmann::ordered_json::parse(line);
    json got;
    try {
      got["text"] = render_chat(one["template"].get<std::string>(),
                                one["variables"], now);
    } catch (const Error& error) {
      got["error"] = error.what();
    }
    ours << got.dump() << "\n";
    const auto& expected = one["expected"];
    EXPECT_EQ(got.contains("text"), expected.contains("text")) << one["name"];
    if (got.contains("text") && expected.contains("text")) {
      EXPECT_EQ(got["text"], expected["text"].get<std::string>())
          << one["name"];
    }
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
  const char *steps = "runs too long", *bytes = "grows too large";
  // The same list in two places, 60 times over, is 2^60 items when written.
  const std::string laughs =
      "{% set ns = namespace(l=['a']) %}{% for i in range(60) %}"
      "{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
  const std::string long_text = "{% set s = 'ab ' * 9000000 %}";
  for (const auto& [source, says] :
       std::vector<std::pair<std::string, const char*>>{
           {"{% for i in range(90000) %}{% for j in range(90000) %}"
            "{% endfor %}{% endfor %}",
            bytes},
           {"{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}"
            "{% endmacro %}{{ f(60) }}",
            steps},
           {"{% set ns = namespace(s='ab') %}{% for i in range(99) %}"
            "{% set ns.s = ns.s + ns.s %}{% endfor %}",
            bytes},
           {"{{ 'ab' * 9000000000000 }}", bytes},
           {"{{ ([1] * 9000000000) | length }}", bytes},
           {"{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}", bytes},
           {"{{ ('a' * 1000000).replace('', 'b' * 1000000) }}", bytes},
           {"{{ range(9000) | join('b' * 1000000) }}", bytes},
           {"{{ 'a\n' | indent(9000000000) }}", bytes},
           {"{{ 'a'.ljust(9000000000) }}", bytes},
           {laughs + "{{ ns.l }}", bytes},
           {laughs + "{{ ns.l | tojson }}", bytes},
           {laughs + "{{ ns.l == [ns.l] }}{{ ns.l == ns.l + [] }}", bytes},
           {laughs + "{{ [ns.l, ns.l] | sort }}", bytes},
           {laughs + "{{ '%s' % (ns.l,) }}", bytes},
           {laughs + "{{ '{}'.format(ns.l) }}", bytes},
           {laughs + "{{ raise_exception(ns.l) }}", bytes},
           {long_text + "{% for c in s %}{% endfor %}", bytes},
           {long_text + "{{ s | list | length }}", bytes},
           {long_text + "{{ s.split() | length }}", bytes},
           {long_text + "{{ s.split(' ') | length }}", bytes},
           {long_text + "{{ s[::-1] }}", bytes},
           {long_text + "{% for i in range(99) %}{{ s | upper | length }}"
                        "{% endfor %}",
            bytes},
           {"{{ range(100001) }}", "more than 100000 items"},
           {"{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "too deep"},
           {"{% set ns = namespace(l=[]) %}{% for i in range(9000) %}"
            "{% set ns.l = [ns.l] %}{% endfor %}",
            "nested too deep"},
           {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
            "cannot print"}}) {
    EXPECT_NE(message_of([&, &text = source] { render(text); }).find(says),
              std::string::npos)
        << source;
  }
#ifndef SEODANG_SANITIZED
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  EXPECT_LT(usage.ru_maxrss, 400 << 10) << "KiB, at the worst moment";
#endif
}

// The worst that searching can meet takes linear time.
TEST(ChatTemplate, SearchesAreNotQuadratic) {
  const std::string given =
      "{% set s = 'a' * 4000000 %}{% set p = 'a' * 2000000 ~ 'b' %}";
  EXPECT_EQ(render(given + "{{ s.find(p) }} {{ s.rfind('b' ~ 'a' * 2000000) }}"
                           " {{ p in s }} {{ s.count(p) }}"),
            "-1 -1 False 0");
  EXPECT_EQ(render(given + "{{ s.split(p) | length }}"
                           " {{ s.rsplit(p, 1) | length }}"
                           " {{ s.replace(p, 'c') == s }}"),
            "1 1 True");
  EXPECT_EQ(render(given + "{{ s.strip(p) }}{{ s | trim(p) }}"), "");
}

// What a template may do grows with the conversation.
TEST(ChatTemplate, LongConversationsAreRendered) {
  const std::vector<Message> messages(20000, {"user", std::string(500, 'x')});
  const std::string text =
      render_chat(kLlama3ChatTemplate, messages, true, "", "");
  EXPECT_GT(text.size(), 20000u * 500);
}

TEST(ChatTemplate, ToolsDocumentsAndWhatElseIsGiven) {
  const auto variables = nlohmann::ordered_json::parse(R"({
      "messages": [{"role": "assistant", "content": null, "tool_calls": [
          {"function": {"name": "f", "arguments": {"z": 1, "a": "한", "x": 1.5}}}]}],
      "tools": [{"name": "f"}], "enable_thinking": false})");
  EXPECT_EQ(render_chat("{{ messages[0].content }} {{ messages[0].tool_calls[0]"
                        ".function.arguments | tojson }} {{ tools | length }} "
                        "{{ documents }} {{ enable_thinking }} "
                        "{{ add_generation_prompt is defined }}",
                        variables),
            R"(None {"z": 1, "a": "한", "x": 1.5} 1 None False False)");
}

TEST(ChatTemplate, TellsTheDayItIsGiven) {
  const Message message = {"user", "hi"};
  const char* source = "{{ strftime_now('%d %B %Y, %-d %b %H:%M %A %%') }}";
  EXPECT_EQ(render(source), "26 July 2024, 26 Jul 12:00 Friday %");
  std::tm now{};
  now.tm_year = 131, now.tm_mon = 1, now.tm_mday = 3, now.tm_hour = 7;
  EXPECT_EQ(render_chat("{{ strftime_now('%Y-%m-%d %-d %H') }}", {&message, 1},
                        false, "", "", now),
            "2031-02-03 3 07");
  EXPECT_NE(message_of([] {
              render("{{ strftime_now('%999999999d') }}");
            }).find("not supported"),
            std::string::npos);
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

// Python's integers have no end; ids of tool calls are often this large.
TEST(ChatTemplate, IntegersUpTo64BitsKeepTheirSign) {
  const auto variables = nlohmann::ordered_json::parse(
      R"({"big": 18446744073709551615, "least": 9223372036854775808,
          "list": [9223372036854775808]})");
  EXPECT_EQ(render_chat(
                "{{ big }} {{ list }} {{ {'id': big} | tojson }} "
                "{{ big > 5 }} {{ big > least }} {{ big == least }} "
                "{{ least in list }} {{ big is integer }} {{ big is number }}",
                variables),
            "18446744073709551615 [9223372036854775808] "
            "{\"id\": 18446744073709551615} True True False True True True");
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
