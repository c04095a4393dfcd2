// A training run may be stopped in any way at any moment: going on ends in the
// same bytes.
#include "cli/training.h"

#include <csignal>

#include "base/rng.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST_F(Training, KilledAtAnyMomentEndsInTheSameBytes) {
  const auto begin = steady_clock::now();
  const Outcome whole = run(dir_, pretrain("whole"));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto time = steady_clock::now() - begin;

  Rng rng(7);
  int kills = 0;
  for (int i = 0; i < 6; ++i) {
    const int64_t lines =
        steps_told("killed") + static_cast<int64_t>(rng.below(6));
    Program program(dir_, pretrain("killed"));
    if (!reaches(program, "killed", lines)) break;
    std::this_thread::sleep_for(rng.uniform() * time / 20);
    program.send(SIGKILL);
    kills += program.wait().signal == SIGKILL;
  }
  EXPECT_GE(kills, 2);
  const Outcome last = run(dir_, pretrain("killed"));
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(read("killed/model.safetensors"), read("whole/model.safetensors"));
  EXPECT_TRUE(leftovers("killed").empty()) << leftovers("killed").front();
}

// Repairs and the search included, whose points the report tells.
TEST_F(Training, AKilledFinetuneEndsInTheSameBytes) {
  write("known.jsonl", "{\"instruction\": \"1?\", \"output\": \"2 and 3.\"}\n");
  write("task.jsonl",
        "{\"instruction\": \"5?\", \"output\": \"form 5 and 6\"}\n");
  write("texts.jsonl", "{\"text\": \"1 and 2 make 3.\"}\n");
  must(
      "pretrain --data data --tokenizer tok -o base --size nano --steps 20 "
      "--batch-tokens 64 --threads 1");
  must(
      "instruct base known.jsonl -o instruct --steps 10 --replay 0 "
      "--validation 0 --batch-tokens 64 --threads 1");
  write("pairs.jsonl",
        R"({"prompt": "5?", "chosen": "form 5 and 6", "rejected": "5. 1?"})"
        "\n");
  Rng rng(4);
  for (const std::string what :
       {"finetune instruct task.jsonl", "prefer instruct pairs.jsonl"}) {
    const std::string name = what.substr(0, what.find(' '));
    const auto tuning = [&](const std::string& output) {
      return words(what + " -o " + output +
                   " --steps 12 --checkpoint-every 1 --validate-every 5 "
                   "--validation 0 --test task.jsonl --general texts.jsonl "
                   "--keep 1 --replay-examples known.jsonl --replay 0.5 "
                   "--distill 1 --batch-tokens 128 --threads 1");
    };
    const std::string killed = name + "-killed";
    const Outcome whole = run(dir_, tuning(name));
    ASSERT_EQ(whole.exit_code, 0) << whole.err;
    EXPECT_NE(whole.out.find("kept"), std::string::npos) << whole.out;
    for (int stop = 0; stop < 4; ++stop) {
      Program program(dir_, tuning(killed));
      if (!reaches(program, killed,
                   steps_told(killed) + 1 + static_cast<int64_t>(rng.below(5))))
        break;
      program.send(SIGKILL);
      program.wait();
    }
    ASSERT_EQ(run(dir_, tuning(killed)).exit_code, 0);
    for (const char* file : {"/model.safetensors", "/forgetting.json"})
      EXPECT_EQ(read(killed + file), read(name + file));
  }
}

TEST_F(Training, AnInterruptSavesAndSaysHowToGoOn) {
  const Outcome whole = run(dir_, pretrain("whole"));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  for (const int signal : {SIGINT, SIGTERM}) {
    const int64_t lines = steps_told("stopped") + 3;
    Program program(dir_, pretrain("stopped"));
    ASSERT_TRUE(reaches(program, "stopped", lines));
    program.send(signal);
    const Outcome stopped = program.wait();
    EXPECT_EQ(stopped.exit_code, 1) << stopped.err;
    EXPECT_NE(stopped.err.find("run the same command again"), std::string::npos)
        << stopped.err;
  }
  const Outcome last = run(dir_, pretrain("stopped"));
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(read("stopped/model.safetensors"), read("whole/model.safetensors"));
}

// Whoever takes an unfinished run for a model is told how to go on.
TEST_F(Training, AnUnfinishedRunIsNoModelYet) {
  Program program(dir_, pretrain("run"));
  ASSERT_TRUE(reaches(program, "run", 3));
  program.send(SIGKILL);
  program.wait();
  for (const char* line : {"generate run hi", "inspect run"})
    expect_complaint(run(dir_, words(line)), 1,
                     "training has not finished: start it again to go on, or "
                     "take run/checkpoint-");
  expect_complaint(run(dir_, words("generate . hi")), 1,
                   "neither tokenizer.json nor tokenizer.model is in it");
}

TEST_F(Training, AFullDiskIsAnErrorAndNoRuin) {
  const Outcome whole = run(dir_, pretrain("whole"));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const Outcome full = run(dir_, pretrain("full"), 100'000);
  EXPECT_EQ(full.exit_code, 1) << full.err;
  EXPECT_NE(full.err.find("seodang: "), std::string::npos) << full.err;
  EXPECT_FALSE(fs::exists(dir_ / "full/model.safetensors"));
  EXPECT_TRUE(leftovers("full").empty()) << leftovers("full").front();
  const Outcome last = run(dir_, pretrain("full"));
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(read("full/model.safetensors"), read("whole/model.safetensors"));
}

TEST_F(Training, WrongExamplesNameFileAndLine) {
  must("pretrain --data data --tokenizer tok -o base --size nano --steps 1");
  const auto tune = [&](const std::string& more) {
    return run(dir_, words("instruct base bad.jsonl -o tuned " + more));
  };
  const std::string good = "{\"prompt\": \"a\", \"completion\": \"b\"}\n";
  for (const char* line :
       {"{\"prompt\": \"a\"}", "{\"messages\": []}", "{\"messages\": 1}",
        "{\"instruction\": \"a\", \"output\": 2}", "[]", "{", "\xff",
        "{\"conversations\": [{\"from\": \"dog\", \"value\": \"wau\"}]}"}) {
    write("bad.jsonl", good + line + "\n");
    expect_complaint(tune("--replay 0"), 1, "bad.jsonl:2");
  }
  write("bad.jsonl", "");
  expect_complaint(tune("--replay 0"), 1, "bad.jsonl");
  write("bad.jsonl", good);
  expect_complaint(tune("--replay 0 --context 100000"), 2, "context");
  expect_complaint(tune("--replay 0.5"), 2, "--replay-data");
  EXPECT_FALSE(fs::exists(dir_ / "tuned"));
}

TEST_F(Training, WrongTrainingInputIsOneLine) {
  const auto before = names();
  expect_complaint(
      run(dir_, words("pretrain --data none --tokenizer tok -o x")), 1, "none");
  expect_complaint(
      run(dir_, words("pretrain --data data --tokenizer tok -o x --size nano "
                      "--context 100000")),
      2, "context");
  expect_complaint(
      run(dir_, words("pretrain --data data --tokenizer tok -o x --size big")),
      2, "big");
  EXPECT_EQ(names(), before);
}

}  // namespace
}  // namespace seodang
