// Whoever asks a server, as they are: OpenAI's client and the Vercel AI SDK
// from npm, and the page in a browser.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "generate/tiny_model.h"
#include "serve/server.h"
#include "serve/tool_model.h"
#include "serve/training_folder.h"

namespace seodang {
namespace {

// Runs a script of Node.js with the address of a server and the names of a base
// model, an instruct model, and one with tools. What it prints is shown when it
// fails.
bool passes(const std::string& script) {
  const auto dir = scratch_directory();
  ServerOptions options;
  options.port = 0;
  options.runs = write_training_folder(dir / "runs");
  Server server({write_tiny_model(dir / "base", false, 1),
                 write_tiny_model(dir / "instruct", true, 2),
                 write_tool_model(dir / "tools")},
                options);
  std::thread thread([&] { server.run(); });
  const std::string log = (dir / "log").string();
  const int status = std::system(
      fmt::format("node '" SEODANG_SOURCE_DIR "/{}' http://127.0.0.1:{} base "
                  "instruct tools >'{}' 2>&1 || (cat '{}'; false)",
                  script, server.port(), log, log)
          .c_str());
  server.stop();
  thread.join();
  return status == 0;
}

bool is_there(const std::string& file) {
  return std::filesystem::exists(SEODANG_SOURCE_DIR "/" + file);
}

TEST(Clients, OfOpenAisApi) {
  if (!is_there("tests/serve/node_modules/openai"))
    GTEST_SKIP() << "the clients are not there: npm ci --prefix tests/serve";
  EXPECT_TRUE(passes("tests/serve/openai_client.mjs"));
}

TEST(Clients, TheBrowser) {
  if (!is_there("web/page/node_modules/playwright-core") ||
      !std::filesystem::exists("/usr/bin/chromium"))
    GTEST_SKIP() << "Chromium or playwright-core is not there: npm ci --prefix "
                    "web/page";
  EXPECT_TRUE(passes("web/page/test/page.mjs"));
}

}  // namespace
}  // namespace seodang
