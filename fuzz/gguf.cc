// Any bytes as a .gguf file: an Error, or a config, a tokenizer that reads a
// text, and tensors whose numbers are all there.
#include "formats/gguf.h"

#include "base/error.h"
#include "input_file.h"
#include "kernels/convert.h"
#include "model/config.h"
#include "model/model_source.h"
#include "try_tokenizer.h"

using namespace seodang;

namespace {

void read_model(const InputFile& input) {
  try {
    const ModelSource source(input.path());
    for (const SourceTensor& tensor : source.tensors()) {
      OwnedTensor row(Dtype::f32, 1, tensor.stored.cols);
      for (int64_t r = 0; r < tensor.stored.rows; ++r)
        read_rows(tensor, r, row.view());
    }
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const InputFile input("model.gguf");
  input.write(data, size);
  try_tokenizer(input.path());
  read_model(input);
  return 0;
}
