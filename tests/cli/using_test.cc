// The commands that use and measure a model, run as programs.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/utf8.h"
#include "data/conversations.h"
#include "generate/tiny_model.h"
#include "kernels/matmul.h"

namespace seodang {
namespace {

using nlohmann::json;

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

class CommandsTest : public testing::Test {
 protected:
  const std::filesystem::path run_ = scratch_directory();
  const std::string base_ = write_tiny_model(run_ / "base", false, 1).string();
  const std::string instruct_ =
      write_tiny_model(run_ / "instruct", true, 2).string();

  void write_suites() const {
    std::filesystem::create_directories(run_ / "corpus/suites");
    write_file(run_ / "corpus/suites/heldout.ko.jsonl",
               "{\"id\":\"KR\",\"instruction\":\"대한민국의 "
               "수도는?\",\"answers\":[\"서울\"],\"wrong\":[\"도쿄\",\"파리\","
               "\"로마\"],\"cloze\":\"대한민국의 수도는\"}\n");
    write_file(run_ / "corpus/suites/general.jsonl", "{\"text\":\"서울\"}\n");
  }
};

TEST_F(CommandsTest, GenerateJson) {
  const auto result = run_program("generate " + base_ +
                                  " 'The capital' --max-tokens 5 --top 3 "
                                  "--json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json out = json::parse(result.out);
  EXPECT_EQ(out["prompt"], "The capital");
  EXPECT_EQ(out["stop"], "length");
  ASSERT_EQ(out["tokens"].size(), 5u);
  for (const json& token : out["tokens"]) {
    EXPECT_TRUE(token["text"].is_string());
    ASSERT_EQ(token["top"].size(), 3u);
    EXPECT_EQ(token["top"][0]["id"], token["id"]);  // greedy
    EXPECT_EQ(token["top"][0]["logprob"], token["logprob"]);
    EXPECT_GE(token["top"][1]["logprob"], token["top"][2]["logprob"]);
  }
  EXPECT_EQ(out["usage"]["completion_tokens"], 5);
  EXPECT_GT(out["usage"]["prompt_tokens"], 0);
  EXPECT_TRUE(out["usage"]["per_second"].is_number());
  EXPECT_TRUE(out["usage"]["prompt_per_second"].is_number());
}

// How it is computed changes no text; what cannot be is said.
TEST_F(CommandsTest, GenerateTakesCacheTypesAndPromptLookup) {
  const std::string command =
      "generate '" + instruct_ + "' \"The capital of\" --max-tokens 40";
  const auto usual = run_program(command);
  EXPECT_EQ(usual.exit_code, 0) << usual.err;
  for (const char* flag : {"--prompt-lookup 0", "--prompt-lookup 3"})
    EXPECT_EQ(run_program(command + " " + flag).out, usual.out) << flag;
  const std::string act =
      fastest_product_dtype() == Dtype::bf16 ? "bf16" : "f32";
  EXPECT_EQ(run_program(command + " --kv-cache-type " + act).out, usual.out);
  const auto blocks = run_program(command + " --kv-cache-type q8_0");
  EXPECT_EQ(blocks.exit_code, 1);
  EXPECT_NE(blocks.err.find("head_dim is 8"), std::string::npos) << blocks.err;
  EXPECT_EQ(run_program(command + " --kv-cache-type q3").exit_code, 2);
  const auto remote =
      run_program("generate http://127.0.0.1:1/v1#m hi --kv-cache-type q8_0");
  EXPECT_EQ(remote.exit_code, 2);
  EXPECT_NE(remote.err.find("--kv-cache-type"), std::string::npos);
}

TEST_F(CommandsTest, GenerateStreamsTheTextAndTellsTheRestOnStderr) {
  const auto text = run_program("generate " + base_ + " 서울 --max-tokens 5");
  const auto as_json =
      run_program("generate " + base_ + " 서울 --max-tokens 5 --json");
  ASSERT_EQ(text.exit_code, 0) << text.err;
  ASSERT_EQ(as_json.exit_code, 0) << as_json.err;
  EXPECT_EQ(text.out,
            json::parse(as_json.out)["text"].get<std::string>() + "\n");
  EXPECT_NE(text.err.find("5 new tokens"), std::string::npos) << text.err;
}

TEST_F(CommandsTest, APromptMayComeFromTheInput) {
  const std::string arguments = " --max-tokens 4 --json";
  const auto given =
      run_program("generate " + base_ + " '서울 은'" + arguments);
  const auto piped =
      run_program("generate " + base_ + " -" + arguments, "echo '서울 은' | ");
  ASSERT_EQ(piped.exit_code, 0) << piped.err;
  const json a = json::parse(given.out), b = json::parse(piped.out);
  EXPECT_EQ(a["prompt"], b["prompt"]);
  EXPECT_EQ(a["text"], b["text"]);
}

// Texts are read in normal form C, so prompts have to be.
TEST_F(CommandsTest, ADecomposedPromptIsTheSamePrompt) {
  const auto ask = [&](const std::string& prompt, const std::string& how) {
    const auto out = run_program("generate " + instruct_ + " '" + prompt +
                                 "' --max-tokens 4 --json" + how);
    return json::parse(out.out);
  };
  for (const char* how : {"", " --chat"}) {
    const json composed = ask("한국", how);
    const json decomposed = ask("\u1112\u1161\u11ab\u1100\u116e\u11a8", how);
    EXPECT_EQ(decomposed["text"], composed["text"]);
    EXPECT_EQ(decomposed["usage"]["prompt_tokens"],
              composed["usage"]["prompt_tokens"]);
  }
}

TEST_F(CommandsTest, ChatsContextIsAsked) {
  const auto result = run_program("chat " + instruct_ + " --context 64",
                                  "printf 'hello\\n' | ");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("of 64 tokens"), std::string::npos) << result.err;
  const auto more = run_program("chat " + instruct_ + " --context 100",
                                "printf 'hello\\n' | ");
  EXPECT_EQ(more.exit_code, 2);
  EXPECT_NE(more.err.find("--context 100 is more than the 96 tokens"),
            std::string::npos)
      << more.err;
}

TEST_F(CommandsTest, SameSeedSameText) {
  const auto with_seed = [&](int seed) {
    return run_program("generate " + base_ +
                       " The --temperature 1 --max-tokens 12 --seed " +
                       std::to_string(seed))
        .out;
  };
  EXPECT_EQ(with_seed(3), with_seed(3));
  EXPECT_NE(with_seed(3), with_seed(4));
}

TEST_F(CommandsTest, ExplainShowsTheRivals) {
  const auto result = run_program("generate " + base_ +
                                  " The --explain --top 4 --max-tokens 3");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  size_t chosen = 0, shares = 0;
  for (size_t at = 0; (at = result.out.find("▶", at)) != std::string::npos;
       ++at)
    ++chosen;
  for (size_t at = 0; (at = result.out.find("%\n", at)) != std::string::npos;
       ++at)
    ++shares;
  EXPECT_EQ(chosen, 3u);
  EXPECT_EQ(shares, 12u);
}

TEST_F(CommandsTest, CompareAsksEachAsItIsMeantToBe) {
  const auto result = run_program("compare " + base_ + " " + instruct_ +
                                  " 수도는? --max-tokens 6 --json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json out = json::parse(result.out);
  EXPECT_EQ(out["prompt"], "수도는?");
  ASSERT_EQ(out["models"].size(), 2u);
  EXPECT_EQ(out["models"][0]["kind"], "base");
  EXPECT_EQ(out["models"][1]["kind"], "instruct");
  EXPECT_EQ(out["models"][1]["path"], instruct_);
  EXPECT_EQ(out["models"][0]["usage"]["completion_tokens"], 6);
  EXPECT_GT(out["models"][0]["usage"]["prompt_tokens"], 0);
  EXPECT_GT(out["models"][1]["seconds"], 0);
  EXPECT_TRUE(out["models"][1]["usage"]["per_second"].is_number());
  const auto alone = [&](const std::string& arguments) {
    return json::parse(
        run_program("generate " + arguments + " 수도는? --max-tokens 6 --json")
            .out)["text"];
  };
  EXPECT_EQ(out["models"][0]["text"], alone(base_));
  EXPECT_EQ(out["models"][1]["text"], alone(instruct_ + " --chat"));
  const auto raw = run_program("compare " + instruct_ +
                               " 수도는? --max-tokens 6 --raw --json");
  EXPECT_EQ(json::parse(raw.out)["models"][0]["text"], alone(instruct_));

  const auto shown =
      run_program("compare " + base_ + " " + instruct_ + " 수도는?");
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_NE(shown.out.find("(instruct)"), std::string::npos);
  EXPECT_NE(shown.out.find("tokens/s"), std::string::npos);
}

TEST_F(CommandsTest, ChatReadsLinesAndCommands) {
  const auto result =
      run_program("chat " + instruct_ + " --max-tokens 4",
                  "printf 'hello\\n/reset\\n/what\\n\\n안녕\\n/help\\n/load "
                  "nowhere\\n/save\\n/quit\\nno\\n' | ");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"The conversation is forgotten.", "/what is unknown",
                           "/regenerate   answer", "nowhere",
                           "/save needs a file's name", " of 96 tokens"})
    EXPECT_NE(result.err.find(part), std::string::npos) << part;
  EXPECT_EQ(lines(result.out), 2u) << result.out;
  EXPECT_EQ(find_invalid_utf8(result.out), std::string::npos);
  EXPECT_EQ(run_program("chat " + base_, "printf 'hi\\n' | ").exit_code, 1);
}

// The conversation in a file that /save wrote.
json saved(const std::filesystem::path& file) {
  return json::parse(read_file(file))["messages"];
}

TEST_F(CommandsTest, ChatSavesWhatCanBeTrainedOn) {
  const std::string one = (run_ / "one.jsonl").string();
  const std::string two = (run_ / "two.jsonl").string();
  const auto result = run_program(
      "chat " + instruct_ + " --max-tokens 4 --system '짧게'",
      "printf '/save " + one + "\\nhello\\n/save " + one +
          "\\n/reset\\n/load " + one + "\\n안녕\\n/save " + two + "\\n' | ");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("no answer to save"), std::string::npos);
  const json first = saved(one), second = saved(two);
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0], json({{"role", "system"}, {"content", "짧게"}}));
  EXPECT_EQ(first[1], json({{"role", "user"}, {"content", "hello"}}));
  EXPECT_EQ(first[2]["role"], "assistant");
  ASSERT_EQ(second.size(), 5u);
  EXPECT_EQ(second[1], first[1]);
  EXPECT_EQ(second[3]["content"], "안녕");
  EXPECT_EQ(read_conversations(two)[0].messages.size(), 5u);
}

TEST_F(CommandsTest, ChatRegenerates) {
  const std::string one = (run_ / "one.jsonl").string();
  const std::string two = (run_ / "two.jsonl").string();
  const auto talk = [&](const std::string& options) {
    const auto result =
        run_program("chat " + instruct_ + " --max-tokens 12 " + options,
                    "printf '/regenerate\\nhello\\n/save " + one +
                        "\\n/regenerate\\n/save " + two + "\\n' | ");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.err.find("no question to answer"), std::string::npos);
    EXPECT_EQ(saved(two).size(), 2u);
    EXPECT_EQ(saved(two)[0], saved(one)[0]);
    return result.err;
  };
  EXPECT_NE(talk("").find("At temperature 0"), std::string::npos);
  EXPECT_EQ(saved(two), saved(one));
  EXPECT_EQ(talk("--temperature 1").find("At temperature 0"),
            std::string::npos);
  EXPECT_NE(saved(two), saved(one));
}

TEST_F(CommandsTest, ChatSaysWhatItForgets) {
  const std::string file = (run_ / "talk.jsonl").string();
  const auto talk = [&](const std::string& policy) {
    std::string lines_in = "printf 'first\\n";
    for (int i = 0; i < 6; ++i) lines_in += "The capital of Korea is Seoul.\\n";
    return run_program(
        "chat " + instruct_ + " --max-tokens 8 " + policy,
        lines_in + "/save " + file + "\\n" + std::string(400, 'x') + "\\n' | ");
  };
  auto result = talk("");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("is full: the oldest"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("too long for a context"), std::string::npos);
  EXPECT_NE(saved(file)[0]["content"], "first");

  result = talk("--context-policy keep-first");
  EXPECT_NE(result.err.find("is full: after the first, the oldest"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(saved(file)[0]["content"], "first");

  result = talk("--context-policy stop");
  EXPECT_NE(result.err.find("is full; the line was left out"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(saved(file)[0]["content"], "first");
  EXPECT_LT(saved(file).size(), 14u);
}

TEST_F(CommandsTest, InspectJson) {
  const auto result = run_program("inspect " + instruct_ + " --json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json out = json::parse(result.out);
  const ModelConfig config = ModelConfig::load(instruct_);
  EXPECT_EQ(out["architecture"], "LlamaForCausalLM");
  EXPECT_EQ(out["parameters"], config.num_parameters());
  EXPECT_EQ(out["dtype"], "float32");
  EXPECT_EQ(out["context_length"], 96);
  EXPECT_EQ(out["vocab_size"], config.vocab_size);
  EXPECT_EQ(out["kind"], "instruct");
  EXPECT_EQ(out["evidence"].size(), 4u);
  EXPECT_GT(out["confidence"], 0.9);
  EXPECT_EQ(out["sibling"], base_);
  EXPECT_FALSE(out.contains("probe"));
  const int64_t parameters = config.num_parameters();
  // Stored as f32, in use as products are.
  const auto in_use = static_cast<int64_t>(size_of(fastest_product_dtype()));
  const auto& memory = out["memory"];
  EXPECT_EQ(memory["as_is"]["weights"], in_use * parameters);
  EXPECT_EQ(memory["f32"], memory["as_is"]);
  EXPECT_LE(memory["bf16"]["weights"], memory["f32"]["weights"]);
  EXPECT_LT(memory["q8_0"]["weights"], memory["bf16"]["weights"]);
  // Keys and values of 2 layers, 2 heads of 8, 96 tokens.
  EXPECT_EQ(memory["f32"]["kv_cache"], 2 * 2 * 2 * 8 * 96 * in_use);
  EXPECT_EQ(memory["f32"]["fits"], true);
  EXPECT_NE(out["advice"].get<std::string>().find("chat"), std::string::npos);
  EXPECT_EQ(
      json::parse(run_program("inspect " + base_ + " --json").out)["kind"],
      "base");
  EXPECT_EQ(run_program("inspect " + base_).exit_code, 0);
}

TEST_F(CommandsTest, InspectProbesWhenAsked) {
  const auto result = run_program("inspect " + instruct_ + " --probe --json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json out = json::parse(result.out);
  ASSERT_EQ(out["probe"].size(), 8u);
  EXPECT_EQ(out["evidence"].size(), 6u);
  for (const json& answer : out["probe"])
    EXPECT_TRUE(answer["stopped"] || !answer["answered"]);
  const auto text = run_program("inspect " + base_ + " --probe");
  EXPECT_NE(text.out.find("asked in bare text, it stopped in"),
            std::string::npos);
  EXPECT_NE(text.out.find("take its instruct sibling " + instruct_),
            std::string::npos)
      << text.out;
}

TEST_F(CommandsTest, EvalTakesTheRunsSuites) {
  EXPECT_EQ(run_program("eval " + base_).exit_code, 2);  // there are none yet
  write_suites();
  const auto all =
      run_program("eval " + base_ + " " + instruct_ + " --max-tokens 4 --json");
  ASSERT_EQ(all.exit_code, 0) << all.err;
  const json out = json::parse(all.out);
  EXPECT_EQ(out["models"][1]["suites"].size(), 2u);
  EXPECT_EQ(out["delta"]["heldout.ko"]["correct"].size(), 4u);
  const auto one = run_program("eval " + base_ + " general --json");
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(json::parse(one.out)["models"][0]["suites"].size(), 1u);
  const auto named = run_program(
      "eval " + base_ + " " +
      (run_ / "corpus/suites/heldout.ko.jsonl").string() + " --max-tokens 4");
  ASSERT_EQ(named.exit_code, 0) << named.err;
  EXPECT_NE(named.out.find("answer rate"), std::string::npos);
  EXPECT_EQ(run_program("eval " + base_ + " nosuch").exit_code, 2);
  EXPECT_EQ(run_program("eval general").exit_code, 2);
}

TEST_F(CommandsTest, WrongUseIsOneLineAndExitsWith2) {
  for (const std::string& arguments :
       {"generate " + base_ + " x --max-tokens 0",
        "generate " + base_ + " x --temperature -1",
        "generate " + base_ + " x --top-p 1.5",
        "generate " + base_ + " x --min-p 2",
        "generate " + base_ + " x --top-k -3",
        "generate " + base_ + " x --repetition-penalty 0",
        "generate " + base_ + " x --seed one", "generate " + base_,
        "generate " + base_ + " \"$(printf 'a\\377')\"",
        "generate " + base_ + " x --stop ''", "compare " + base_,
        "compare " + base_ + " \"$(printf '\\377')\"",
        "chat " + instruct_ + " --context-policy forget",
        "eval " + base_ + " general --limit -1"}) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments << "\n" << result.err;
    EXPECT_FALSE(result.err.empty()) << arguments;
  }
  const auto bytes =
      run_program("generate " + base_ + " \"$(printf 'a\\377')\"");
  EXPECT_EQ(bytes.err, "seodang: PROMPT: byte 1 is not UTF-8\n");
}

TEST_F(CommandsTest, BadModelsAreOneLineAndExitWith1) {
  for (const std::string& model :
       {(run_ / "none").string(), (run_ / "corpus").string(),
        (run_ / "base/config.json").string()})
    for (const char* command :
         {"generate %s x", "chat %s", "compare %s x", "inspect %s"}) {
      std::string arguments = command;
      arguments.replace(arguments.find("%s"), 2, model);
      const auto result = run_program(arguments, "echo hi | ");
      EXPECT_EQ(result.exit_code, 1) << arguments;
      EXPECT_EQ(lines(result.err), 1u) << arguments << "\n" << result.err;
    }
  const std::string prompt(2000, 'x');
  const auto lengthy = run_program("generate " + base_ + " " + prompt);
  EXPECT_EQ(lengthy.exit_code, 1);
  EXPECT_NE(lengthy.err.find("shorten the prompt"), std::string::npos);
}

TEST_F(CommandsTest, EveryCommandHasExamples) {
  for (const char* command :
       {"generate", "chat", "compare", "eval", "inspect"}) {
    const auto result = run_program(std::string(command) + " --help");
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_NE(result.out.find("Examples:\n  "), std::string::npos) << command;
  }
}

}  // namespace
}  // namespace seodang
