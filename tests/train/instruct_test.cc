// Instruction tuning of tiny models, through the function that the command and
// the recipe call.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/files.h"
#include "data/prepare.h"
#include "error_of.h"
#include "generate/generation.h"
#include "generate/language_model.h"
#include "model/convert_model.h"
#include "model/model.h"
#include "tokenizer/encoded_chat.h"
#include "train/finetune.h"
#include "train/tiny_base.h"
#include "train/training.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

class Instruct : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    write_file(dir_ / "examples.jsonl",
               "{\"instruction\": \"capital?\", \"output\": \"Seoul.\"}\n"
               "{\"instruction\": \"the cat?\", \"output\": \"a hat.\"}\n");
  }

  static Tokenizer tokenizer(std::vector<std::string> special_tokens) {
    return tiny_tokenizer(std::move(special_tokens));
  }
  void make_base(const Tokenizer& tokenizer) const {
    write_tiny_base(dir_ / "base", tokenizer);
  }

  InstructOptions options() const {
    InstructOptions o;
    o.base = dir_ / "base";
    o.examples = {dir_ / "examples.jsonl"};
    o.output = dir_ / "tuned";
    o.replay = o.validation = 0;
    o.train.steps = 2;
    o.train.batch_tokens = 128;
    return o;
  }

  const fs::path dir_ = fs::path(testing::TempDir()) / "seodang_instruct";
};

// A vocabulary without a beginning of text, as every Qwen's.
TEST_F(Instruct, SamplesWithoutABosToken) {
  Tokenizer base = tokenizer({"<|endoftext|>", "<|im_start|>", "<|im_end|>"});
  ASSERT_LT(base.bos_token_id(), 0);
  base.set_chat_template(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + "
      "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
      "{{ '<|im_start|>assistant\n' }}{% endif %}");
  make_base(base);
  InstructOptions o = options();
  o.train.sample = {"capital?"};
  o.train.sample_every = 1;
  EXPECT_EQ(instruct(o).steps, 2);
}

// A base without a chat template is taught one that its vocabulary can write:
// what ends its answers is one token, and among the model's end tokens.
TEST_F(Instruct, EveryVocabularyLearnsToEndItsAnswers) {
  const std::vector<std::vector<std::string>> vocabularies = {
      {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
       "<|end_header_id|>", "<|eot_id|>"},
      {"<|end_of_text|>", "<|im_start|>", "<|im_end|>"},
      {"<|begin_of_text|>", "<|end_of_text|>", "<start_of_turn>",
       "<end_of_turn>"},
      {"<|begin_of_text|>", "<|end_of_text|>", "[INST]", "[/INST]"},
      {"<|end_of_text|>"}};
  for (const auto& special_tokens : vocabularies) {
    SCOPED_TRACE(special_tokens.back());
    SetUp();
    make_base(tokenizer(special_tokens));
    instruct(options());
    const Tokenizer tuned = Tokenizer::load(dir_ / "tuned");
    const auto ends = ModelConfig::load(dir_ / "tuned").eos_token_id;
    const int32_t end = end_of_answer(tuned);
    EXPECT_TRUE(tuned.is_special(end));
    EXPECT_NE(std::find(ends.begin(), ends.end(), end), ends.end());
  }
  SetUp();
  make_base(tokenizer({"<|begin_of_text|>"}));
  EXPECT_NE(error_of([&] { instruct(options()); }).find("no answer could be"),
            std::string::npos);
}

TEST_F(Instruct, ATemplateThatEndsNoAnswerIsRefused) {
  Tokenizer base = tokenizer({"<|end_of_text|>", "<|stop|>"});
  base.set_chat_template(
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}"
      "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}"
      "{% endif %}");
  make_base(base);
  EXPECT_NE(error_of([&] { instruct(options()); }).find("never learn to stop"),
            std::string::npos);
  // One that does not write what was answered.
  SetUp();
  base.set_chat_template(
      "{% for m in messages %}{{ m.role + '<|stop|>' }}"
      "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: think' }}"
      "{% endif %}");
  make_base(base);
  EXPECT_NE(error_of([&] {
              instruct(options());
            }).find("does not write the answer's text"),
            std::string::npos);
  // A token that no family uses is as good.
  SetUp();
  base.set_chat_template(
      "{% for m in messages %}{{ m.role + ': ' + m.content + '<|stop|>\n' }}"
      "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}"
      "{% endif %}");
  make_base(base);
  instruct(options());
  EXPECT_EQ(
      ModelConfig::load(dir_ / "tuned").eos_token_id,
      (std::vector{*base.find("<|end_of_text|>"), *base.find("<|stop|>")}));
}

// What a result depends on is known by its contents.
TEST_F(Instruct, ABaseOrExamplesChangedInPlaceAreAnotherRun) {
  const Tokenizer base = tokenizer({"<|end_of_text|>"});
  make_base(base);
  instruct(options());
  EXPECT_EQ(instruct(options()).steps, 2);  // done already
  ModelConfig config = ModelConfig::load(dir_ / "base");
  save_model(dir_ / "base", config,
             Model::random(config, 2, Dtype::f32).weights());
  EXPECT_NE(error_of([&] { instruct(options()); }).find("with base = "),
            std::string::npos);
  save_model(dir_ / "base", config,
             Model::random(config, 1, Dtype::f32).weights());
  EXPECT_EQ(instruct(options()).steps, 2);
  write_file(dir_ / "examples.jsonl",
             "{\"instruction\": \"capital?\", \"output\": \"Busan.\"}\n"
             "{\"instruction\": \"the cat?\", \"output\": \"a hat.\"}\n");
  EXPECT_NE(error_of([&] { instruct(options()); }).find("with examples = "),
            std::string::npos);
}

TEST_F(Instruct, ExamplesThatAreTooLongAreCounted) {
  make_base(tokenizer({"<|end_of_text|>"}));
  std::string lines = read_file(dir_ / "examples.jsonl");
  lines += "{\"instruction\": \"capital?\", \"output\": \"" +
           std::string(200, 'x') + "\"}\n";
  write_file(dir_ / "examples.jsonl", lines);
  InstructOptions o = options();
  const TrainSummary dropped = instruct(o);
  EXPECT_EQ(dropped.examples.learned, 2);
  EXPECT_EQ(dropped.examples.dropped, 1);
  const std::string said = read_file(dir_ / "tuned" / "training.json");
  EXPECT_NE(said.find("\"examples_dropped\": 1"), std::string::npos);
  o.output = dir_ / "cut";
  o.too_long = "truncate";
  const TrainSummary cut = instruct(o);
  EXPECT_EQ(cut.examples.learned, 3);
  EXPECT_EQ(cut.examples.truncated, 1);
  o.output = dir_ / "refused";
  o.too_long = "refuse";
  EXPECT_NE(error_of([&] { instruct(o); }).find("examples.jsonl:3: "),
            std::string::npos);
}

TEST_F(Instruct, ReplayOfAnotherTokenizerIsRefused) {
  make_base(tokenizer({"<|end_of_text|>"}));
  write_file(dir_ / "text.txt", "the cat sat on the mat\n");
  PrepareOptions prepare;
  prepare.validation = 0;
  prepare_corpus({dir_ / "text.txt"}, tokenizer({"<|stop|>", "<|end|>"}),
                 prepare, dir_ / "data");
  InstructOptions o = options();
  o.replay = 0.2;
  o.replay_data = dir_ / "data";
  EXPECT_NE(error_of([&] { instruct(o); }).find("another tokenizer"),
            std::string::npos);
  PretrainOptions p;
  p.data = dir_ / "data";
  p.tokenizer = dir_ / "base";
  p.output = dir_ / "pretrained";
  EXPECT_NE(error_of([&] { pretrain(p); }).find("another tokenizer"),
            std::string::npos);
}

// The rows of special tokens, which a base never saw, learn beside an adapter:
// those alone, and merged they are the model's.
TEST_F(Instruct, AnAdapterBringsTheRowsOfSpecialTokens) {
  make_base(
      tokenizer({"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                 "<|end_header_id|>", "<|eot_id|>"}));
  InstructOptions o = options();
  o.lora = true;
  o.train.steps = 10;
  instruct(o);
  const Tokenizer tokenizer = Tokenizer::load(o.output);
  const Model before = Model::load(o.base, Dtype::f32);
  const Model after =
      Model::load(o.base.string() + "+" + o.output.string(), Dtype::f32);
  int special = 0;
  for (int32_t token = 0; token < before.config().vocab_size; ++token) {
    const auto row = [&](const Model& model) {
      const Tensor rows = model.weights().embed_tokens;
      return std::vector(rows.row<float>(token),
                         rows.row<float>(token) + rows.cols);
    };
    const std::string text(tokenizer.token_bytes(token));
    const bool in_turns =
        tokenizer.is_special(token) && text != "<|end_of_text|>";
    EXPECT_EQ(row(before) != row(after), in_turns) << text;
    special += in_turns;
  }
  EXPECT_EQ(special, 4);
}

// A GGUF file is another spelling of the same base.
TEST_F(Instruct, AnAdapterIsUsedBehindAPlusSign) {
  make_base(
      tokenizer({"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                 "<|end_header_id|>", "<|eot_id|>"}));
  InstructOptions o = options();
  o.lora = true;
  EXPECT_NE(error_of([&] { finetune({.tuning = o}); }).find("no chat template"),
            std::string::npos);
  o.lora = false;
  o.examples = {dir_ / "before.jsonl"};
  write_file(o.examples[0],
             "{\"instruction\": \"capital?\", \"output\": \"the mat.\"}\n"
             "{\"instruction\": \"the cat?\", \"output\": \"Seoul.\"}\n");
  o.train.steps = 60;
  o.train.learning_rate = 0.01;
  instruct(o);

  o.examples = {dir_ / "examples.jsonl"};
  o.base = o.output;
  o.lora = true;
  o.adapter.rank = 8;
  o.train.precision = "f32";
  for (const char* name : {"first", "second"}) {
    o.output = dir_ / name;
    finetune({.tuning = o});
    EXPECT_TRUE(fs::exists(o.output / "adapter_config.json"));
    const auto made = fs::last_write_time(o.output / "adapter_config.json");
    EXPECT_EQ(finetune({.tuning = o}).train.steps, 60);  // done already
    EXPECT_EQ(fs::last_write_time(o.output / "adapter_config.json"), made);
    o.base = o.base.string() + "+" + o.output.string();
  }
  const LanguageModel model = LanguageModel::load(o.base, Dtype::f32);
  EXPECT_EQ(model.weights().layers[0].lora(Linear::q_proj).size(), 2u);
  EXPECT_EQ(model.kind(), ModelKind::instruct);
  const Message asked{"user", "capital?"};
  const auto answer = [&](const LanguageModel& who) {
    Session session(who.config(), who.weights());
    GenerateOptions generation;
    generation.max_new_tokens = 8;
    generation.end_tokens = who.end_tokens();
    return generate(session, who.tokenizer(), who.encode_chat({&asked, 1}),
                    generation)
        .text;
  };
  EXPECT_EQ(answer(model), "Seoul.");
  // Merged it answers the same.
  for (const char* name : {"merged", "merged.gguf"}) {
    convert_model(o.base, dir_ / name, ConvertType::f32);
    EXPECT_EQ(answer(LanguageModel::load(dir_ / name, Dtype::f32)), "Seoul.");
  }
  // A base in blocks stays in blocks.
  const fs::path blocks = dir_ / "blocks.gguf";
  convert_model(dir_ / "tuned", blocks, ConvertType::q8_0);
  o.base = blocks;
  o.output = dir_ / "over-blocks";
  finetune({.tuning = o});
  const LanguageModel over = LanguageModel::load(
      blocks.string() + "+" + o.output.string(), Dtype::f32);
  EXPECT_EQ(over.weights().layers[0].q_proj.dtype, Dtype::q8_0);
  EXPECT_EQ(answer(over), "Seoul.");
}

TEST_F(Instruct, ABaseMayBeAGgufFile) {
  make_base(tokenizer({"<|end_of_text|>"}));
  instruct(options());
  InstructOptions o = options();
  o.base = dir_ / "base.gguf";
  o.output = dir_ / "from-gguf";
  convert_model(dir_ / "base", o.base, ConvertType::f32);
  instruct(o);
  EXPECT_EQ(read_file(dir_ / "from-gguf" / "model.safetensors"),
            read_file(dir_ / "tuned" / "model.safetensors"));
}

}  // namespace
}  // namespace seodang
