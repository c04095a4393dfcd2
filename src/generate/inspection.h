// What a stored model is: read off its files, and if wanted by asking it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "generate/model_kind.h"
#include "generate/probe.h"
#include "model/config.h"
#include "model/model_source.h"

namespace seodang {

// What running a model takes on this processor, in bytes.
struct MemoryNeed {
  std::string type;  // of `seodang convert --type`
  int64_t weights;   // in use: what cannot stay in the file is converted
  int64_t kv_cache;  // of kUsualContext tokens, or as many as it can read
  int64_t working;   // activations, the program, its libraries

  int64_t total() const { return weights + kv_cache + working; }
  bool fits() const;  // into machine_memory()
};

struct Inspection {
  ModelConfig config;
  int64_t parameters = 0;      // numbers in the files
  int64_t vision_tensors = 0;  // which are not used
  Dtype dtype = Dtype::f32;    // of most of them
  int32_t tokenizer_vocab = 0;
  std::vector<std::string> adapters;  // what each adds, in words
  // What running it takes, as it is ("as_is") and converted to each type.
  std::vector<MemoryNeed> memory;
  KindVerdict verdict;
  std::string sibling;  // a model beside it, of the same shape and other kind
  std::vector<ProbeAnswer> answers;
};

// Throws Error for what is no model, or an incomplete one. With `ask` the model
// is probed too (generate/probe.h).
Inspection inspect(const std::filesystem::path& model, bool ask);

// What it is good for, in a few sentences with the commands; `model` is how the
// user calls it.
std::string advice(const std::string& model, const Inspection& inspection);

// All of it as an object of JSON, with the advice.
std::string to_json(const Inspection& inspection,
                    const std::string& advice_text);

std::vector<MemoryNeed> memory_needs(const ModelSource& source);

}  // namespace seodang
