// Any text as a chat template: an Error, or a prompt; within bounds of time and
// memory.
#include "tokenizer/chat_template.h"

#include <string_view>
#include <vector>

#include "base/error.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Message> messages = {
      {"system", "짧게 답하십시오."},
      {"user", "대한민국의 수도는?"},
      {"assistant", "대한민국의 수도는 서울입니다."},
      {"user", "{{ messages }}"}};
  try {
    render_chat({reinterpret_cast<const char*>(data), size}, messages, true,
                "<s>", "</s>");
  } catch (const Error&) {
  }
  return 0;
}
