// Any bytes as a tokenizer.json: an Error, or a tokenizer that reads a text and
// writes it back.
#include "base/error.h"
#include "input_file.h"
#include "tokenizer/tokenizer.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const InputFile input("tokenizer.json");
  input.write(data, size);
  try {
    const Tokenizer tokenizer = Tokenizer::load(input.directory());
    tokenizer.decode(tokenizer.encode(
        "서당에서 I'd read 12345 words!\n\n  <|eot_id|> é \xed\xa0\x80", true,
        true));
  } catch (const Error&) {
  }
  return 0;
}
