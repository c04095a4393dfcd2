// The same model from a directory and from a GGUF file.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "formats/gguf.h"
#include "formats/json.h"
#include "formats/safetensors.h"
#include "generate/batch_runner.h"
#include "generate/session.h"
#include "model/convert_model.h"
#include "tiny_model.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

// Rows of 256, 512 and 320: Q4_K and Q6_K where they fit, else Q8_0.
fs::path write_wide_model(const fs::path& dir, bool tied) {
  fs::create_directories(dir);
  Tokenizer tokenizer = tiny_tokenizer();
  tokenizer.set_chat_template(kLlama3ChatTemplate);
  ModelConfig c = tiny_config(tokenizer);
  c.vocab_size += 5;  // padded, as published models are
  c.hidden_size = 256;
  c.intermediate_size = 320;
  c.num_hidden_layers = 3;
  c.head_dim = 32;
  c.num_attention_heads = 8;
  c.tie_word_embeddings = tied;
  c.initializer_range = 0.06;
  c.eos_token_id.push_back(*tokenizer.find("<|eot_id|>"));
  tokenizer.save(dir);
  save_model(dir, c, Model::random(c, 1, Dtype::f32).weights());
  return dir;
}

std::vector<int32_t> some_tokens(const LanguageModel& model, size_t count) {
  std::vector<int32_t> out;
  while (out.size() < count)
    for (const int32_t id :
         model.encode_text("The capital of Korea is Seoul. 수도는 도쿄입니다."))
      out.push_back(id);
  out.resize(count);
  return out;
}

std::vector<float> logits_of(const LanguageModel& model, size_t count) {
  Session session(model.config(), model.weights());
  const auto logits = session.read(some_tokens(model, count));
  return {logits.begin(), logits.end()};
}

// Largest difference over the deviation of the expected.
double difference(const std::vector<float>& got,
                  const std::vector<float>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double most = 0, squares = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    most = std::max(most, std::abs(double{got[i]} - expected[i]));
    squares += double{expected[i]} * expected[i];
  }
  return most / std::sqrt(squares / static_cast<double>(expected.size()));
}

// How the weights were drawn at first is not GGUF's concern.
std::string without_initializer(ModelConfig config) {
  config.initializer_range = 1;
  return config.to_json();
}

TEST(GgufModel, IsTheModelOfTheDirectory) {
  const fs::path dir = scratch_directory();
  for (const bool instruct : {false, true}) {
    const fs::path hf = write_tiny_model(dir / "tiny", instruct);
    const fs::path file = dir / "tiny.gguf";
    convert_model(hf, file, ConvertType::as_stored);
    const auto a = LanguageModel::load(hf, Dtype::f32);
    const auto b = LanguageModel::load(file, Dtype::f32);
    EXPECT_LT(difference(logits_of(b, 40), logits_of(a, 40)), 1e-4);
    EXPECT_LT(difference(logits_of(b, 1), logits_of(a, 1)), 1e-4);
    EXPECT_EQ(without_initializer(b.config()), without_initializer(a.config()));
    EXPECT_EQ(b.end_tokens(), a.end_tokens());
    EXPECT_EQ(b.kind(), a.kind());
    EXPECT_EQ(b.tokenizer().chat_template(), a.tokenizer().chat_template());
    const std::string text = "서울 Seoul\n\n 123 <|eot_id|> é";
    EXPECT_EQ(b.tokenizer().encode(
                  text, {.add_special_tokens = true, .parse_special = true}),
              a.tokenizer().encode(
                  text, {.add_special_tokens = true, .parse_special = true}));
  }
}

// Small models of each family that GGUF can say; what distinguishes them is
// drawn at random, so that it matters.
fs::path write_family_model(const fs::path& dir, nlohmann::json config) {
  fs::create_directories(dir);
  const Tokenizer tokenizer = tiny_tokenizer();
  tokenizer.save(dir);
  config.update({{"vocab_size", tokenizer.vocab_size()},
                 {"hidden_size", 64},
                 {"intermediate_size", 96},
                 {"num_hidden_layers", 7},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},
                 {"head_dim", 32},
                 {"max_position_embeddings", 256},
                 {"rms_norm_eps", 1e-6},
                 {"rope_theta", 10000.0},
                 {"initializer_range", 0.1},
                 {"bos_token_id", tokenizer.bos_token_id()},
                 {"eos_token_id", tokenizer.eos_token_id()}});
  const ModelConfig c = ModelConfig::from_json(config, "config");
  const Model model = Model::random(c, 1, Dtype::f32);
  Rng rng(5);
  for (const NamedTensor& weight : named_weights(c, model.weights()))
    if (!weight.decayed)
      for (int64_t i = 0; i < weight.tensor.cols; ++i)
        weight.tensor.row<float>(0)[i] +=
            static_cast<float>(0.2 * rng.normal());
  save_model(dir, c, model.weights());
  return dir;
}

TEST(GgufModel, EveryFamilyIsTheModelOfTheDirectory) {
  const fs::path dir = scratch_directory();
  const nlohmann::json llama3 = {{"rope_type", "llama3"},
                                 {"factor", 32.0},
                                 {"low_freq_factor", 1.0},
                                 {"high_freq_factor", 4.0},
                                 {"original_max_position_embeddings", 8192}};
  const nlohmann::json linear = {{"rope_type", "linear"}, {"factor", 8.0}};
  const std::vector<nlohmann::json> configs = {
      {{"architectures", {"LlamaForCausalLM"}}, {"rope_scaling", llama3}},
      {{"architectures", {"MistralForCausalLM"}}, {"sliding_window", nullptr}},
      {{"architectures", {"MistralForCausalLM"}}, {"sliding_window", 16}},
      {{"architectures", {"Qwen2ForCausalLM"}}, {"tie_word_embeddings", true}},
      {{"architectures", {"Qwen3ForCausalLM"}}},
      {{"architectures", {"GemmaForCausalLM"}}},
      {{"architectures", {"Gemma2ForCausalLM"}},
       {"query_pre_attn_scalar", 32},
       {"sliding_window", 16}},
      {{"architectures", {"Gemma3ForCausalLM"}},
       {"query_pre_attn_scalar", 32},
       {"rope_scaling", linear},
       {"sliding_window", 16}}};
  for (const nlohmann::json& config : configs) {
    const std::string name = config["architectures"][0];
    SCOPED_TRACE(name);
    const fs::path hf = write_family_model(dir / name, config);
    const fs::path file = dir / (name + ".gguf");
    convert_model(hf, file, ConvertType::as_stored);
    const auto a = LanguageModel::load(hf, Dtype::f32);
    const auto b = LanguageModel::load(file, Dtype::f32);
    EXPECT_LT(difference(logits_of(b, 40), logits_of(a, 40)), 1e-4);
  }
}

TEST(GgufModel, RefusesWhatGgufCannotSay) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_family_model(
      dir / "mistral",
      {{"architectures", {"MistralForCausalLM"}},
       {"sliding_window", 16},
       {"layer_types",
        {"full_attention", "sliding_attention", "sliding_attention",
         "full_attention", "sliding_attention", "sliding_attention",
         "full_attention"}}});
  EXPECT_NE(error_of([&] {
              convert_model(hf, dir / "m.gguf", ConvertType::as_stored);
            }).find("layer_types of llama has no GGUF form"),
            std::string::npos);
}

TEST(GgufModel, ThereAndBackIsTheSame) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_tiny_model(dir / "tiny", true);
  convert_model(hf, dir / "tiny.gguf", ConvertType::as_stored);
  convert_model(dir / "tiny.gguf", dir / "back", ConvertType::as_stored);
  const SafetensorsFile a(hf / "model.safetensors");
  const SafetensorsFile b(dir / "back" / "model.safetensors");
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (const auto& [name, entry] : a.entries()) {
    const auto& other = b.entries().at(name);
    ASSERT_EQ(other.shape, entry.shape) << name;
    ASSERT_EQ(other.data.size(), entry.data.size()) << name;
    EXPECT_EQ(
        std::memcmp(other.data.data(), entry.data.data(), entry.data.size()), 0)
        << name;
  }
  EXPECT_EQ(without_initializer(ModelConfig::load(dir / "back")),
            without_initializer(ModelConfig::load(hf)));
  EXPECT_EQ(read_json(dir / "back" / "tokenizer.json"),
            read_json(hf / "tokenizer.json"));
}

// What runs in blocks is what the blocks' numbers say: the same file as
// numbers is the reference.
TEST(GgufModel, BlocksRunAsTheirNumbers) {
  const fs::path dir = scratch_directory();
  for (const bool tied : {true, false}) {
    const fs::path hf = write_wide_model(dir / "wide", tied);
    const auto original = LanguageModel::load(hf, Dtype::f32);
    const auto exact = logits_of(original, 30);
    double rms = 0;
    for (const auto& [type, most] : {std::pair{ConvertType::f16, 0.01},
                                     {ConvertType::bf16, 0.05},
                                     {ConvertType::q8_0, 0.1},
                                     {ConvertType::q5_0, 0.8},
                                     {ConvertType::q4_k_m, 1.2},
                                     {ConvertType::q4_0, 1.6}}) {
      const fs::path file = dir / "wide.gguf", numbers = dir / "numbers";
      const auto report = convert_model(hf, file, type);
      convert_model(file, numbers, ConvertType::f32);
      const auto blocks = LanguageModel::load(file, Dtype::f32);
      const auto reference = LanguageModel::load(numbers, Dtype::f32);
      // Products with blocks round x to int8.
      for (const size_t tokens : {size_t{30}, size_t{3}})
        EXPECT_LT(
            difference(logits_of(blocks, tokens), logits_of(reference, tokens)),
            0.1)
            << tokens << " tokens";
      EXPECT_LT(difference(logits_of(blocks, 30), exact), most)
          << static_cast<int>(type);
      double worst = 0;
      for (const ConvertedTensor& tensor : report.tensors)
        worst = std::max(worst, tensor.relative_rms);
      EXPECT_GT(worst, rms) << "fewer bits err more";
      rms = worst;
    }
  }
}

// Prompts of many lengths that are read and answered together, and one by one.
TEST(GgufModel, AnswersInBlocksDoNotDependOnTheirCompany) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_wide_model(dir / "wide", true);
  for (const ConvertType type : {ConvertType::q8_0, ConvertType::q4_k_m}) {
    convert_model(hf, dir / "wide.gguf", type);
    const auto model = LanguageModel::load(dir / "wide.gguf");
    const auto answers = [&](int32_t batch_size) {
      std::vector<Generation> out(13);
      BatchRunner runner(model.config(), model.weights(), model.tokenizer(), 96,
                         batch_size, BatchMode::online);
      for (size_t i = 0; i < out.size() || !runner.is_idle();) {
        while (i < out.size() && runner.has_room()) {
          BatchSequence sequence;
          sequence.prompt = some_tokens(model, 1 + 7 * i);
          sequence.options.max_new_tokens = 5 + static_cast<int64_t>(i % 4);
          sequence.done = [&out, i](Generation made, std::exception_ptr error) {
            ASSERT_EQ(error, nullptr);
            out[i] = std::move(made);
          };
          runner.admit(std::move(sequence));
          ++i;
        }
        runner.step();
      }
      return out;
    };
    const auto alone = answers(1);
    for (const int32_t batch_size : {3, 13}) {
      const auto together = answers(batch_size);
      for (size_t i = 0; i < alone.size(); ++i) {
        ASSERT_EQ(together[i].tokens.size(), alone[i].tokens.size());
        for (size_t t = 0; t < alone[i].tokens.size(); ++t) {
          EXPECT_EQ(together[i].tokens[t].id, alone[i].tokens[t].id);
          EXPECT_EQ(together[i].tokens[t].logprob, alone[i].tokens[t].logprob);
        }
      }
    }
  }
}

// Whatever the weights are kept in: several tokens in one forward have the
// logits that each has alone, bit for bit, so drafts change no output.
TEST(GgufModel, DraftTokensChangeNothing) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_wide_model(dir / "wide", false);
  for (const ConvertType type :
       {ConvertType::f32, ConvertType::bf16, ConvertType::f16,
        ConvertType::q8_0, ConvertType::q4_k_m}) {
    convert_model(hf, dir / "wide.gguf", type);
    const auto model = LanguageModel::load(dir / "wide.gguf");
    const auto session = [&] {
      return Session(model.config(), model.weights(), 256);
    };
    const auto tokens = some_tokens(model, 90);
    for (const size_t before : {size_t{1}, size_t{37}, size_t{70}}) {
      Session one = session(), several = session();
      one.read(std::span(tokens).first(before));
      several.read(std::span(tokens).first(before));
      ASSERT_GT(several.exact_appends(), 7);
      const auto next = std::span(tokens).subspan(
          before, static_cast<size_t>(several.exact_appends()));
      const Tensor rows = several.append(next);
      for (size_t i = 0; i < next.size(); ++i)
        ASSERT_TRUE(std::ranges::equal(
            one.append(next[i]),
            std::span(rows.row<float>(static_cast<int64_t>(i)),
                      static_cast<size_t>(rows.cols))))
            << static_cast<int>(type) << " " << before << " " << i;
    }

    int64_t accepted = 0;
    for (const float temperature : {0.0f, 0.7f}) {
      GenerateOptions options;
      options.max_new_tokens = 120;
      options.sampler.temperature = temperature;
      const auto answer = [&] {
        Session fresh = session();
        return generate(fresh, model.tokenizer(), std::span(tokens).first(50),
                        options);
      };
      const Generation with = answer();
      options.prompt_lookup = 0;
      const Generation without = answer();
      EXPECT_EQ(without.accepted_draft_tokens, 0);
      accepted += with.accepted_draft_tokens;
      EXPECT_EQ(with.text, without.text);
      ASSERT_EQ(with.tokens.size(), without.tokens.size());
      for (size_t t = 0; t < with.tokens.size(); ++t)
        EXPECT_EQ(with.tokens[t].logprob, without.tokens[t].logprob);
    }
    EXPECT_GT(accepted, 0) << static_cast<int>(type);
  }
}

TEST(GgufModel, MixesAreByPart) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_wide_model(dir / "wide", true);
  const auto report = convert_model(hf, dir / "mix.gguf", ConvertType::q4_k_m);
  const GgufFile file(dir / "mix.gguf");
  const auto dtype = [&](const char* name) {
    return file.tensors().at(name).dtype;
  };
  EXPECT_EQ(dtype("token_embd.weight"), Dtype::q6_k);  // it is the output too
  EXPECT_EQ(dtype("blk.0.attn_q.weight"), Dtype::q4_k);
  EXPECT_EQ(dtype("blk.0.attn_v.weight"), Dtype::q4_k);
  EXPECT_EQ(dtype("blk.2.attn_v.weight"), Dtype::q6_k);
  EXPECT_EQ(dtype("blk.0.ffn_down.weight"), Dtype::q8_0);  // rows of 320
  EXPECT_EQ(dtype("blk.0.attn_norm.weight"), Dtype::f32);
  EXPECT_EQ(file.integer("general.file_type"), 15);
  for (const ConvertedTensor& t : report.tensors)
    EXPECT_LT(t.relative_rms, 0.1) << t.name;
}

TEST(GgufModel, SaysWhatIsMissing) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_tiny_model(dir / "tiny", true);
  const auto fails = [&](auto&& action, const char* what) {
    const std::string message = error_of(action);
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  fails([&] { LanguageModel::load(dir / "none.gguf"); }, "none.gguf");
  write_file(dir / "empty.gguf", "GGUF");
  fails([&] { LanguageModel::load(dir / "empty.gguf"); }, "not a GGUF file");
  GgufWriter(dir / "bare.gguf",
             {{"general.architecture", GgufValue::string("llama")}}, {})
      .commit();
  fails([&] { LanguageModel::load(dir / "bare.gguf"); },
        "tokenizer.ggml.tokens is missing");
  fails([&] { convert_model(hf, dir / "out", ConvertType::q8_0); },
        "blocks go into a .gguf file");
  fails([&] { convert_model(hf, hf, ConvertType::f32); }, "onto itself");
  fails([&] { convert_type("q9"); }, "q8_0, q5_0, q4_0, q4_k_m");
}

TEST(GgufModel, ConvertCommandReports) {
  const fs::path dir = scratch_directory();
  const fs::path hf = write_tiny_model(dir / "tiny", true);
  write_file(dir / "text.txt", "대한민국의 수도는 서울입니다.\n");
  const auto result = run_program(
      "convert '" + hf.string() + "' '" + (dir / "q.gguf").string() +
      "' --type q8_0 --json --measure '" + (dir / "text.txt").string() + "'");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  ASSERT_EQ(json["perplexity"].size(), 2u);
  EXPECT_NEAR(
      json["perplexity"][1].get<double>() / json["perplexity"][0].get<double>(),
      1, 0.1);
  EXPECT_EQ(json["bytes"][1].get<double>(),
            static_cast<double>(fs::file_size(dir / "q.gguf")));
  for (const auto& tensor : json["tensors"])
    EXPECT_LT(tensor["relative_rms"].get<double>(), 0.01) << tensor;
  const auto generated = run_program("generate '" + (dir / "q.gguf").string() +
                                     "' Seoul --max-tokens 4 --json");
  ASSERT_EQ(generated.exit_code, 0) << generated.err;
  EXPECT_EQ(run_program("convert '" + hf.string() + "' '" +
                        (dir / "q.gguf").string() + "' --type q7")
                .exit_code,
            2);
}

}  // namespace
}  // namespace seodang
