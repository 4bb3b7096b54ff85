// Reference evaluator: runs a Computation straight from its definition. The oracle of every test; slow, simple,
// obviously right.
#pragma once

#include <vector>

#include "jit/expr/computation.h"

namespace altrt::jit {

/// `buffers[t]` is the dense row-major memory of tensor t for every input, constant and output (intermediates may be
/// null: they are allocated inside). `sizes` gives the run-time value of each symbolic extent. Elementary functions are
/// expanded by expand_math first unless `surrogates` asks for surrogate_math. Every index is checked: Error(internal)
/// names stage and tensor.
void evaluate(const Computation& c, const std::vector<void*>& buffers, const std::vector<int64_t>& sizes = {},
              bool surrogates = false);

}  // namespace altrt::jit
