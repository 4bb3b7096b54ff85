// What the compiler does with Computations; the public <altrt/computation.h> has the type.
#pragma once

#include <altrt/computation.h>

#include "jit/expr/expr.h"
#include "jit/expr/simplify.h"

namespace altrt::jit {

using altrt::Anchor;
using altrt::AnchorKind;
using altrt::Axis;
using altrt::Computation;
using altrt::Extent;
using altrt::Role;
using altrt::Stage;
using altrt::StateValue;
using altrt::TensorDecl;

using altrt::algorithms;
using altrt::apply_algorithm;
using altrt::hash;
using altrt::in_range;
using altrt::to_string;
using altrt::variables;
using altrt::verify;

// --- functions Computation -> Computation used when groups are formed ---

/// Inlines pure-map stage `producer` into every reader and removes it and its tensor. Error(internal) if it has
/// reduction axes or writes an output.
Computation inline_stage(const Computation& c, int producer);
/// Merges pure-map stage `consumer`, which reads each element of `producer`'s output once (at its own point, permuted,
/// or with several dimensions in one), into the producer's results: the epilogue. Returns false and leaves `c` alone
/// where it reads otherwise.
bool merge_epilogue(Computation& c, int producer, int consumer);
/// Drops stages and tensors that no output needs; renumbers.
Computation prune(const Computation& c);

/// Ranges of all axes of the stage, spatial and reduction, symbolic ones up to their bound.
Ranges axis_ranges(const Stage& s);

}  // namespace altrt::jit
