// One form for one text, so that equal texts are equal bytes.
#pragma once

#include <string>
#include <string_view>

namespace seodang {

// Unicode normal form C (UAX #15) of valid UTF-8: "가" is one character, not
// two or three, which models hardly ever read.
std::string to_nfc(std::string_view text);

// Valid UTF-8 in, valid UTF-8 out: Unicode normal form C (UAX #15), line ends
// "\n", no control characters but "\n" and "\t", no byte order marks, no empty
// lines at the start and no white space at the end.
std::string clean_text(std::string_view text);

}  // namespace seodang
