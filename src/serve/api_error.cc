#include "serve/api_error.h"

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace seodang {

std::string ApiError::body() const {
  using nlohmann::ordered_json;
  const auto or_null = [](const std::string& text) {
    return text.empty() ? ordered_json() : ordered_json(text);
  };
  const bool ours = status_ >= 500;
  return ordered_json{
      {"error",
       {{"message", replace_invalid_utf8(what())},
        {"type", ours ? "server_error" : "invalid_request_error"},
        {"param", or_null(parameter_)},
        {"code", or_null(code_)}}}}
      .dump();
}

ApiError ApiError::of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ApiError& api_error) {
    return api_error;
  } catch (const std::exception& other) {
    return {500, other.what()};
  }
}

}  // namespace seodang
