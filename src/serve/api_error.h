// What goes wrong with a request, as OpenAI's API tells it.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "base/error.h"

namespace seodang {

// What a client did wrong, with the HTTP status that says so. `parameter` is
// the key of the request, or "".
class ApiError : public Error {
 public:
  ApiError(int status, const std::string& message, std::string parameter = "",
           std::string code = "")
      : Error(message),
        status_(status),
        parameter_(std::move(parameter)),
        code_(std::move(code)) {}

  int status() const { return status_; }
  // {"error": {"message", "type", "param", "code"}}
  std::string body() const;

  // What was thrown: an ApiError as it is, all else with status 500.
  static ApiError of(const std::exception_ptr& error);

 private:
  int status_;
  std::string parameter_, code_;
};

}  // namespace seodang
