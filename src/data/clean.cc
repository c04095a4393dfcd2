#include "data/clean.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include "base/error.h"

namespace seodang {

std::string to_nfc(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
  const icu::StringPiece piece(text.data(), static_cast<int32_t>(text.size()));
  std::string out;
  if (U_SUCCESS(status) && nfc->isNormalizedUTF8(piece, status)) {
    out = text;
  } else {
    out.reserve(text.size());
    icu::StringByteSink<std::string> sink(&out);
    nfc->normalizeUTF8(0, piece, sink, nullptr, status);
  }
  if (U_FAILURE(status))
    throw Error("cannot normalize text: {}", u_errorName(status));
  return out;
}

namespace {

// How many bytes at `text`'s front to leave out: control characters but tab and
// line feed (U+0000-001F, 007F-009F), byte order marks (U+FEFF).
size_t unwanted(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  if (byte(0) < 0x20) return byte(0) == '\n' || byte(0) == '\t' ? 0 : 1;
  if (byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0) return 2;
  if (byte(0) == 0xEF && byte(1) == 0xBB && byte(2) == 0xBF) return 3;
  return 0;
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string out = to_nfc(text);
  size_t to = 0;
  for (size_t from = 0; from < out.size();) {
    if (out[from] == '\r') {
      from += std::string_view(out).substr(from).starts_with("\r\n") ? 2 : 1;
      out[to++] = '\n';
    } else if (const size_t skip =
                   unwanted(std::string_view(out).substr(from))) {
      from += skip;
    } else {
      out[to++] = out[from++];
    }
  }
  out.resize(to);
  out.resize(out.find_last_not_of(" \t\n") + 1);  // npos + 1 is 0
  // Empty lines go; the indentation of the first line with text stays.
  const size_t text_begin = out.find_first_not_of(" \t\n");
  const size_t line_end = out.rfind('\n', text_begin);
  if (text_begin != std::string::npos && line_end != std::string::npos)
    out.erase(0, line_end + 1);
  return out;
}

}  // namespace seodang
