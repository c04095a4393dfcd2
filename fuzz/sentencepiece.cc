// Any bytes as SentencePiece's tokenizer.model: an Error, or a tokenizer that
// reads a text and writes it back.
#include "base/error.h"
#include "input_file.h"
#include "tokenizer/tokenizer.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const InputFile input("tokenizer.model");
  input.write(data, size);
  try {
    const Tokenizer tokenizer = Tokenizer::load(input.directory());
    tokenizer.decode(tokenizer.encode("서당 Seodang <s> 1,2\n", true, true));
  } catch (const Error&) {
  }
  return 0;
}
