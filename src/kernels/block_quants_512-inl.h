// 64 numbers of a block, or of two, as one vector where AVX-512 has VNNI.
// Included by quantized_matmul.cc for that target. Signed numbers are stored
// 128 larger, since VPDPBUSD multiplies unsigned by signed bytes.

HWY_INLINE __m512i load_twice(const uint8_t* bytes) {
  return _mm512_broadcast_i64x4(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
}
// The low half of lanes shifted right by kLow, the high half by kHigh.
template <int kLow, int kHigh>
HWY_INLINE __m512i shifted_halves(__m512i lanes) {
  const __m512i counts =
      _mm512_inserti64x4(_mm512_set1_epi16(kLow), _mm256_set1_epi16(kHigh), 1);
  return _mm512_srlv_epi16(lanes, counts);
}
// --- Two blocks of 32.

// The 4 bits of both: a's low and high ones, then b's.
HWY_INLINE __m512i nibbles_of_64(const uint8_t* a, const uint8_t* b) {
  const auto load = [](const uint8_t* q) HWY_ATTR {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
  };
  const __m512i twice = _mm512_mask_broadcast_i32x4(
      _mm512_broadcast_i32x4(load(a)), 0xff00, load(b));
  const __m512i counts =
      _mm512_setr_epi64(0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0,
                        0x0004000400040004, 0x0004000400040004);
  return _mm512_and_si512(_mm512_srlv_epi16(twice, counts),
                          _mm512_set1_epi8(15));
}
template <class Block>
HWY_INLINE __m512i five_bits_of_64(const Block* w) {
  uint32_t high[2];
  std::memcpy(&high[0], w[0].high, 4);
  std::memcpy(&high[1], w[1].high, 4);
  const __mmask64 set = high[0] | uint64_t{high[1]} << 32;
  const __m512i low = nibbles_of_64(w[0].q, w[1].q);
  return _mm512_mask_add_epi8(low, set, low, _mm512_set1_epi8(16));
}

template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ8_0* w) {
  const auto load = [](const int8_t* q) HWY_ATTR {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
  };
  const __m512i both =
      _mm512_inserti64x4(_mm512_castsi256_si512(load(w[0].q)), load(w[1].q), 1);
  return _mm512_xor_si512(both, _mm512_set1_epi8(-128));
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ4_0* w) {
  return nibbles_of_64(w[0].q, w[1].q);
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ4_1* w) {
  return nibbles_of_64(w[0].q, w[1].q);
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ5_0* w) {
  return five_bits_of_64(w);
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ5_1* w) {
  return five_bits_of_64(w);
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockIQ4NL* w) {
  const __m512i table = _mm512_broadcast_i32x4(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Nl)));
  return _mm512_xor_si512(
      _mm512_shuffle_epi8(table, nibbles_of_64(w[0].q, w[1].q)),
      _mm512_set1_epi8(-128));
}

// --- Runs 2·kPair and 2·kPair + 1 of a block of 256.

template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ4K* w) {
  return _mm512_and_si512(shifted_halves<0, 4>(load_twice(w->q + 32 * kPair)),
                          _mm512_set1_epi8(15));
}
// `numbers`, and `bit` more where the runs' bits in `high` are set.
template <int kPair>
HWY_INLINE __m512i with_high_bits(__m512i numbers, const uint8_t* high,
                                  char bit) {
  const __m512i bits = _mm512_inserti64x4(
      _mm512_set1_epi8(1 << 2 * kPair),
      _mm256_set1_epi8(static_cast<char>(2 << 2 * kPair)), 1);
  return _mm512_mask_add_epi8(numbers,
                              _mm512_test_epi8_mask(load_twice(high), bits),
                              numbers, _mm512_set1_epi8(bit));
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ5K* w) {
  const __m512i four =
      _mm512_and_si512(shifted_halves<0, 4>(load_twice(w->q + 32 * kPair)),
                       _mm512_set1_epi8(15));
  return with_high_bits<kPair>(four, w->high, 16);
}
template <int kPair>
HWY_INLINE __m512i two_bits_of_64(const uint8_t* q) {
  constexpr int kShift = kPair % 2 * 4;
  return _mm512_and_si512(
      shifted_halves<kShift, kShift + 2>(load_twice(q + kPair / 2 * 32)),
      _mm512_set1_epi8(3));
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ6K* w) {
  const __m512i low = _mm512_loadu_si512(w->low + kPair / 2 * 64);
  const __m512i four = _mm512_and_si512(
      kPair % 2 == 0 ? low : _mm512_srli_epi16(low, 4), _mm512_set1_epi8(15));
  return _mm512_or_si512(four,
                         _mm512_slli_epi16(two_bits_of_64<kPair>(w->high), 4));
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ2K* w) {
  return two_bits_of_64<kPair>(w->q);
}
template <int kPair>
HWY_INLINE __m512i quants_of_64(const BlockQ3K* w) {
  return with_high_bits<kPair>(two_bits_of_64<kPair>(w->q), w->high, 4);
}
