#include "upbringing/report.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "upbringing/report_parts.h"

namespace seodang {
namespace {

using nlohmann::json;

std::string escape_html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

// JSON that cannot end the script it stands in: inside JSON '<' occurs only in
// strings, where \u003c means the same. Bytes that are not UTF-8 become U+FFFD.
std::string script_json(const json& value) {
  const std::string text =
      value.dump(-1, ' ', false, json::error_handler_t::replace);
  std::string result;
  for (const char c : text) {
    if (c == '<')
      result += "\\u003c";
    else
      result += c;
  }
  return result;
}

}  // namespace

std::string report_page(const json& report) {
  const std::string title = escape_html(
      json::parse(script_json(report.value("name", ""))).get<std::string>());
  std::string page;
  std::string_view rest = kReportHtml;
  const auto fill = [&](std::string_view place, std::string_view text) {
    const size_t at = rest.find(place);
    page += rest.substr(0, at);
    page += text;
    rest.remove_prefix(at + place.size());
  };
  fill("{{title}}", title);
  fill("{{style}}", kReportCss);
  fill("{{data}}", script_json(report));
  fill("{{script}}", kReportScript);
  return page += rest;
}

}  // namespace seodang
