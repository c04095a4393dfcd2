// Any bytes as a .safetensors file: an Error, or tensors whose numbers are all
// there.
#include "formats/safetensors.h"

#include "base/error.h"
#include "input_file.h"
#include "kernels/convert.h"

using namespace seodang;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const InputFile input("model.safetensors");
  input.write(data, size);
  try {
    const SafetensorsFile file(input.path());
    for (const auto& [name, entry] : file.entries()) {
      const Tensor tensor = file.tensor(name, entry.shape);
      OwnedTensor row(Dtype::f32, 1, tensor.cols);
      for (int64_t r = 0; r < tensor.rows; ++r)
        convert_row(row.view(), tensor.rows_from(r, 1));
    }
  } catch (const Error&) {
  }
  return 0;
}
