// Many clients at once get what each would get alone.
#include "generate/engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/files.h"
#include "error_of.h"
#include "formats/json.h"
#include "generate/session.h"
#include "generate/tiny_model.h"

namespace seodang {
namespace {

class EngineTest : public testing::Test {
 protected:
  const std::filesystem::path dir_ = scratch_directory();
  // In the dtype that products are fastest in: where that is bf16, a sum that
  // were rounded otherwise would soon draw another token.
  const LanguageModel a_ =
      LanguageModel::load(write_tiny_model(dir_ / "a", false, 1));
  const LanguageModel b_ =
      LanguageModel::load(write_tiny_model(dir_ / "b", true, 2));
  const std::vector<const LanguageModel*> models_ = {&a_, &b_};

  static GenerateOptions options(uint64_t seed) {
    GenerateOptions out;
    out.max_new_tokens = 12;
    out.sampler.temperature = 1;
    out.sampler.seed = seed;
    return out;
  }

  static std::string alone(const LanguageModel& model,
                           const std::string& prompt, uint64_t seed) {
    Session session(model.config(), model.weights());
    return generate(session, model.tokenizer(), model.encode_text(prompt),
                    options(seed))
        .text;
  }

  // The text, or the error's.
  static std::future<std::string> ask(Engine& engine, size_t which,
                                      const LanguageModel& model,
                                      const std::string& prompt, uint64_t seed,
                                      OnToken on_token = {}) {
    auto promise = std::make_shared<std::promise<std::string>>();
    auto future = promise->get_future();
    const bool taken = engine.submit(
        which,
        {.prompt = model.encode_text(prompt),
         .options = options(seed),
         .on_token = std::move(on_token),
         .done = [promise](Generation generation, std::exception_ptr error) {
           promise->set_value(
               error ? error_of([&] { std::rethrow_exception(error); })
                     : generation.text);
         }});
    if (!taken) promise->set_value("full");
    return future;
  }
};

TEST_F(EngineTest, EachGetsWhatItWouldGetAlone) {
  Engine engine(models_, {.context = 0, .sessions = 3, .queue = 64});
  std::vector<std::future<std::string>> answers;
  std::vector<std::string> expected;
  for (uint64_t i = 0; i < 24; ++i) {
    const bool second = i % 3 == 0;
    const std::string prompt =
        i % 2 == 0 ? "The capital of Korea is" : "서울 " + std::to_string(i);
    answers.push_back(ask(engine, second ? 1 : 0, second ? b_ : a_, prompt, i));
    expected.push_back(alone(second ? b_ : a_, prompt, i));
  }
  for (size_t i = 0; i < answers.size(); ++i)
    EXPECT_EQ(answers[i].get(), expected[i]) << i;
  const EngineCounts counts = engine.counts(0);
  EXPECT_EQ(counts.active + counts.waiting, 0u);
  EXPECT_GT(counts.generated_tokens, 0u);
}

// What is shared is not read again, and changes nothing.
TEST_F(EngineTest, LongPromptsShareTheirBeginning) {
  const auto path = write_tiny_model(dir_ / "long", false, 3);
  auto config = read_json(path / "config.json");
  config["max_position_embeddings"] = 1024;
  write_file(path / "config.json", config.dump());
  const LanguageModel model = LanguageModel::load(path);
  const std::vector<const LanguageModel*> one = {&model};
  const EngineLimits limits = {.context = 0, .sessions = 3, .queue = 64};
  std::string beginning;
  while (model.encode_text(beginning).size() < 3 * kPrefillChunk)
    beginning += "The capital of Korea is Seoul. ";
  const auto prompt = [&](uint64_t i) {
    return beginning + (i % 2 == 0 ? "대한민국 " : "France ") +
           std::to_string(i);
  };
  std::vector<std::string> expected;
  for (uint64_t i = 0; i < 9; ++i) {
    Engine fresh(one, limits);
    expected.push_back(ask(fresh, 0, model, prompt(i), i).get());
  }
  Engine engine(one, limits);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::future<std::string>> answers;
    for (uint64_t i = 0; i < 9; ++i)
      answers.push_back(ask(engine, 0, model, prompt(i), i));
    for (size_t i = 0; i < answers.size(); ++i)
      EXPECT_EQ(answers[i].get(), expected[i]) << i;
  }
}

TEST_F(EngineTest, AClientThatLeavesFreesItsPlace) {
  Engine engine(models_, {.context = 0, .sessions = 1, .queue = 8});
  std::atomic<int> heard = 0;
  auto left = ask(engine, 0, a_, "Korea", 1,
                  [&](const Choice&, std::string_view) { return ++heard < 2; });
  auto next = ask(engine, 0, a_, "Seoul", 2);
  left.get();
  EXPECT_EQ(heard, 2);
  EXPECT_EQ(next.get(), alone(a_, "Seoul", 2));
}

TEST_F(EngineTest, RefusesWhatItHasNoRoomFor) {
  Engine engine(models_, {.context = 16, .sessions = 1, .queue = 2});
  EXPECT_EQ(engine.context(0), 16);
  EXPECT_NE(error_of([&] {
              ask(engine, 0, a_, std::string(200, 'x'), 1);
            }).find("the context holds 16"),
            std::string::npos);
  // One that does not end keeps the place.
  std::promise<void> go;
  const auto gate = go.get_future().share();
  auto first =
      ask(engine, 0, a_, "a", 1, [gate](const Choice&, std::string_view) {
        gate.wait();
        return true;
      });
  while (engine.counts(0).active == 0) std::this_thread::yield();
  auto second = ask(engine, 0, a_, "b", 2), third = ask(engine, 0, a_, "c", 3);
  EXPECT_EQ(ask(engine, 0, a_, "d", 4).get(), "full");
  go.set_value();
  EXPECT_NE(third.get(), "full");
}

TEST_F(EngineTest, EndsThoseThatWaitWhenItEnds) {
  std::future<std::string> waits;
  {
    Engine engine(models_, {.context = 0, .sessions = 1, .queue = 8});
    std::vector<std::future<std::string>> many;
    for (uint64_t i = 0; i < 6; ++i)
      many.push_back(ask(engine, 0, a_, "Korea", i));
    waits = std::move(many.back());
  }
  const std::string text = waits.get();
  EXPECT_TRUE(text == "the server is shutting down" ||
              text == alone(a_, "Korea", 5))
      << text;
}

}  // namespace
}  // namespace seodang
