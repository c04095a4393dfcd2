#include "upbringing/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace seodang {
namespace {

using nlohmann::json;

constexpr char kHostile[] =
    "</script><script>alert(1)</script><!--<script> & \" ' {{script}} "
    "{{data}} ]]> \u2028";

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at)
    ++n;
  return n;
}

json embedded(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"report\">";
  const size_t from = page.find(begin) + begin.size();
  return json::parse(page.substr(from, page.find("</script>", from) - from));
}

TEST(ReportTest, HostileTextsStayTexts) {
  const json report = {
      {"name", kHostile},
      {"answers",
       {{{"prompt", kHostile},
         {"models", {{{"name", "base"}, {"text", kHostile}}}}}}}};
  const std::string page = report_page(report);
  const std::string plain = report_page({{"name", "plain"}});
  EXPECT_EQ(count(page, "<script"), count(plain, "<script"));
  EXPECT_EQ(count(page, "</script"), count(plain, "</script"));
  EXPECT_EQ(count(page, "<!--"), count(plain, "<!--"));
  EXPECT_EQ(embedded(page), report);
}

TEST(ReportTest, BytesThatAreNoTextBecomeReplacementCharacters) {
  const std::string page = report_page({{"name", "a\xff\xe0"}});
  EXPECT_EQ(count(page, "\xff"), 0u);
  EXPECT_EQ(embedded(page)["name"].get<std::string>().substr(0, 4), "a\uFFFD");
}

TEST(ReportTest, NeedsNothingElse) {
  const std::string page = report_page({{"name", "plain"}});
  for (const char* reference : {"src=", "href=", "url(", "@import", "fetch("})
    EXPECT_EQ(count(page, reference), 0u) << reference;
  EXPECT_EQ(count(page, "{{"), 0u);
  EXPECT_EQ(count(page, "innerHTML"), 0u);
}

}  // namespace
}  // namespace seodang
