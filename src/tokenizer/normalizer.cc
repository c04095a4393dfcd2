#include "tokenizer/normalizer.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/json_object.h"
#include "tokenizer/regex.h"

namespace seodang {
namespace {

using nlohmann::json;
using Change = std::function<void(std::string&)>;
using Step = Normalizer::Step;

const icu::Normalizer2* form_of(const std::string& type) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form =
      type == "NFC"    ? icu::Normalizer2::getNFCInstance(status)
      : type == "NFD"  ? icu::Normalizer2::getNFDInstance(status)
      : type == "NFKC" ? icu::Normalizer2::getNFKCInstance(status)
                       : icu::Normalizer2::getNFKDInstance(status);
  if (U_FAILURE(status)) throw Error("ICU: {}", u_errorName(status));
  return form;
}

Change unicode_form(const std::string& type) {
  return [form = form_of(type)](std::string& text) {
    std::string changed;
    icu::StringByteSink<std::string> sink(&changed);
    UErrorCode status = U_ZERO_ERROR;
    form->normalizeUTF8(0, text, sink, nullptr, status);
    if (U_FAILURE(status)) throw Error("ICU: {}", u_errorName(status));
    text = std::move(changed);
  };
}

// Each character by itself: a final sigma is not told apart.
void lowercase(std::string& text) {
  std::string changed;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view one = rest.substr(0, utf8_character_size(rest));
    icu::UnicodeString::fromUTF8({one.data(), static_cast<int32_t>(one.size())})
        .toLower(icu::Locale::getRoot())
        .toUTF8String(changed);
    rest.remove_prefix(one.size());
  }
  text = std::move(changed);
}

void strip(std::string& text, bool left, bool right) {
  std::string_view rest = text;
  while (left && !rest.empty()) {
    const size_t size = utf8_character_size(rest);
    if (!u_isUWhiteSpace(decode_utf8(rest.substr(0, size)))) break;
    rest.remove_prefix(size);
  }
  while (right && !rest.empty()) {
    size_t begin = rest.size() - 1;
    while (begin > 0 && (rest[begin] & 0xC0) == 0x80) --begin;
    if (!u_isUWhiteSpace(decode_utf8(rest.substr(begin)))) break;
    rest.remove_suffix(rest.size() - begin);
  }
  text = std::string(rest);
}

void strip_accents(std::string& text) {
  std::string changed;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view one = rest.substr(0, utf8_character_size(rest));
    if (!(U_GET_GC_MASK(decode_utf8(one)) & U_GC_M_MASK)) changed += one;
    rest.remove_prefix(one.size());
  }
  text = std::move(changed);
}

void read_steps(const json& value, std::vector<Step>& steps) {
  const JsonObject part = JsonObject::typed(value, "normalizer");
  const std::string& type = part.type();
  if (type == "Sequence") {
    part.only_keys({"type", "normalizers"});
    for (const json& step : part.list("normalizers")) read_steps(step, steps);
  } else if (type == "Prepend") {
    part.only_keys({"type", "prepend"});
    steps.push_back({[prefix = part.text("prepend")](std::string& text) {
                       if (!text.empty()) text.insert(0, prefix);
                     },
                     true});
  } else if (type == "Replace") {
    part.only_keys({"type", "pattern", "content"});
    steps.push_back(
        {[pattern = read_pattern(part), content = part.text("content")](
             std::string& text) { text = pattern.replace(text, content); }});
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" ||
             type == "NFKD") {
    part.only_keys({"type"});
    steps.push_back({unicode_form(type)});
  } else if (type == "Lowercase") {
    part.only_keys({"type"});
    steps.push_back({lowercase});
  } else if (type == "Strip") {
    part.only_keys({"type", "strip_left", "strip_right"});
    steps.push_back({[left = part.flag("strip_left", true),
                      right = part.flag("strip_right", true)](
                         std::string& text) { strip(text, left, right); }});
  } else if (type == "StripAccents") {
    part.only_keys({"type"});
    steps.push_back({strip_accents});
  } else {
    part.refuse();
  }
}

}  // namespace

Normalizer::Normalizer(const std::string& text) {
  if (const json value = json::parse(text); !value.is_null())
    read_steps(value, steps_);
}

std::string Normalizer::normalize(std::string_view text, bool prepend) const {
  std::string out(text);
  for (const Step& step : steps_)
    if (prepend || !step.is_prepend) step.change(out);
  return out;
}

}  // namespace seodang
