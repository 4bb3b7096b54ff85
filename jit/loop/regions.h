// Inferred regions: which part of a tensor a piece of a nest reads.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jit/expr/computation.h"
#include "jit/loop/loops.h"

namespace altrt::jit {

/// The values [base, base + width] that an index takes while inner variables run; base depends on outer variables only.
struct Span {
  Expr base;
  int64_t width = 0;
};

/// Spans of expressions. `inner` are the variables that run, with their ranges; `analyzer` knows the others.
class SpanFinder {
 public:
  SpanFinder(Ranges inner, Analyzer& analyzer) : inner_(std::move(inner)), analyzer_(analyzer) {}

  /// Absent where no bound is known. Digits of one number that make up that number again are seen as such.
  std::optional<Span> find(const Expr& e) const;

 private:
  std::optional<Span> find_sum(const Expr& e) const;
  std::optional<Span> of_atom(const Expr& e) const;
  std::optional<Span> by_interval(const Expr& e) const;
  bool is_outer(const Expr& e) const;

  Ranges inner_;
  Analyzer& analyzer_;
};

/// Both spans in one; absent if their bases can't be compared.
std::optional<Span> join(const Span& a, const Span& b, Analyzer& analyzer);

/// How the axes of a stage run, seen from a point of a nest: substituted into its accesses.
struct AxisView {
  Substitution values;  // axis (spatial and reduction) -> expression over outer and inner variables
  Ranges inner;         // ranges of the inner variables in `values`
};

/// The loops of the consumer that are entered are outer, all others run.
AxisView view_of_loops(const StageLoops& loops, const Stage& stage, const LoopScope& scope);
/// Every axis of a stage that is computed for a region runs over that region.
AxisView view_of_region(const Stage& stage, const Region& region);

/// The region of `stage`'s output that the given readers read. Dimensions without a border value are cut to the tensor,
/// but with `keeps_tiles` only where the region is twice as wide or more: elements past the end belong to results that
/// nobody stores, and reads of them need no predicate then.
/// Error(invalid_argument) names stage and dimension if a bound is unknown.
Region infer_region(const Computation& c, int stage, const std::vector<std::pair<int, AxisView>>& readers,
                    const std::vector<bool>& has_border, bool keeps_tiles, Analyzer& analyzer);

/// The layout for a part of its tensor: undefined padding that makes whole blocks is as long as the part needs it.
Layout region_layout(const Layout& layout, const std::vector<Extent>& extent);

}  // namespace altrt::jit
