// Outputs that have to be texts of a grammar.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "error_of.h"
#include "generate/generation.h"
#include "generate/tiny_model.h"
#include "grammar/json_schema.h"
#include "grammar/token_filter.h"

namespace seodang {
namespace {

using nlohmann::ordered_json;

class ConstraintTest : public testing::Test {
 protected:
  static std::shared_ptr<const Constraint> constraint(
      const LanguageModel& model, const char* schema) {
    return std::make_shared<const Constraint>(
        json_schema_grammar(ordered_json::parse(schema), "schema"),
        std::make_shared<TokenIndex>(model.tokenizer()));
  }

  Generation generate_with(const GenerateOptions& options) const {
    Session session(model_.config(), model_.weights());
    return generate(session, model_.tokenizer(), model_.encode_text("The"),
                    options);
  }

  const LanguageModel model_ = LanguageModel::load(
      write_tiny_model(scratch_directory() / "model", false, 3));
};

TEST_F(ConstraintTest, EveryOutputIsATextOfTheGrammar) {
  GenerateOptions options;
  options.end_tokens = model_.end_tokens();
  options.constraint = constraint(
      model_,
      R"({"type":"object","properties":{"city":{"type":"string","maxLength":4},
          "kind":{"enum":["수도","도시"]},"size":{"type":"integer"}},
          "required":["city","kind","size"]})");
  options.max_new_tokens = 80;
  for (const double temperature : {0.0, 0.7, 1.5})
    for (uint64_t seed = 0; seed < 20; ++seed) {
      options.sampler.temperature = temperature;
      options.sampler.seed = seed;
      const Generation generation = generate_with(options);
      ASSERT_EQ(generation.stop, StopReason::stop) << generation.text;
      const auto value = ordered_json::parse(generation.text);
      EXPECT_EQ(value.size(), 3u);
      EXPECT_TRUE(value["kind"] == "수도" || value["kind"] == "도시");
      EXPECT_TRUE(value["size"].is_number_integer());
      if (temperature == 0) break;
    }
}

TEST_F(ConstraintTest, EndsWhereTheModelEndsAndTheGrammarLetsIt) {
  GenerateOptions options;
  options.sampler.temperature = 1;
  // Any number of digits may be all; so an end token is what ends it.
  options.constraint = constraint(model_, R"({"type":"integer","minimum":0})");
  options.end_tokens = model_.end_tokens();
  int ended = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    options.sampler.seed = seed;
    const Generation generation = generate_with(options);
    EXPECT_FALSE(generation.text.empty());
    EXPECT_EQ(generation.text.find_first_not_of(" 0123456789"),
              std::string::npos);
    if (generation.stop == StopReason::eos) ++ended;
  }
  EXPECT_GT(ended, 0);
}

TEST_F(ConstraintTest, IsTheModelsOwnChoiceWhereThereIsOne) {
  // Where the grammar allows what the model writes anyway, nothing changes.
  GenerateOptions options;
  options.max_new_tokens = 12;
  options.top = 2;
  const Generation free = generate_with(options);
  Grammar any;
  Grammar::Bytes all;
  all.set();
  any.set_root(any.repeat(any.bytes(all), 0, Grammar::kUnlimited));
  options.constraint = std::make_shared<const Constraint>(
      any, std::make_shared<TokenIndex>(model_.tokenizer()));
  options.end_tokens = model_.end_tokens();
  const Generation bound = generate_with(options);
  ASSERT_GE(free.tokens.size(), bound.tokens.size());
  for (size_t i = 0; i < bound.tokens.size(); ++i) {
    if (model_.tokenizer().is_special(free.tokens[i].id)) break;
    EXPECT_EQ(bound.tokens[i].id, free.tokens[i].id);
    EXPECT_EQ(bound.tokens[i].logprob, free.tokens[i].logprob);
  }
}

TEST_F(ConstraintTest, EveryTokenIsAllowedByItsBytesAlone) {
  // Against each token tried by itself.
  const auto bound = constraint(
      model_, R"({"type":"array","items":{"enum":["The capital","Tokyo"]}})");
  TokenFilter filter(bound);
  std::string before;
  for (const char* piece : {"[", "\"", "T"}) {
    const std::vector<bool> allowed = filter.allowed();
    Recognizer alone(bound->grammar);
    for (int32_t id = 0; id < model_.tokenizer().vocab_size(); ++id) {
      Recognizer::State state = alone.start();
      const std::string text =
          before + std::string(model_.tokenizer().token_bytes(id));
      for (const char byte : text)
        if (state != Recognizer::kNone)
          state = alone.next(state, static_cast<uint8_t>(byte));
      EXPECT_EQ(
          allowed[static_cast<size_t>(id)],
          state != Recognizer::kNone && !model_.tokenizer().is_special(id))
          << text;
    }
    filter.read(*model_.tokenizer().find(piece));
    before += piece;
  }
}

}  // namespace
}  // namespace seodang
