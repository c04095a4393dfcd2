#include "tensor/tensor.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace seodang {

std::string_view name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return "float32";
    case Dtype::bf16:
      return "bfloat16";
    case Dtype::f16:
      return "float16";
    case Dtype::q8_0:
      return "q8_0";
    case Dtype::q4_0:
      return "q4_0";
    case Dtype::q4_1:
      return "q4_1";
    case Dtype::q5_0:
      return "q5_0";
    case Dtype::q5_1:
      return "q5_1";
    case Dtype::iq4_nl:
      return "iq4_nl";
    case Dtype::q2_k:
      return "q2_k";
    case Dtype::q3_k:
      return "q3_k";
    case Dtype::q4_k:
      return "q4_k";
    case Dtype::q5_k:
      return "q5_k";
    case Dtype::q6_k:
      return "q6_k";
  }
  return "";
}

std::string show_shape(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void clear_pages(void* memory, size_t bytes) {
  // Below that the system call costs more.
  constexpr size_t kLarge = size_t{1} << 20;
  auto* const begin = static_cast<std::byte*>(memory);
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(memory);
  const size_t before = (page - address % page) % page;
  if (bytes < kLarge + before) {
    std::memset(begin, 0, bytes);
    return;
  }
  const size_t whole = (bytes - before) / page * page;
  // Anonymous pages come back as zeros; locked ones are not given.
  if (::madvise(begin + before, whole, MADV_DONTNEED) != 0)
    std::memset(begin + before, 0, whole);
  std::memset(begin, 0, before);
  std::memset(begin + before + whole, 0, bytes - before - whole);
}

Buffer::Buffer(size_t bytes, Fill fill) : bytes_(bytes) {
  if (bytes == 0) return;
  // Large blocks start on a huge page, which the kernel gives when it can.
  const size_t alignment = bytes >= (size_t{4} << 20) ? size_t{2} << 20 : 64;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  data_.reset(memory);
  if (alignment > 64) ::madvise(memory, rounded, MADV_HUGEPAGE);
  if (fill == Fill::zero) clear_pages(memory, bytes);
}

void Buffer::Free::operator()(void* memory) const { std::free(memory); }

}  // namespace seodang
