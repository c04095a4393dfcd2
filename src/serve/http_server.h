// What cpp-httplib's server lacks for strangers as clients: limits on what it
// takes to read a request, and on connections that wait.
#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <optional>

#include "serve/api_error.h"

namespace seodang {

struct HttpLimits {
  size_t connections = 64;  // served at the same time, and as many wait
  size_t head_bytes = size_t{64} << 10;  // of a request line and headers
  // For all of a request to arrive; for a write to be taken; for the next
  // request of a connection to begin.
  std::chrono::seconds read{30}, write{30}, idle{5};
};

class HttpServer : public httplib::Server {
 public:
  explicit HttpServer(const HttpLimits& limits);

  // Behind bind: the library was built with a backlog of five.
  void set_backlog();

  // Of the request that this thread answers: false when the client has closed
  // its end.
  static bool client_is_there();
  // And why it was not read to its end, if it was not.
  static std::optional<ApiError> reading_failure();

 private:
  bool process_and_close_socket(socket_t socket) override;

  HttpLimits limits_;
};

}  // namespace seodang
