// Text in other encodings than UTF-8, by ICU's converters.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/byte_source.h"

namespace seodang {

// "auto" is UTF-8, or UTF-16 where a byte order mark says so; else a name that
// ICU knows, as "utf-16le", "shift_jis", "gb18030"; "cp949" and "euc-kr" are
// Windows' code page 949. Throws UsageError for a name that is not known.
void check_encoding(const std::string& encoding);

// `bytes` as UTF-8, character by character; what is none in the encoding
// becomes U+FFFD. With "auto" the first bytes decide: text that is clearly
// Korean in CP949 is an Error that tells how to read it. `name` is the file.
std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> bytes,
                                    const std::string& encoding,
                                    const std::string& name);

}  // namespace seodang
