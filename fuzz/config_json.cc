// Any bytes as config.json: an Error, or a configuration that says the same
// when it is written and read again, and whose sizes are sane.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json.h"
#include "model/config.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto read = [](std::string_view text) {
      return ModelConfig::from_json(parse_json(text, "config.json"),
                                    "config.json");
    };
    const ModelConfig config =
        read({reinterpret_cast<const char*>(data), size});
    if (config.num_parameters() <= 0 || config.context_length() <= 0)
      std::abort();
    const std::string written = config.to_json();
    if (read(written).to_json() != written) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
