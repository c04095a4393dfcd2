// Scales and mins of eight rows' blocks (tensor/blocks.h) as vectors, once per
// target that is x86 with AVX2 or more. Included after block_quants-inl.h.

// Rows of w that are unpacked together.
constexpr int kPanel = 8;

// r[i] lane j = r[j] lane i, lanes of four bytes.
HWY_INLINE void transpose(__m256i r[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      b[4 * i + 2 * j] = _mm256_unpacklo_epi64(a[4 * i + j], a[4 * i + j + 2]);
      b[4 * i + 2 * j + 1] =
          _mm256_unpackhi_epi64(a[4 * i + j], a[4 * i + j + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

HWY_INLINE __m256 floats_of(const uint8_t* bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
}
HWY_INLINE __m256 floats_of(const int8_t* bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
}
// Of eight runs of a block of 256, from the `first` on, scales and mins
// without d.
HWY_INLINE void run_scales(const BlockQ6K& w, int first, __m256& s, __m256&) {
  s = floats_of(w.scales + first);
}
HWY_INLINE void run_scales(const BlockQ3K& w, int first, __m256& s, __m256&) {
  int8_t scales[8];
  for (int i = 0; i < 8; ++i)
    scales[i] = static_cast<int8_t>(w.scale(first + i));
  s = floats_of(scales);
}
HWY_INLINE void run_scales(const BlockQ2K& w, int first, __m256& s, __m256& m) {
  uint8_t scales[8], mins[8];
  for (int i = 0; i < 8; ++i) {
    scales[i] = w.scales[first + i] & 15;
    mins[i] = w.scales[first + i] >> 4;
  }
  s = floats_of(scales);
  m = floats_of(mins);
}

// to[i·stride + c] = rows[c] lane i.
HWY_INLINE void store_transposed(float* to, int64_t stride, __m256 rows[8]) {
  __m256i lanes[8];
  for (int i = 0; i < 8; ++i) lanes[i] = _mm256_castps_si256(rows[i]);
  transpose(lanes);
  for (int i = 0; i < 8; ++i)
    _mm256_storeu_ps(to + i * stride, _mm256_castsi256_ps(lanes[i]));
}

// The halves of eight blocks as floats. Put together in general registers: the
// one port that shuffles is busy enough.
template <class Block>
HWY_INLINE __m256 halves_of(const Block* const w[kPanel], f16 Block::*half) {
  const auto four = [&](int c) HWY_ATTR {
    uint64_t bits = 0;
    for (int i = 3; i >= 0; --i) bits = bits << 16 | (w[c + i]->*half).bits;
    return static_cast<int64_t>(bits);
  };
  return _mm256_cvtph_ps(_mm_set_epi64x(four(4), four(0)));
}

// Q4_K and Q5_K: GroupScales::unpack() of eight blocks at a time, a lane each.
template <class Block>
HWY_INLINE void unpack_group_scales(float* scales, float* mins, int64_t stride,
                                    const Block* const w[kPanel]) {
  const auto words = [&](int i) HWY_ATTR {
    const auto word = [&](int c) HWY_ATTR {
      int32_t out;
      std::memcpy(&out, w[c]->scales + 4 * i, 4);
      return out;
    };
    return _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(4),
                             word(5), word(6), word(7));
  };
  const auto both = [](__m256i low, __m256i high) HWY_ATTR {
    return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi32(0x0f0f0f0f)),
                           _mm256_and_si256(_mm256_srli_epi32(high, 2),
                                            _mm256_set1_epi32(0x30303030)));
  };
  const auto put = [&](float* to, __m256i bytes, __m256 d) HWY_ATTR {
    for (int i = 0; i < 4; ++i) {
      const __m256i number = _mm256_and_si256(_mm256_srli_epi32(bytes, 8 * i),
                                              _mm256_set1_epi32(0xff));
      _mm256_storeu_ps(to + i * stride,
                       _mm256_mul_ps(_mm256_cvtepi32_ps(number), d));
    }
  };
  const __m256i six = _mm256_set1_epi32(0x3f3f3f3f);
  const __m256i a = words(0), b = words(1), c = words(2);
  const __m256 d = halves_of(w, &Block::d), d_min = halves_of(w, &Block::d_min);
  put(scales, _mm256_and_si256(a, six), d);
  put(scales + 4 * stride, both(c, a), d);
  put(mins, _mm256_and_si256(b, six), d_min);
  put(mins + 4 * stride, both(_mm256_srli_epi32(c, 4), b), d_min);
}

// Of one block of each row, run by run: scales[run·stride + c] and, where the
// format has them, mins.
template <class Block>
HWY_INLINE void unpack_scales(float* scales, float* mins, int64_t stride,
                              const Block* const w[kPanel]) {
  constexpr bool kHasMin = BlockTraits<Block>::kHasMin;
  if constexpr (Block::kNumbers == 32) {
    _mm256_storeu_ps(scales, halves_of(w, &Block::d));
    if constexpr (kHasMin)
      _mm256_storeu_ps(
          mins, _mm256_sub_ps(_mm256_setzero_ps(), halves_of(w, &Block::m)));
  } else if constexpr (Block::kDtype == Dtype::q4_k ||
                       Block::kDtype == Dtype::q5_k) {
    unpack_group_scales(scales, mins, stride, w);
  } else {
    for (int first = 0; first < 8 * BlockTraits<Block>::kHalves; first += 8) {
      __m256 s[kPanel], m[kPanel];
      for (int c = 0; c < kPanel; ++c) {
        run_scales(*w[c], first, s[c], m[c]);
        s[c] = _mm256_mul_ps(s[c], _mm256_set1_ps(to_float(w[c]->d)));
        if constexpr (kHasMin)
          m[c] = _mm256_mul_ps(m[c], _mm256_set1_ps(to_float(w[c]->d_min)));
      }
      store_transposed(scales + first * stride, stride, s);
      if constexpr (kHasMin) store_transposed(mins + first * stride, stride, m);
    }
  }
}
