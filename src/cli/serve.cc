#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/warning.h"
#include "cli/commands.h"
#include "cli/generation_options.h"
#include "serve/host.h"
#include "serve/server.h"

namespace seodang {
namespace {

struct ServeArguments {
  std::vector<std::filesystem::path> models;
  std::string api_key_file;
  ServerOptions options;
};

std::string read_key(const std::string& file) {
  std::string key = read_file(file);
  key.resize(key.find_last_not_of(" \t\r\n") + 1);
  if (key.empty()) throw Error("{}: no key is in it", file);
  return key;
}

void run_serve(ServeArguments arguments) {
  if (arguments.models.empty() && arguments.options.runs.empty())
    throw UsageError("serve: there is no MODEL to serve, and no --runs");
  ServerOptions& options = arguments.options;
  if (!arguments.api_key_file.empty())
    options.api_key = read_key(arguments.api_key_file);
  if (!is_loopback(options.host) && options.api_key.empty())
    warn("{} may be reached by other machines, and no --api-key is asked for",
         options.host);
  Server server(arguments.models, options);
  const auto names = server.model_names();
  const InterruptGuard guard;
  std::thread answers([&] { server.run(); });
  fmt::print(stderr,
             "{}the page is http://{}:{}/, the API /v1; Ctrl-C ends it, when "
             "what was asked is answered\n",
             names.empty() ? "" : fmt::format("{}: ", fmt::join(names, ", ")),
             options.host, server.port());
  while (!InterruptGuard::requested())
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  server.stop();
  answers.join();
}

}  // namespace

void add_serve(CLI::App& program) {
  const auto arguments = std::make_shared<ServeArguments>();
  ServerOptions& options = arguments->options;
  CLI::App* command = program.add_subcommand(
      "serve", "A page to talk with models, and OpenAI's API for programs");
  command->add_option("MODEL", arguments->models,
                      "Model directories or .gguf files, or MODEL+ADAPTER, or "
                      "http(s)://HOST/v1#NAME, which is passed on");
  command
      ->add_option(
          "--runs", options.runs,
          "Folder in which training writes: the page shows the curves, "
          "as they grow, and the reports")
      ->type_name("DIR");
  command->add_option("--host", options.host, "Address to listen at")
      ->capture_default_str();
  command
      ->add_option("--port", options.port,
                   "Port to listen at (0: any free one)")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--api-key", options.api_key,
                      "Key that clients have to send");
  command
      ->add_option("--api-key-file", arguments->api_key_file,
                   "File that has the key")
      ->excludes("--api-key");
  command
      ->add_option("--context", options.limits.context,
                   "Tokens of one conversation (default: 8192, or all that the "
                   "model reads if those are fewer)")
      ->check(CLI::Range(int64_t{16}, int64_t{1} << 24));
  add_kv_cache_option(command, options.limits.kv_cache_dtype);
  command
      ->add_option("--sessions", options.limits.sessions,
                   "Answers of one model written at the same time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      ->add_option("--queue", options.limits.queue,
                   "Requests that may wait; further ones get a 429")
      ->check(CLI::Range(size_t{1}, size_t{1} << 20))
      ->capture_default_str();
  command
      ->add_option("--timeout", options.timeout,
                   "Seconds after which an answer is given up")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--cors", options.cors,
                      "Origin of pages that may call the server, as "
                      "https://example.org, or * for any (repeatable)");
  command
      ->add_option("--connections", options.connections,
                   "Connections served at the same time; as many may wait")
      ->check(CLI::Range(size_t{1}, size_t{4096}))
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  seodang serve runs/demo/base runs/demo/instruct\n"
      "  seodang serve --runs runs        # what is being trained\n"
      "  seodang serve llama.gguf --port 9000 --sessions 8 --context 16384\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"model\": "
      "\"instruct\", \"messages\": [{\"role\": \"user\", \"content\": "
      "\"대한민국의 수도는?\"}]}'");
  command->callback([arguments] { run_serve(*arguments); });
}

}  // namespace seodang
