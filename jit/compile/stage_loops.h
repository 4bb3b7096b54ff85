// The loops a stage starts with, as schedules name them, and how its accesses move along them. What heuristics and
// search spaces are made from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jit/compile/decisions.h"

namespace altrt::jit {

struct LoopInfo {
  std::string name;    // as the schedule names it
  int64_t extent = 1;  // constant extent, or the bound of a symbolic one
  bool symbolic = false;
  bool reduce = false;
  bool varies = false;  // made by a split with a tail: the last block may be shorter
};

/// Initial loops of a stage under the layouts: physical dimensions of its output (only the inside of filled padding),
/// then the reduction axes.
std::vector<LoopInfo> stage_loops(const Computation& c, const Stage& stage, const Layouts& layouts);

/// Which logical dimension a physical one belongs to.
struct PhysicalDim {
  int dim = -1;            // -1: several, fused
  bool innermost = false;  // the last of its logical dimension's digits (or the only one)
};
std::vector<PhysicalDim> physical_dims(const Layout& layout, size_t rank);

/// The layout of a tensor; plain if there is no entry.
const Layout& layout_of(const Computation& c, int tensor, const Layouts& layouts);

/// How many elements apart, in memory, an access lies for neighbouring points of an axis. `known` is false where that
/// is not constant.
struct AxisStride {
  bool known = false;
  int64_t elements = 0;
};
/// Of access `e` (in a body of the stage) along the logical axis, for plain or blocked layouts of the tensor: the
/// stride within one block.
AxisStride axis_stride(const Computation& c, const Expr& e, const std::string& axis, const Layouts& layouts);

/// All accesses in the stage's bodies.
std::vector<Expr> stage_accesses(const Stage& stage);

/// Arithmetic of a stage as defined: its points, times two for each point of a reduction.
int64_t stage_flops(const Stage& stage);

/// Names of loops behind others; "" is no loop.
void append(std::vector<std::string>& to, const std::vector<std::string>& loops);
void append_one(std::vector<std::string>& to, const std::string& loop);
/// Points that the loops run over together.
int64_t points(const std::vector<LoopInfo>& loops);

/// ceil(a / b) for positive b.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up_to(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace altrt::jit
