#include "jit/layout/transpose.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace altrt::jit {

namespace {

/// Runs `block(i, j)` for blocks of `size` x `size` that cover columns x count; the last ones overlap their neighbours.
/// They come in groups of four, so that both halves of the cache lines of 64 bytes on either side are used while they
/// are near (size 8 and 4-byte elements).
template <int64_t size, typename Block>
void cover(int64_t count, int64_t columns, Block block) {
  for (int64_t i = 0; i < columns; i += 2 * size) {
    int64_t column = std::min(i, columns - size), next_column = std::min(i + size, columns - size);
    for (int64_t j = 0; j < count; j += 2 * size) {
      int64_t row = std::min(j, count - size), next_row = std::min(j + size, count - size);
      block(column, row);
      if (next_row > row) block(column, next_row);
      if (next_column == column) continue;
      block(next_column, row);
      if (next_row > row) block(next_column, next_row);
    }
  }
}

template <typename T, int size>
void cover_scalar(const T* const* rows, int64_t count, int64_t columns, T* to, int64_t stride) {
  cover<size>(count, columns, [=](int64_t i, int64_t j) {
    T block[size][size];
    for (int b = 0; b < size; ++b) {
      for (int a = 0; a < size; ++a) block[a][b] = rows[j + b][i + a];
    }
    for (int a = 0; a < size; ++a) {
      for (int b = 0; b < size; ++b) to[(i + a) * stride + j + b] = block[a][b];
    }
  });
}

template <typename T>
void transpose_narrow(const T* const* rows, int64_t count, int64_t columns, T* to, int64_t stride) {
  if (columns < count) {
    for (int64_t i = 0; i < columns; ++i) {
      for (int64_t j = 0; j < count; ++j) to[i * stride + j] = rows[j][i];
    }
  } else {
    for (int64_t j = 0; j < count; ++j) {
      const T* row = rows[j];
      for (int64_t i = 0; i < columns; ++i) to[i * stride + j] = row[i];
    }
  }
}

#if defined(__x86_64__)

// Elements are only moved, never computed with: every bit pattern survives, and vector types may alias anything.
const float* source(const uint32_t* const* rows, int64_t j, int64_t i) {
  return reinterpret_cast<const float*>(rows[j] + i);
}

void cover_sse(const uint32_t* const* rows, int64_t count, int64_t columns, uint32_t* to, int64_t stride) {
  cover<4>(count, columns, [=](int64_t i, int64_t j) {
    __m128 r0 = _mm_loadu_ps(source(rows, j, i)), r1 = _mm_loadu_ps(source(rows, j + 1, i));
    __m128 r2 = _mm_loadu_ps(source(rows, j + 2, i)), r3 = _mm_loadu_ps(source(rows, j + 3, i));
    _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
    float* out = reinterpret_cast<float*>(to + i * stride + j);
    _mm_storeu_ps(out, r0);
    _mm_storeu_ps(out + stride, r1);
    _mm_storeu_ps(out + 2 * stride, r2);
    _mm_storeu_ps(out + 3 * stride, r3);
  });
}

/// Four elements of rows j and j + 4 in the low and the high half: the halves' exchange of an 8 x 8 transposition
/// happens in the load.
__attribute__((target("avx"), always_inline)) inline __m256 load_halves(const uint32_t* const* rows, int64_t j,
                                                                        int64_t i) {
  __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(source(rows, j, i)));
  return _mm256_insertf128_ps(low, _mm_loadu_ps(source(rows, j + 4, i)), 1);
}

/// Four columns of eight rows -> four destination rows of eight.
__attribute__((target("avx"), always_inline)) inline void transpose_4x8(const uint32_t* const* rows, int64_t i,
                                                                        uint32_t* to, int64_t stride) {
  __m256 a = load_halves(rows, 0, i), b = load_halves(rows, 1, i);
  __m256 c = load_halves(rows, 2, i), d = load_halves(rows, 3, i);
  __m256 ab_low = _mm256_unpacklo_ps(a, b), ab_high = _mm256_unpackhi_ps(a, b);
  __m256 cd_low = _mm256_unpacklo_ps(c, d), cd_high = _mm256_unpackhi_ps(c, d);
  float* out = reinterpret_cast<float*>(to);
  _mm256_storeu_ps(out, _mm256_shuffle_ps(ab_low, cd_low, 0x44));
  _mm256_storeu_ps(out + stride, _mm256_shuffle_ps(ab_low, cd_low, 0xee));
  _mm256_storeu_ps(out + 2 * stride, _mm256_shuffle_ps(ab_high, cd_high, 0x44));
  _mm256_storeu_ps(out + 3 * stride, _mm256_shuffle_ps(ab_high, cd_high, 0xee));
}

__attribute__((target("avx"))) void transpose_8x8(const uint32_t* const* rows, int64_t i, uint32_t* to,
                                                  int64_t stride) {
  transpose_4x8(rows, i, to, stride);
  transpose_4x8(rows, i + 4, to + 4 * stride, stride);
}

#endif

}  // namespace

template <>
void transpose_block(const uint32_t* const* rows, int64_t count, int64_t columns, uint32_t* to, int64_t stride) {
  if (count < 4 || columns < 4) return transpose_narrow(rows, count, columns, to, stride);
#if defined(__x86_64__)
  static const bool avx = __builtin_cpu_supports("avx");
  if (avx && count >= 8 && columns >= 8) {
    return cover<8>(count, columns,
                    [=](int64_t i, int64_t j) { transpose_8x8(rows + j, i, to + i * stride + j, stride); });
  }
  cover_sse(rows, count, columns, to, stride);
#else
  cover_scalar<uint32_t, 4>(rows, count, columns, to, stride);
#endif
}

template <>
void transpose_block(const uint64_t* const* rows, int64_t count, int64_t columns, uint64_t* to, int64_t stride) {
  if (count < 4 || columns < 4) return transpose_narrow(rows, count, columns, to, stride);
  cover_scalar<uint64_t, 4>(rows, count, columns, to, stride);
}

template <>
void transpose_block(const uint8_t* const* rows, int64_t count, int64_t columns, uint8_t* to, int64_t stride) {
  if (count < 8 || columns < 8) return transpose_narrow(rows, count, columns, to, stride);
  cover_scalar<uint8_t, 8>(rows, count, columns, to, stride);
}

}  // namespace altrt::jit
