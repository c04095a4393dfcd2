// Models over HTTP: OpenAI's API (serve/request.h), and what llama.cpp's server
// has for tokens. docs/serving.md lists the paths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "generate/language_model.h"

namespace seodang {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;      // 0: any that is free
  std::string api_key;  // "": none is asked for
  EngineLimits limits;
  size_t max_body = size_t{8} << 20;  // bytes of a request
  size_t connections = 64;  // served at the same time; as many again may wait
  int timeout = 600;        // seconds until an answer is given up
  // Where training writes its folders, for the page; "": not shown.
  std::filesystem::path runs;
  // Origins of pages that may call it ("https://example.org"), "*" for any.
  std::vector<std::string> cors;
};

class Server {
 public:
  // Loads the models and listens. What a model is called is the last part of
  // its path, or all of it where two would have the same name. Throws Error
  // when a model cannot be read, the machine has not the memory, or the port is
  // taken.
  Server(const std::vector<std::filesystem::path>& models,
         const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  std::vector<std::string> model_names() const;
  // Answers until stop() is called, by another thread, and what was asked
  // before is answered.
  void run();
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace seodang
