// OpenAI's client and the Vercel AI SDK, as they are on npm, against the
// server.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "generate/tiny_model.h"
#include "serve/server.h"
#include "serve/tool_model.h"

namespace seodang {
namespace {

TEST(OpenAiClient, EveryCallPasses) {
  const std::string here = SEODANG_SOURCE_DIR "/tests/serve";
  if (!std::filesystem::exists(here + "/node_modules/openai"))
    GTEST_SKIP() << "the clients are not there: npm ci --prefix tests/serve";
  const auto dir = scratch_directory();
  ServerOptions options;
  options.port = 0;
  Server server({write_tiny_model(dir / "base", false, 1),
                 write_tiny_model(dir / "instruct", true, 2),
                 write_tool_model(dir / "tools")},
                options);
  std::thread thread([&] { server.run(); });
  const std::string log = (dir / "log").string();
  const int status = std::system(
      fmt::format("node '{}/openai_client.mjs' http://127.0.0.1:{} base "
                  "instruct tools >'{}' 2>&1 || (cat '{}'; false)",
                  here, server.port(), log, log)
          .c_str());
  server.stop();
  thread.join();
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace seodang
