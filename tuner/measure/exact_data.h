// Data on which every order of summation gives the same bits.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <altrt/tensor.h>

#include "jit/expr/computation.h"

namespace altrt::tuner {

/// Row-major contents of a group's inputs and constants, by tensor name.
using Data = std::map<std::string, Tensor>;

/// Integers, as large as partial results allow to be exact, so that different elements differ. With `winograd` the
/// anchor's weights are sparse multiples of 576 and its data 1 and -1, which keeps Winograd's transforms within a unit
/// of exact, and all else a multiple of 64, so that nothing that belongs into a result goes unseen.
/// Integer tensors that index others stay inside them.
Data exact_data(const jit::Computation& c, bool winograd, uint64_t seed);

/// Whether results on exact data do not depend on the order of summation: no division, no elementary function, no
/// fractional factor.
bool is_exact(const jit::Computation& c);

/// The same with inputs of the other sign and NaN in some of their elements, a fifth or, with `sparse`, few enough that
/// about half of the results of the longest reduction are numbers. A third of these are infinite where every reduction
/// is a sum or a maximum. Where results are not exact inputs are small besides, so that elementary functions map them
/// to different values.
Data with_nan(const jit::Computation& c, Data data, bool sparse, uint64_t seed);

/// The same with inputs so small that elementary functions map all sums to different values.
Data with_small_inputs(const jit::Computation& c, Data data);

/// The same with few elements of the inputs so far from the others that elementary functions pass the largest number
/// where a maximum of them was missed.
Data with_outliers(const jit::Computation& c, Data data, uint64_t seed);

/// Whether a kernel could lose NaN, as maxima and elementary functions do when they are made carelessly, while the
/// definition says for each result, whatever the order of a reduction, if it is NaN: no choices by comparison inside
/// reductions, no NaN turned into integers.
bool can_lose_nan(const jit::Computation& c);

/// Root of the sum of squared differences over that of squares. Infinite where NaN or infinity sit in different places.
/// Of types without fractions: 0 if equal, else infinite.
double relative_error(const Tensor& result, const Tensor& reference);

}  // namespace altrt::tuner
