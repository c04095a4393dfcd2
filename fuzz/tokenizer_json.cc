// Any bytes as a tokenizer.json.
#include "input_file.h"
#include "try_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const seodang::InputFile input("tokenizer.json");
  input.write(data, size);
  seodang::try_tokenizer(input.directory());
  return 0;
}
