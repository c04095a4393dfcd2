// Any bytes as a .jsonl file, of documents, conversations and pairs: an Error,
// or what they hold.
#include "base/error.h"
#include "data/conversations.h"
#include "data/documents.h"
#include "input_file.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const InputFile input("lines.jsonl");
  input.write(data, size);
  try {
    DocumentReader reader({input.path()}, {});
    for (Document document; reader.next(document);) {
    }
  } catch (const Error&) {
  }
  try {
    read_conversations(input.path());
  } catch (const Error&) {
  }
  try {
    read_preferences(input.path());
  } catch (const Error&) {
  }
  return 0;
}
