// Products with blocks where AVX-512 has VNNI: 64 numbers, two groups of 32,
// are one vector. Included by quantized_matvec.cc for that target.

// A row's sums. mins: Σ m·Σx of what min_of() or the groups' mins say, where a
// format has them, for each of two blocks or eight groups.
struct WideSums {
  __m512 a, b;
  __m256 mins;

  HWY_INLINE void clear() {
    a = b = _mm512_setzero_ps();
    mins = _mm256_setzero_ps();
  }

  HWY_INLINE void add(__m512i sums, __m512 scale) {
    a = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, a);
    std::swap(a, b);
  }
};

// Of lanes of four bytes the sums of products; written out for the reason that
// dot() has.
HWY_INLINE __m512i dot_64(__m512i unsigned_bytes, __m512i signed_bytes) {
  __m512i sums = _mm512_setzero_si512();
  asm("vpdpbusd %2, %1, %0"
      : "+v"(sums)
      : "v"(unsigned_bytes), "v"(signed_bytes));
  return sums;
}

// Whole numbers, and of which kind: VPDPBUSD multiplies unsigned by signed.
struct Unsigned {
  __m512i numbers;
  HWY_INLINE __m512i dot(const int8_t* x) const {
    return dot_64(numbers, _mm512_loadu_si512(x));
  }
};
struct Signed {
  HWY_INLINE explicit Signed(__m512i numbers)
      : magnitude(_mm512_abs_epi8(numbers)),
        is_negative(_mm512_movepi8_mask(numbers)) {}
  HWY_INLINE __m512i dot(const int8_t* x) const {
    const __m512i factor = _mm512_loadu_si512(x), zero = _mm512_setzero_si512();
    return dot_64(magnitude,
                  _mm512_mask_sub_epi8(factor, is_negative, zero, factor));
  }
  __m512i magnitude;
  __mmask64 is_negative;
};

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
// Lane i of the result is lane kFirst + i/kEach of `from`.
template <int kEach, int kFirst>
HWY_INLINE __m512 spread(__m512 from) {
  alignas(64) static constexpr auto kIndex = [] {
    std::array<int32_t, 16> out{};
    for (int i = 0; i < 16; ++i)
      out[static_cast<size_t>(i)] = kFirst + i / kEach;
    return out;
  }();
  return _mm512_permutexvar_ps(_mm512_load_si512(kIndex.data()), from);
}

// --- Two blocks of 32.

// The 4 bits of both: a's low and high ones, then b's.
HWY_INLINE __m512i nibbles_of_64(const uint8_t* a, const uint8_t* b) {
  const auto load = [](const uint8_t* q) HWY_ATTR {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
  };
  const __m256i both =
      _mm256_inserti128_si256(_mm256_castsi128_si256(load(a)), load(b), 1);
  const __m512i twice = _mm512_permutexvar_epi64(
      _mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3), _mm512_castsi256_si512(both));
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

HWY_INLINE Signed two_blocks(const BlockQ8_0* w) {
  const auto load = [](const int8_t* q) HWY_ATTR {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
  };
  return Signed(_mm512_inserti64x4(_mm512_castsi256_si512(load(w[0].q)),
                                   load(w[1].q), 1));
}
HWY_INLINE Unsigned two_blocks(const BlockQ4_0* w) {
  return {nibbles_of_64(w[0].q, w[1].q)};
}
HWY_INLINE Unsigned two_blocks(const BlockQ4_1* w) {
  return {nibbles_of_64(w[0].q, w[1].q)};
}
HWY_INLINE Unsigned two_blocks(const BlockQ5_0* w) {
  return {five_bits_of_64(w)};
}
HWY_INLINE Unsigned two_blocks(const BlockQ5_1* w) {
  return {five_bits_of_64(w)};
}
HWY_INLINE Signed two_blocks(const BlockIQ4NL* w) {
  const __m512i table = _mm512_broadcast_i32x4(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Nl)));
  return Signed(_mm512_shuffle_epi8(table, nibbles_of_64(w[0].q, w[1].q)));
}

// Two halves as floats, in the lowest lanes.
HWY_INLINE __m128 two_numbers(f16 a, f16 b) {
  return _mm_cvtph_ps(_mm_insert_epi16(_mm_cvtsi32_si128(a.bits), b.bits, 1));
}
HWY_INLINE __m128 load_two(const float* from) {
  return _mm_castpd_ps(_mm_load_sd(reinterpret_cast<const double*>(from)));
}

template <class Block>
HWY_INLINE void add_wide(const Block* w, const int8_t* q, const float* scale,
                         const float* sum, WideSums& out) {
  const auto numbers = two_blocks(w);
  const __m128 d = two_numbers(w[0].d, w[1].d);
  const __m128 s = _mm_mul_ps(d, load_two(scale));
  out.add(numbers.dot(q), spread<8, 0>(_mm512_castps128_ps512(s)));
  __m128 min = d;
  if constexpr (Numbers<Block>::kHasMin) min = two_numbers(w[0].m, w[1].m);
  if constexpr (!Numbers<Block>::kSigned)
    out.mins = _mm256_zextps128_ps256(
        _mm_fmadd_ps(min, load_two(sum), _mm256_castps256_ps128(out.mins)));
}
// What the sum of `mins` counts for.
template <class Block>
constexpr float kMinFactor = Numbers<Block>::kOffset != 0 ? Numbers<Block>::kOffset
                             : Block::kNumbers == 32      ? -1
                                                          : 1;

// --- A block of 256.

template <int kPair, class Block>
HWY_INLINE Unsigned two_groups(const Block& w) {
  __m512i numbers = _mm512_and_si512(
      shifted_halves<0, 4>(load_twice(w.q + 32 * kPair)), _mm512_set1_epi8(15));
  if constexpr (Block::kDtype == Dtype::q5_k) {
    const __m512i bits = _mm512_inserti64x4(
        _mm512_set1_epi8(1 << 2 * kPair),
        _mm256_set1_epi8(static_cast<char>(2 << 2 * kPair)), 1);
    numbers = _mm512_mask_add_epi8(
        numbers, _mm512_test_epi8_mask(load_twice(w.high), bits), numbers,
        _mm512_set1_epi8(16));
  }
  return {numbers};
}

// Q4_K and Q5_K.
template <class Block>
HWY_INLINE void add_wide_groups(const Block& w, const int8_t* q,
                                const float* scale, const float* sum,
                                WideSums& out) {
  const GroupScales groups = GroupScales::unpack(w.scales);
  const auto numbers_of = [](const uint8_t* bytes) HWY_ATTR {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  };
  const __m256 s = _mm256_mul_ps(
      _mm256_mul_ps(numbers_of(groups.scales), _mm256_set1_ps(number(w.d))),
      _mm256_loadu_ps(scale));
  out.mins = _mm256_fmadd_ps(
      _mm256_mul_ps(numbers_of(groups.mins), _mm256_set1_ps(number(w.d_min))),
      _mm256_loadu_ps(sum), out.mins);
  const __m512 wide = _mm512_castps256_ps512(s);
  out.add(two_groups<0>(w).dot(q), spread<8, 0>(wide));
  out.add(two_groups<1>(w).dot(q + 64), spread<8, 2>(wide));
  out.add(two_groups<2>(w).dot(q + 128), spread<8, 4>(wide));
  out.add(two_groups<3>(w).dot(q + 192), spread<8, 6>(wide));
}
HWY_INLINE void add_wide(const BlockQ4K* w, const int8_t* q, const float* scale,
                         const float* sum, WideSums& out) {
  add_wide_groups(*w, q, scale, sum, out);
}
HWY_INLINE void add_wide(const BlockQ5K* w, const int8_t* q, const float* scale,
                         const float* sum, WideSums& out) {
  add_wide_groups(*w, q, scale, sum, out);
}

// Runs 2·kPair and 2·kPair + 1.
template <int kPair>
HWY_INLINE Signed two_runs(const BlockQ6K& w) {
  const __m512i low = _mm512_loadu_si512(w.low + kPair / 2 * 64);
  const __m512i four = _mm512_and_si512(
      kPair % 2 == 0 ? low : _mm512_srli_epi16(low, 4), _mm512_set1_epi8(15));
  constexpr int kShift = kPair % 2 * 4;
  const __m512i two = _mm512_and_si512(
      shifted_halves<kShift, kShift + 2>(load_twice(w.high + kPair / 2 * 32)),
      _mm512_set1_epi8(3));
  return Signed(_mm512_sub_epi8(
      _mm512_or_si512(four, _mm512_slli_epi16(two, 4)), _mm512_set1_epi8(32)));
}
HWY_INLINE void add_wide(const BlockQ6K* w, const int8_t* q, const float* scale,
                         const float*, WideSums& out) {
  const __m512 scales = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(w->scales))));
  const __m512 of_x =
      spread<2, 0>(_mm512_castps256_ps512(_mm256_loadu_ps(scale)));
  const __m512 s =
      _mm512_mul_ps(_mm512_mul_ps(scales, _mm512_set1_ps(number(w->d))), of_x);
  out.add(two_runs<0>(*w).dot(q), spread<4, 0>(s));
  out.add(two_runs<1>(*w).dot(q + 64), spread<4, 4>(s));
  out.add(two_runs<2>(*w).dot(q + 128), spread<4, 8>(s));
  out.add(two_runs<3>(*w).dot(q + 192), spread<4, 12>(s));
}

// Blocks of one add_wide().
template <class Block>
constexpr int64_t kWideBlocks = Block::kNumbers == 32 ? 2 : 1;
template <class Block>
constexpr bool kHasWide =
    Block::kDtype != Dtype::q2_k&& Block::kDtype != Dtype::q3_k;
