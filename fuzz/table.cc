// Any bytes as a spreadsheet's .csv and as text in another encoding, which the
// first byte chooses: an Error, or examples and documents.
#include <array>
#include <string>

#include "base/error.h"
#include "data/conversations.h"
#include "data/documents.h"
#include "input_file.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const InputFile table("table.csv"), text("text.txt");
  constexpr std::array kEncodings = {"auto",   "cp949",     "utf-16le",
                                     "utf-16", "shift_jis", "gb18030",
                                     "utf-8",  "utf-7"};
  if (size == 0) return 0;
  const std::string encoding = kEncodings[data[0] % kEncodings.size()];
  table.write(data + 1, size - 1);
  text.write(data + 1, size - 1);
  try {
    read_conversations(table.path(), {.encoding = encoding, .columns = {}});
  } catch (const Error&) {
  }
  try {
    DocumentReader reader(
        {text.path()},
        {.invalid_utf8 = "replace", .encoding = encoding, .text_key = "text"});
    for (Document document; reader.next(document);) {
    }
  } catch (const Error&) {
  }
  return 0;
}
