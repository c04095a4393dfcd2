#include "generate/generation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "generate/scoring.h"
#include "generate/tiny_model.h"

namespace seodang {
namespace {

class GenerationTest : public testing::Test {
 protected:
  const Tokenizer tokenizer_ = tiny_tokenizer();
  const ModelConfig config_ = tiny_config(tokenizer_);
  const Model model_ = Model::random(config_, 5, Dtype::f32);

  Session session(int64_t capacity = 0) const {
    return {config_, model_.weights(), capacity};
  }
  std::vector<int32_t> prompt(std::string_view text) const {
    return tokenizer_.encode_prompt(text);
  }
  Generation run(std::string_view text, const GenerateOptions& options) const {
    Session s = session();
    return generate(s, tokenizer_, prompt(text), options);
  }
  // The logits of every position, without a cache.
  std::vector<std::vector<float>> all_logits(
      const std::vector<int32_t>& tokens) const {
    Decoder decoder(config_, model_.weights(), 128);
    const SequenceSpan span{0, static_cast<int32_t>(tokens.size()), nullptr};
    const Tensor hidden = decoder.forward(tokens, {&span, 1});
    OwnedTensor logits(Dtype::f32, hidden.rows, config_.vocab_size);
    decoder.logits(logits, hidden);
    std::vector<std::vector<float>> out;
    for (int64_t r = 0; r < hidden.rows; ++r) {
      const float* row = logits.view().row<float>(r);
      out.emplace_back(row, row + config_.vocab_size);
    }
    return out;
  }
};

std::vector<int32_t> ids_of(const Generation& generation) {
  std::vector<int32_t> out;
  for (const Choice& choice : generation.tokens) out.push_back(choice.id);
  return out;
}

TEST_F(GenerationTest, SessionEqualsTheForwardWithoutCache) {
  const auto tokens = prompt("The capital of 대한민국 is 서울.");
  const auto expected = all_logits(tokens);
  Session s = session();
  const size_t begin = 4;
  std::span<const float> logits = s.read(std::span(tokens).first(begin));
  for (size_t i = begin;; ++i) {
    for (size_t v = 0; v < logits.size(); ++v)
      ASSERT_NEAR(logits[v], expected[i - 1][v], 1e-3) << i << " " << v;
    if (i == tokens.size()) break;
    logits = s.append(tokens[i]);
  }
}

TEST_F(GenerationTest, SessionKeepsWhatSequencesShare) {
  const auto first = prompt("The capital of Korea"),
             second = prompt("The capital of Japan is");
  Session s = session();
  s.read(first);
  for (const auto& tokens : {second, second, first}) {
    const std::span<const float> logits = s.read(tokens);
    const auto expected = all_logits(tokens);
    for (size_t v = 0; v < logits.size(); ++v)
      ASSERT_NEAR(logits[v], expected.back()[v], 1e-3);
    EXPECT_EQ(s.tokens(), tokens);
  }
}

TEST_F(GenerationTest, SessionRefusesWhatDoesNotFit) {
  Session s = session(4);
  EXPECT_EQ(s.capacity(), 4);
  EXPECT_THROW(s.read({}), Error);
  EXPECT_THROW(s.read(std::vector<int32_t>(5, 1)), Error);
  s.read(std::vector<int32_t>(4, 1));
  EXPECT_THROW(s.append(1), Error);
  EXPECT_EQ(session(100000).capacity(), config_.max_position_embeddings);
}

TEST_F(GenerationTest, GreedyFollowsTheBestLogit) {
  const Generation generation = run("The", {.max_new_tokens = 12});
  ASSERT_EQ(generation.tokens.size(), 12u);
  EXPECT_EQ(generation.stop, StopReason::length);
  std::vector<int32_t> tokens = prompt("The");
  EXPECT_EQ(generation.prompt_tokens, std::ssize(tokens));
  for (const Choice& choice : generation.tokens) {
    const auto logits = all_logits(tokens).back();
    EXPECT_EQ(choice.id,
              std::max_element(logits.begin(), logits.end()) - logits.begin());
    tokens.push_back(choice.id);
  }
  // The text is what the tokenizer makes of the tokens.
  EXPECT_EQ(generation.text, tokenizer_.decode(ids_of(generation)));
}

TEST_F(GenerationTest, StopsAtAnEndToken) {
  const auto free = ids_of(run("Korea", {.max_new_tokens = 12}));
  const auto end = free[6];
  const size_t first = static_cast<size_t>(
      std::find(free.begin(), free.end(), end) - free.begin());
  const Generation stopped =
      run("Korea", {.max_new_tokens = 12, .end_tokens = {end}});
  EXPECT_EQ(stopped.stop, StopReason::eos);
  ASSERT_EQ(stopped.tokens.size(), first + 1);  // the end token is counted
  EXPECT_EQ(stopped.text,
            tokenizer_.decode(std::span(free).first(first)));  // but not said
}

TEST_F(GenerationTest, StopTextsEndTheOutputWhereverTokensBegin) {
  GenerateOptions options{.max_new_tokens = 24};
  const std::string text = run("Seoul", options).text;
  ASSERT_GT(text.size(), 12u);
  // Every stretch of whole characters, across token boundaries.
  for (size_t at = 0; at < text.size(); ++at) {
    std::string stop;
    for (size_t end = at; end < text.size() && stop.size() < 5;) {
      const size_t size =
          utf8_character_size(std::string_view(text).substr(end));
      if (size == 0) break;
      stop += text.substr(end, size);
      end += size;
    }
    if (stop.empty()) continue;
    options.stop = {"never said", stop};
    std::string streamed;
    Session s = session();
    const Generation generation =
        generate(s, tokenizer_, prompt("Seoul"), options,
                 [&](const Choice&, std::string_view piece) {
                   streamed += piece;
                   return true;
                 });
    EXPECT_EQ(generation.stop, StopReason::stop);
    EXPECT_EQ(generation.text, text.substr(0, text.find(stop)));
    EXPECT_EQ(streamed, generation.text);
  }
}

TEST_F(GenerationTest, StreamsWholeCharactersOnly) {
  for (uint64_t seed = 1; seed < 12; ++seed) {
    GenerateOptions options{.max_new_tokens = 40};
    options.sampler.temperature = 1.5;
    options.sampler.seed = seed;
    std::string streamed;
    Session s = session();
    const Generation generation =
        generate(s, tokenizer_, prompt("서울"), options,
                 [&](const Choice&, std::string_view piece) {
                   EXPECT_EQ(find_invalid_utf8(piece), std::string::npos);
                   streamed += piece;
                   return true;
                 });
    EXPECT_EQ(streamed, generation.text);
    EXPECT_EQ(generation.text, tokenizer_.decode(ids_of(generation)));
  }
}

TEST_F(GenerationTest, EndsWhenTheContextIsFull) {
  const auto tokens = prompt("The capital of Japan");
  Session s = session(std::ssize(tokens) + 3);
  const Generation generation =
      generate(s, tokenizer_, tokens, {.max_new_tokens = 50});
  EXPECT_EQ(generation.stop, StopReason::length);
  // The last token is said without being read.
  EXPECT_EQ(generation.tokens.size(), 4u);
  Session full = session(std::ssize(tokens) - 1);
  EXPECT_THROW(generate(full, tokenizer_, tokens, {}), Error);
  EXPECT_THROW(generate(s, tokenizer_, {}, {}), Error);
}

TEST_F(GenerationTest, ACallerCanEndIt) {
  Session s = session();
  int calls = 0;
  const Generation generation =
      generate(s, tokenizer_, prompt("The"), {.max_new_tokens = 50},
               [&](const Choice&, std::string_view) { return ++calls < 3; });
  EXPECT_EQ(generation.tokens.size(), 3u);
  EXPECT_EQ(generation.stop, StopReason::length);
}

TEST_F(GenerationTest, RefusesOptionsOutOfRange) {
  Session s = session();
  const auto tokens = prompt("The");
  EXPECT_THROW(generate(s, tokenizer_, tokens, {.max_new_tokens = 0}),
               UsageError);
  EXPECT_THROW(generate(s, tokenizer_, tokens, {.stop = {""}}), UsageError);
}

TEST_F(GenerationTest, ABatchGivesWhatEachPromptGivesAlone) {
  const std::vector<std::string> texts = {"The capital of Korea is",
                                          "서울",
                                          "T",
                                          "대한민국의 수도는 서울입니다. 일본",
                                          "Tokyo. Tokyo",
                                          "of",
                                          "일본의 수도는",
                                          "is",
                                          "Japan",
                                          "입니다"};
  std::vector<std::vector<int32_t>> prompts;
  for (const auto& text : texts) prompts.push_back(prompt(text));
  GenerateOptions options{.max_new_tokens = 14, .top = 2};
  // A token that some outputs hold ends them early, so that places are reused.
  options.end_tokens = {ids_of(run(texts[0], options))[4],
                        ids_of(run(texts[3], options))[2]};
  for (const int32_t batch_size : {1, 3, 64}) {
    size_t done = 0;
    const auto outputs =
        generate_batch(config_, model_.weights(), tokenizer_, prompts, options,
                       batch_size, [&](size_t n) { EXPECT_EQ(n, ++done); });
    ASSERT_EQ(outputs.size(), texts.size());
    EXPECT_EQ(done, texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      const Generation alone = run(texts[i], options);
      EXPECT_EQ(outputs[i].text, alone.text)
          << i << " batch_size " << batch_size;
      EXPECT_EQ(ids_of(outputs[i]), ids_of(alone)) << i;
      EXPECT_EQ(outputs[i].stop, alone.stop) << i;
      EXPECT_EQ(outputs[i].prompt_tokens, alone.prompt_tokens);
      for (size_t t = 0; t < alone.tokens.size(); ++t)
        EXPECT_NEAR(outputs[i].tokens[t].logprob, alone.tokens[t].logprob,
                    1e-3);
    }
  }
}

TEST_F(GenerationTest, ABatchesDrawsDoNotDependOnItsCompany) {
  std::vector<std::vector<int32_t>> prompts(8, prompt("The"));
  GenerateOptions options{.max_new_tokens = 10};
  options.sampler.temperature = 1;
  const auto together = generate_batch(config_, model_.weights(), tokenizer_,
                                       prompts, options, 8);
  const auto apart = generate_batch(config_, model_.weights(), tokenizer_,
                                    prompts, options, 1);
  bool differ = false;
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(ids_of(together[i]), ids_of(apart[i]));
    differ = differ || ids_of(together[i]) != ids_of(together[0]);
  }
  EXPECT_TRUE(differ);  // equal prompts draw on their own
}

TEST_F(GenerationTest, ABatchReadsPromptsLongerThanAStep) {
  ModelConfig config = config_;
  config.max_position_embeddings = 1400;
  const Model model = Model::random(config, 5, Dtype::f32);
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t i = 0; i < 3; ++i) {
    prompts.emplace_back();
    for (int32_t t = 0; t < 1100 + i; ++t)
      prompts.back().push_back((t * t + i) % 300);
  }
  GenerateOptions options{.max_new_tokens = 3};
  const auto outputs =
      generate_batch(config, model.weights(), tokenizer_, prompts, options, 3);
  for (size_t i = 0; i < prompts.size(); ++i) {
    Session s(config, model.weights());
    EXPECT_EQ(ids_of(outputs[i]),
              ids_of(generate(s, tokenizer_, prompts[i], options)));
  }
}

TEST_F(GenerationTest, NoPromptsNoOutputs) {
  EXPECT_TRUE(
      generate_batch(config_, model_.weights(), tokenizer_, {}, {}).empty());
}

TEST_F(GenerationTest, ScoresAreSumsOfLogSoftmax) {
  std::vector<Continuation> items;
  for (const auto& [text, continuation] :
       std::vector<std::pair<std::string, std::string>>{
           {"The capital of Korea is", " Seoul."},
           {"일본의 수도는", " 도쿄"},
           {"T", ""},
           {"서울", "입니다. The capital of Japan is Tokyo."}})
    items.push_back({prompt(text), tokenizer_.encode(continuation)});
  const auto together = log_probabilities(config_, model_.weights(), items);
  // Small forwards make other packings of the same items.
  const auto apart = log_probabilities(config_, model_.weights(), items, 1);
  for (size_t i = 0; i < items.size(); ++i) {
    std::vector<int32_t> all = items[i].prompt;
    all.insert(all.end(), items[i].tokens.begin(), items[i].tokens.end());
    const auto logits = all_logits(all);
    double expected = 0;
    for (size_t t = items[i].prompt.size(); t < all.size(); ++t) {
      double sum = 0;
      for (const float x : logits[t - 1]) sum += std::exp(double{x});
      expected += logits[t - 1][static_cast<size_t>(all[t])] - std::log(sum);
    }
    EXPECT_NEAR(together[i], expected, 2e-3) << i;
    EXPECT_NEAR(apart[i], expected, 2e-3) << i;
  }
  EXPECT_EQ(together[2], 0);
}

TEST_F(GenerationTest, ScoringRefusesWhatItCannotScore) {
  const std::vector<Continuation> no_prompt = {{{}, {1, 2}}};
  EXPECT_THROW(log_probabilities(config_, model_.weights(), no_prompt), Error);
  const std::vector<Continuation> too_long = {
      {{1}, std::vector<int32_t>(200, 2)}};
  EXPECT_THROW(log_probabilities(config_, model_.weights(), too_long), Error);
}

}  // namespace
}  // namespace seodang
