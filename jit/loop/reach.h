// Reach: which part of each argument the iterations of a parallel loop touch. For deciding who computes what.
#pragma once

#include <cstdint>
#include <vector>

#include "jit/loop/nest.h"

namespace altrt::jit {

/// What iterations of a parallel loop touch of one argument: an interval of one dimension and everything of the others.
/// It moves evenly from the first iteration to the last; where several dimensions move, it is the one that moves
/// furthest, measured in its own extent.
struct Reach {
  int dimension = -1;  // -1: each iteration touches the same
  int64_t extent = 1;  // of the dimension
  Interval first, last;
  int64_t runs = 1, bytes = 0;  // how often the buffer has the dimension, one behind the other, and of one index of it

  bool operator==(const Reach&) const = default;
};

struct LoopReach {
  int64_t extent = 1;
  std::vector<Reach> arguments;  // one per argument of the nest

  bool operator==(const LoopReach&) const = default;
};

/// A part of a buffer: one interval per dimension; none = nothing.
using Box = std::vector<Interval>;
/// Makes `box` the hull of both.
void extend(Box& box, const Box& by);
/// Of a buffer whose part is the one box or the other.
Reach reach_between(const std::vector<int64_t>& shape, int64_t element_bytes, const Box& first, const Box& last);

/// One entry per parallel loop of more than one iteration, outermost first; none if a loop's extent is symbolic.
/// Intervals are bounds (a gather touches whatever it may), inside the buffer.
std::vector<LoopReach> reach(const Nest& nest);

}  // namespace altrt::jit
