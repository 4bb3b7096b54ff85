// The inner block of a native copy that exchanges two dimensions.
#pragma once

#include <cstdint>

namespace altrt::jit {

/// to[i * stride + j] = rows[j][i] for 0 <= i < columns and 0 <= j < count. Nothing else is written; an element may be
/// written twice. T: uint8_t, uint32_t or uint64_t.
template <typename T>
void transpose_block(const T* const* rows, int64_t count, int64_t columns, T* to, int64_t stride);

}  // namespace altrt::jit
