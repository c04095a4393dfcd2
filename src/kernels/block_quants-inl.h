// What stands in a block (tensor/blocks.h) as vectors of integers, 32 at a
// time. Included by quantized_matmul.cc for targets that are x86 with AVX2 or
// more.

// A number of the format is scale·(q − kOffset) + minimum, with q of kBits bits
// and not negative; with kSigned q is an int8. A minimum is there where
// kHasMin. Scales belong to 32 numbers, or to 16 where kHalves is 2.
template <class Block>
struct BlockTraits {
  static constexpr Dtype kDtype = Block::kDtype;
  static constexpr bool kSigned =
      kDtype == Dtype::q8_0 || kDtype == Dtype::iq4_nl;
  static constexpr int kBits =
      kSigned                 ? 8
      : kDtype == Dtype::q6_k ? 6
      : kDtype == Dtype::q2_k ? 2
      : kDtype == Dtype::q3_k ? 3
      : kDtype == Dtype::q5_0 || kDtype == Dtype::q5_1 || kDtype == Dtype::q5_k
          ? 5
          : 4;
  static constexpr int kOffset = kDtype == Dtype::q4_0   ? 8
                                 : kDtype == Dtype::q5_0 ? 16
                                 : kDtype == Dtype::q6_k ? 32
                                 : kDtype == Dtype::q3_k ? 4
                                                         : 0;
  static constexpr bool kHasMin =
      kDtype == Dtype::q4_1 || kDtype == Dtype::q5_1 || kDtype == Dtype::q4_k ||
      kDtype == Dtype::q5_k || kDtype == Dtype::q2_k;
  static constexpr int kHalves =
      kDtype == Dtype::q6_k || kDtype == Dtype::q3_k || kDtype == Dtype::q2_k
          ? 2
          : 1;
};

HWY_INLINE float to_float(const f16& half) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half.bits)));
}

using TagI8 = hn::CappedTag<int8_t, 32>;
using TagU8 = hn::RebindToUnsigned<TagI8>;
using VecI8 = hn::Vec<TagI8>;

HWY_INLINE VecI8 nibbles(const uint8_t* from, bool high) {
  const TagU8 d;
  const auto bytes = hn::LoadU(d, from);
  return hn::BitCast(TagI8(), high ? hn::ShiftRight<4>(bytes)
                                   : hn::And(bytes, hn::Set(d, 15)));
}

// 32 numbers of 4 bits: the low halves of 16 bytes, then the high ones.
HWY_INLINE VecI8 nibbles_of_32(const uint8_t* q) {
  const hn::Half<TagU8> half;
  const auto bytes = hn::LoadU(half, q);
  return hn::BitCast(TagI8(), hn::Combine(TagU8(), hn::ShiftRight<4>(bytes),
                                          hn::And(bytes, hn::Set(half, 15))));
}

// The q of the 32 numbers of run kRun of a block.
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ8_0& w) {
  return hn::LoadU(TagI8(), w.q);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ4_0& w) {
  return nibbles_of_32(w.q);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ4_1& w) {
  return nibbles_of_32(w.q);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockIQ4NL& w) {
  return hn::TableLookupBytes(hn::LoadDup128(TagI8(), kIq4Nl),
                              nibbles_of_32(w.q));
}
// Q5_0 and Q5_1. Eight bytes are read where the bits begin, which lie in the
// block.
template <class Block>
HWY_INLINE VecI8 five_bits(const Block& w) {
  const TagI8 d;
  const auto set = hn::LoadMaskBits(d, w.high);
  return hn::Or(nibbles_of_32(w.q), hn::IfThenElseZero(set, hn::Set(d, 16)));
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ5_0& w) {
  return five_bits(w);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ5_1& w) {
  return five_bits(w);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ4K& w) {
  return nibbles(w.q + kRun / 2 * 32, kRun % 2 != 0);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ5K& w) {
  const TagI8 d;
  const TagU8 du;
  const auto bit = hn::Set(du, static_cast<uint8_t>(1 << kRun));
  const auto set = hn::TestBit(hn::LoadU(du, w.high), bit);
  return hn::Or(nibbles(w.q + kRun / 2 * 32, kRun % 2 != 0),
                hn::BitCast(d, hn::IfThenElseZero(set, hn::Set(du, 16))));
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ6K& w) {
  const TagU8 du;
  const auto low =
      nibbles(w.low + kRun / 4 * 64 + kRun % 2 * 32, kRun % 4 >= 2);
  const auto bytes = hn::LoadU(du, w.high + kRun / 4 * 32);
  const auto high =
      hn::And(hn::ShiftRight<kRun % 4 * 2>(bytes), hn::Set(du, 3));
  return hn::Or(low, hn::BitCast(TagI8(), hn::ShiftLeft<4>(high)));
}
// Q2_K and Q3_K.
template <int kRun>
HWY_INLINE VecI8 two_bits(const uint8_t* q) {
  const TagU8 du;
  const auto bytes = hn::LoadU(du, q + kRun / 4 * 32);
  return hn::BitCast(
      TagI8(), hn::And(hn::ShiftRight<kRun % 4 * 2>(bytes), hn::Set(du, 3)));
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ2K& w) {
  return two_bits<kRun>(w.q);
}
template <int kRun>
HWY_INLINE VecI8 quants(const BlockQ3K& w) {
  const TagU8 du;
  const auto bit = hn::Set(du, static_cast<uint8_t>(1 << kRun));
  const auto set = hn::TestBit(hn::LoadU(du, w.high), bit);
  const auto high = hn::IfThenElseZero(set, hn::Set(du, 4));
  return hn::Or(two_bits<kRun>(w.q), hn::BitCast(TagI8(), high));
}
