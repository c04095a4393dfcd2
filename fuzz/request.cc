// Any bytes as the body of a request: an error of the client's, or a request
// whose schemas are grammars of JSON, and whose grammar of calls is read back
// as calls.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "formats/json.h"
#include "grammar/recognizer.h"
#include "serve/request.h"
#include "serve/tool_calls.h"

using namespace seodang;

namespace {

// The first text of a few thousand bytes that the grammar leads to; "" for
// none.
std::string first_text(const Grammar& grammar, size_t turn) {
  Recognizer recognizer(grammar);
  Recognizer::State state = recognizer.start();
  std::string out;
  while (!recognizer.may_end(state) && out.size() < 3000) {
    // What closes something comes first, then others in turn.
    Recognizer::State next = Recognizer::kNone;
    for (const char byte : {'"', '}', ']'}) {
      next = recognizer.next(state, static_cast<uint8_t>(byte));
      if (next == Recognizer::kNone) continue;
      out += byte;
      break;
    }
    for (size_t i = 0; next == Recognizer::kNone && i < 256; ++i) {
      const auto byte = static_cast<uint8_t>(i * 37 + turn);
      next = recognizer.next(state, byte);
      if (next != Recognizer::kNone) out += static_cast<char>(byte);
    }
    // Dead ends are left out of grammars.
    if (next == Recognizer::kNone) std::abort();
    ++turn;
    state = recognizer.keep(next);
  }
  return recognizer.may_end(state) ? out : "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    CompletionRequest request = parse_completion(
        {reinterpret_cast<const char*>(data), size}, size % 7 != 0);
    if (request.format) {
      const std::string text = first_text(*request.format, size);
      if (!text.empty()) parse_json(text, "text", 4000);
    }
    if (request.tools.empty()) return 0;
    request.tool_choice.mode = ToolChoice::Mode::required;
    for (const auto format : {ToolCallFormat::tagged, ToolCallFormat::list,
                              ToolCallFormat::object}) {
      const std::string text = first_text(
          tool_call_grammar(format, request.tools, request.tool_choice), size);
      ToolCallParser reader(request.tools);
      reader.push(text);
      reader.finish();
      if (!text.empty() && reader.calls().empty()) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
