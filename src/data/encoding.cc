#include "data/encoding.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"

namespace seodang {
namespace {

constexpr size_t kConvertedBytes = size_t{1} << 16;

std::string icu_name(const std::string& encoding) {
  std::string name;
  for (const char c : encoding)
    if (std::isalnum(static_cast<unsigned char>(c)))
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  // What Windows writes; ICU's own EUC-KR lacks four fifths of the syllables.
  if (name == "cp949" || name == "euckr" || name == "ms949" || name == "uhc" ||
      name == "ksc5601")
    return "windows-949";
  return encoding;
}

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

// Null when ICU does not know it.
Converter open_converter(const std::string& encoding) {
  UErrorCode status = U_ZERO_ERROR;
  Converter out(ucnv_open(icu_name(encoding).c_str(), &status));
  return U_SUCCESS(status) ? std::move(out) : nullptr;
}

class PrefixedSource : public ByteSource {
 public:
  PrefixedSource(std::string prefix, std::unique_ptr<ByteSource> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}

  size_t read(std::span<char> out) override {
    if (at_ == prefix_.size()) return rest_->read(out);
    const size_t size = std::min(out.size(), prefix_.size() - at_);
    std::copy_n(prefix_.data() + at_, size, out.data());
    at_ += size;
    return size;
  }

 private:
  std::string prefix_;
  std::unique_ptr<ByteSource> rest_;
  size_t at_ = 0;
};

class ConvertedSource : public ByteSource {
 public:
  ConvertedSource(std::unique_ptr<ByteSource> bytes,
                  const std::string& encoding)
      : bytes_(std::move(bytes)),
        from_(open_converter(encoding)),
        to_(open_converter("utf-8")) {}

  size_t read(std::span<char> out) override {
    char* const begin = out.data();
    char* to = begin;
    while (to == begin) {
      if (at_ == end_ && !ended_) {
        at_ = input_.data();
        end_ = at_ + bytes_->read(input_);
        ended_ = at_ == end_;
      }
      UErrorCode status = U_ZERO_ERROR;
      ucnv_convertEx(to_.get(), from_.get(), &to, begin + out.size(), &at_,
                     end_, pivot_.data(), &pivot_from_, &pivot_to_,
                     pivot_.data() + pivot_.size(), false, ended_, &status);
      if (U_FAILURE(status) && status != U_BUFFER_OVERFLOW_ERROR)
        throw Error("text cannot be converted: {}", u_errorName(status));
      if (ended_ && status != U_BUFFER_OVERFLOW_ERROR) break;
    }
    return static_cast<size_t>(to - begin);
  }

 private:
  std::unique_ptr<ByteSource> bytes_;
  Converter from_, to_;
  std::vector<char> input_ = std::vector<char>(kConvertedBytes);
  const char *at_ = nullptr, *end_ = nullptr;  // of input_ not converted yet
  bool ended_ = false;
  std::vector<UChar> pivot_ = std::vector<UChar>(4096);
  UChar *pivot_from_ = pivot_.data(), *pivot_to_ = pivot_.data();
};

// More of its characters are damaged than are not.
bool is_no_utf8(std::string_view bytes) {
  if (find_invalid_utf8(bytes) == std::string_view::npos) return false;
  int64_t whole = 0, damaged = 0;
  const std::string replaced = replace_invalid_utf8(bytes);
  for (std::string_view rest = replaced; !rest.empty();) {
    const std::string_view c = rest.substr(0, utf8_character_size(rest));
    if (c.size() > 1) ++(c == "\uFFFD" ? damaged : whole);
    rest.remove_prefix(c.size());
  }
  return damaged > whole;
}

// Every pair of bytes is a character, and most of those are Hangul syllables.
bool is_korean_cp949(std::string_view bytes) {
  const Converter converter = open_converter("cp949");
  std::vector<UChar> text(bytes.size());
  UChar* to = text.data();
  const char* from = bytes.data();
  UErrorCode status = U_ZERO_ERROR;
  ucnv_setToUCallBack(converter.get(), UCNV_TO_U_CALLBACK_STOP, nullptr,
                      nullptr, nullptr, &status);
  ucnv_toUnicode(converter.get(), &to, to + text.size(), &from,
                 from + bytes.size(), nullptr, false, &status);
  if (U_FAILURE(status)) return false;
  text.resize(static_cast<size_t>(to - text.data()));
  const auto others =
      std::ranges::count_if(text, [](UChar c) { return c >= 0x80; });
  const auto syllables = std::ranges::count_if(
      text, [](UChar c) { return c >= 0xAC00 && c <= 0xD7A3; });
  constexpr int64_t kFewest = 4;  // fewer may be chance
  return syllables >= kFewest && syllables * 2 >= others;
}

std::string read_first(ByteSource& bytes) {
  std::string first(kConvertedBytes, '\0');
  size_t size = 0;
  while (size < first.size()) {
    const size_t got = bytes.read(std::span(first).subspan(size));
    if (got == 0) break;
    size += got;
  }
  first.resize(size);
  return first;
}

}  // namespace

void check_encoding(const std::string& encoding) {
  if (encoding != "auto" && open_converter(encoding) == nullptr)
    throw UsageError(
        "encoding \"{}\" is not known; there are auto, utf-8, utf-16, cp949, "
        "and whatever else ICU names",
        encoding);
}

std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> bytes,
                                    const std::string& encoding,
                                    const std::string& name) {
  if (encoding != "auto") {
    check_encoding(encoding);
    return std::make_unique<ConvertedSource>(std::move(bytes), encoding);
  }
  std::string first = read_first(*bytes);
  const bool is_utf16 =
      first.starts_with("\xFF\xFE") || first.starts_with("\xFE\xFF");
  if (!is_utf16 && is_no_utf8(first) && is_korean_cp949(first))
    throw Error(
        "{}: Korean text in CP949 (EUC-KR), not in UTF-8; read it with "
        "--encoding cp949",
        name);
  auto whole =
      std::make_unique<PrefixedSource>(std::move(first), std::move(bytes));
  if (is_utf16)
    return std::make_unique<ConvertedSource>(std::move(whole), "utf-16");
  return whole;
}

}  // namespace seodang
