// Tensors that can be packed piece by piece.
#pragma once

#include <altrt/tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "jit/layout/permute.h"

namespace altrt::plan {

/// A tensor cut along its first dimension, so that each piece is one stretch of the tensor and one of its packed form.
/// All but the last have the same number of bytes in both.
class Slabs {
 public:
  Slabs(const Tensor& tensor, const jit::Layout& layout);

  /// 1 where the layout allows no cut.
  int64_t count() const { return rows_ > 0 ? (shape_[0] + rows_ - 1) / rows_ : 1; }
  /// Of a piece of the tensor, but the last one, which may be smaller.
  size_t bytes() const { return bytes_; }
  /// Packs a piece. Requires more than one.
  jit::Permute permute(bool last) const;

 private:
  DataType type_;
  std::vector<int64_t> shape_;
  jit::Layout layout_;
  int64_t rows_ = 0;  // a piece; 0 = no cut
  size_t bytes_ = 0;
};

}  // namespace altrt::plan
