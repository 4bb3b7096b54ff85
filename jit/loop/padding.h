// What a layout's padding means for loops and predicates.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/layout/layout.h"

namespace altrt::jit {

/// Padding of one physical dimension that no later split, fuse or unfold touches.
struct PhysicalPadding {
  int64_t lo = 0, hi = 0;
  bool lo_filled = false, hi_filled = false;  // some of it holds a defined value
};

struct LayoutPadding {
  std::vector<PhysicalPadding> outer;  // per physical dimension
  bool inner_filled = false;           // a filled padding was split, fused or unfolded afterwards
};
LayoutPadding analyze_padding(const Layout& layout, size_t rank);

/// How far a logical dimension's index may leave [0, extent) and still read `fill`.
struct PadReach {
  int64_t lo = 0, hi = 0;
  std::optional<double> fill;
};
/// One per logical dimension; zero reach where there is no filled padding or its fills differ.
std::vector<PadReach> fill_reach(const Layout& layout, size_t rank);

/// Value with which reads of a tensor outside its extent are defined, per logical dimension: the intermediate's region
/// is filled with it.
struct Border {
  std::vector<std::optional<double>> value;
};

/// Per tensor number: layouts' reach (tensors in memory) or the border (tensors computed at a loop).
struct OutsideValues {
  std::vector<std::vector<PadReach>> reach;
  std::vector<Border> border;
};

/// Where a point of the stage's sum may add something but zero: conjuncts of the condition under which a factor or term
/// is read, select(condition, tensor[..], 0). Empty where there is none, or the stage is no such sum.
Exprs contributing_conditions(const Stage& stage);

/// The constants with which every read of `tensor` past a dimension's ends is guarded: select(0 <= e && e < extent,
/// tensor[.. e ..], constant); absent where reads disagree or none is guarded. Conditions for which `is_tested` hold
/// before the read: they ask for no border.
Border common_border(const Computation& c, int tensor,
                     const std::function<bool(const Stage&, const Expr& condition)>& is_tested);

/// Drops the range conditions from select(condition, tensor[...], constant) that the tensor's padding or border makes
/// superfluous. Stage bodies only; what is left reads the same values.
void drop_covered_guards(Computation& c, const OutsideValues& outside);

}  // namespace altrt::jit
