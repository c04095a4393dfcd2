#include "kernels/min_hash.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/min_hash.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace seodang {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Of as many hash functions as D has lanes.
template <class D>
HWY_ATTR void LeastOf(D d, uint32_t* least, const uint32_t* seeds,
                      const uint32_t* set, size_t count) {
  const auto seed = hn::LoadU(d, seeds);
  const auto first = hn::Set(d, 0x85ebca6bu), second = hn::Set(d, 0xc2b2ae35u);
  auto low = hn::Set(d, 0xffffffffu);
  for (size_t i = 0; i < count; ++i) {
    auto hash = hn::Xor(hn::Set(d, set[i]), seed);
    hash = hn::Mul(hn::Xor(hash, hn::ShiftRight<16>(hash)), first);
    hash = hn::Mul(hn::Xor(hash, hn::ShiftRight<13>(hash)), second);
    low = hn::Min(low, hn::Xor(hash, hn::ShiftRight<16>(hash)));
  }
  hn::StoreU(low, d, least);
}

void MinHashes(uint32_t* least, const uint32_t* seeds, size_t functions,
               const uint32_t* set, size_t count) {
  const hn::ScalableTag<uint32_t> d;
  size_t i = 0;
  for (; i + hn::Lanes(d) <= functions; i += hn::Lanes(d))
    LeastOf(d, least + i, seeds + i, set, count);
  const hn::CappedTag<uint32_t, 1> one;
  for (; i < functions; ++i) LeastOf(one, least + i, seeds + i, set, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace seodang
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace seodang {

HWY_EXPORT(MinHashes);

void min_hashes(std::span<uint32_t> least, std::span<const uint32_t> seeds,
                std::span<const uint32_t> set) {
  HWY_DYNAMIC_DISPATCH(MinHashes)
  (least.data(), seeds.data(), seeds.size(), set.data(), set.size());
}

}  // namespace seodang
#endif
