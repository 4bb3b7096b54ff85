// Attention: a matrix product whose first factor is made, row by row, from another product.
#pragma once

#include <optional>
#include <vector>

#include "jit/expr/computation.h"

namespace altrt::jit {

/// Where each factor that a matrix product's sum multiplies with is the same for all of the sum (one over the sum of a
/// softmax's row), the sum is multiplied instead. The other factor becomes the anchor's operand. Returns false and
/// leaves `c` alone where there is none.
bool hoist_factors(Computation& c);

/// Where a matrix product's first factor is computed from what other stages make, and not just read, a stage of its own
/// computes it, once for all columns. Returns false and leaves `c` alone where it is not.
bool outline_factor(Computation& c);

/// softmax(Q K) V and its like: scores, what is done with each row of them, and the product of these rows.
struct Attention {
  Anchor scores, values;  // `values` is the Computation's last stage
  std::vector<int> rows;  // the stages between, in order
  size_t row_axes = 0;    // how many of every stage's axes, from the first on, number the rows
};
/// Absent where the Computation is anything else. No factor is constant. Every stage but the last writes an
/// intermediate that is read at the reader's own row only.
std::optional<Attention> attention_of(const Computation& c);

}  // namespace altrt::jit
