#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "formats/json_object.h"

namespace seodang {
namespace {

// PCRE2's \s also takes U+180E, which lost White_Space in Unicode 6.3.
std::string with_unicode_spaces(const std::string& pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's')
      out += "\\p{White_Space}";
    else if (escaped == 'S')
      out += "\\P{White_Space}";
    else
      (out += '\\') += escaped;
  }
  return out;
}

std::string message_of(int error) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// Room for the whole match (no groups), one for each thread.
pcre2_match_data* match_data() {
  static thread_local std::unique_ptr<pcre2_match_data,
                                      decltype(&pcre2_match_data_free)>
      data(pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  return data.get();
}

}  // namespace

Regex::Regex(const std::string& source, uint32_t options) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(),
                    PCRE2_UTF | options, &error, &offset, nullptr);
  if (!code)
    throw Error("pattern {}: {}", nlohmann::json(source).dump(),
                message_of(error));
  code_ = std::shared_ptr<void>(
      code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it, interpreted
}

Regex::Regex(const std::string& pattern)
    : Regex(with_unicode_spaces(pattern), PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C) {
}

Regex Regex::literal(const std::string& text) { return {text, PCRE2_LITERAL}; }

bool Regex::search(std::string_view text, size_t from, size_t& begin,
                   size_t& end) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  pcre2_match_data* data = match_data();
  int found =
      pcre2_jit_match(code, subject, text.size(), from, 0, data, nullptr);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT || found == PCRE2_ERROR_JIT_BADOPTION)
    found = pcre2_match(code, subject, text.size(), from,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, nullptr);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) throw Error("pattern: {}", message_of(found));
  begin = pcre2_get_ovector_pointer(data)[0];
  end = pcre2_get_ovector_pointer(data)[1];
  return true;
}

std::vector<std::vector<std::string_view>> Regex::captures(
    std::string_view text) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  uint32_t groups = 0;
  pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>
      data(pcre2_match_data_create(groups + 1, nullptr), pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  std::vector<std::vector<std::string_view>> out;
  for_each_match(text, [&](size_t begin, size_t) {
    // A match from where it is known to begin finds the same again.
    const int found = pcre2_match(
        code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), begin,
        PCRE2_NO_UTF_CHECK, data.get(), nullptr);
    if (found < 0) throw Error("pattern: {}", message_of(found));
    const PCRE2_SIZE* at = pcre2_get_ovector_pointer(data.get());
    std::vector<std::string_view>& parts = out.emplace_back();
    for (uint32_t g = groups == 0 ? 0 : 1; g <= groups; ++g) {
      const bool set = std::cmp_less(g, found) && at[2 * g] != PCRE2_UNSET;
      parts.push_back(set ? text.substr(at[2 * g], at[2 * g + 1] - at[2 * g])
                          : std::string_view());
    }
  });
  return out;
}

std::string Regex::replace(std::string_view text,
                           std::string_view content) const {
  std::string out;
  size_t done = 0;
  for_each_match(text, [&](size_t begin, size_t end) {
    (out += text.substr(done, begin - done)) += content;
    done = end;
  });
  return out += text.substr(done);
}

Regex read_pattern(const JsonObject& part) {
  const JsonObject pattern(part.value("pattern"), part.where() + ": pattern");
  pattern.only_keys({"Regex", "String"});
  return pattern.has("Regex") ? Regex(pattern.text("Regex"))
                              : Regex::literal(pattern.text("String"));
}

}  // namespace seodang
