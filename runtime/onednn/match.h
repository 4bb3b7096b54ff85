// Which groups oneDNN can compute: a convolution or matrix product of one stage, recognised from its expressions.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "jit/expr/computation.h"

namespace altrt::onednn {

/// One operation on the accumulated sum.
struct Epilogue {
  enum class Kind : uint8_t { bias, residual, clip };
  Kind kind = Kind::clip;
  int tensor = -1;  // bias: one element per output channel or column; residual: of the output's shape, point by point
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();  // clip
};

/// A convolution in 1 to 3 dimensions.
struct Convolution {
  int64_t batch = 1, groups = 1, channels = 1, outputs = 1;  // channels and outputs of all groups together
  std::vector<int64_t> in, out, kernel, strides, dilations;  // per spatial dimension; a dilation of 1 is dense
  std::vector<int64_t> pads_lo, pads_hi;
};

/// A product of matrices somewhere in row-major tensors: strides in elements of the flat tensor.
struct Product {
  std::vector<int64_t> batch;  // extents
  int64_t m = 1, n = 1, k = 1;
  std::vector<int64_t> a, b, out;  // strides: batch dimensions, then {m, k}, {k, n}, {m, n}
  bool whole_b = false;            // B is a constant matrix that is used whole: its layout is free
};

struct Match {
  std::optional<Convolution> convolution;
  std::optional<Product> product;  // exactly one of the two
  int data = -1, weights = -1, output = -1;
  std::vector<Epilogue> epilogue;  // in order; at most one bias (before any clip) and one residual
};

/// The group in oneDNN's terms; nothing if any part of it is something else.
std::optional<Match> match(const jit::Computation& c);

// --- parts of match(), one file each ---
std::optional<Convolution> match_convolution(const jit::Computation& c);
std::optional<Product> match_product(const jit::Computation& c);
std::optional<std::vector<Epilogue>> match_epilogue(const jit::Computation& c);

/// The two factors of a sum of products: state(0) + a * b. Nothing if the stage is no such sum.
struct Factors {
  jit::Expr a, b;
};
std::optional<Factors> factors(const jit::Stage& stage);
/// Constant extents of a tensor; empty if any is symbolic or zero.
std::vector<int64_t> fixed_shape(const jit::TensorDecl& tensor);
/// Whether `e` is the axis, or 0 where the axis has one point.
bool is_axis(const jit::Expr& e, const jit::Axis& axis);

}  // namespace altrt::onednn
