// Rewriting of stage bodies: accesses to tensors become accesses to buffers at physical indices, proven or guarded to
// stay inside.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "jit/layout/layout.h"
#include "jit/loop/nest.h"
#include "jit/loop/scope.h"

namespace altrt::jit {

/// Where a tensor, or the region of it that is in use, lies.
struct Storage {
  int buffer = -1;
  Layout layout;
  std::vector<Extent> shape;  // logical: the tensor's, or the region's
  Exprs base;                 // logical index of the region's first element; empty = 0
  /// A region: physical positions that its stage writes; nothing else may be read. Empty = all of the buffer.
  std::vector<Interval> written = {};
  bool elements_only = false;  // of a region: its stage's loops follow another layout and write no padding at all
};
using Storages = std::map<int, Storage>;  // by tensor number

/// What the leaves of a body stand for at a point of the nest.
struct BodyValues {
  Substitution axes;                // stage axes and reduction axes
  Exprs state, other;               // reduction state
  std::vector<std::string> window;  // loop variables of reductions
};

class BodyRewriter {
 public:
  BodyRewriter(const std::string& stage, const Storages& storages, const Nest& nest, const LoopScope& scope)
      : stage_(stage), storages_(storages), nest_(nest), scope_(scope) {}

  /// The body in terms of the nest. Reads that aren't provably inside their buffer give 0 outside: they belong to
  /// points whose results are not used.
  Expr rewrite(const Expr& body, const BodyValues& values) const;
  /// Physical index of a logical index in a storage, and the condition under which it is inside (true if proven).
  Exprs physical(const Storage& storage, const Exprs& logical, const std::vector<std::string>& window,
                 Analyzer& analyzer, Expr& inside) const;

 private:
  Expr finish(const Expr& e, Analyzer& analyzer) const;
  Expr lower(const Expr& e, const BodyValues& values, Analyzer& analyzer) const;
  Expr lower_access(const Expr& e, const BodyValues& values, Analyzer& analyzer) const;
  Expr lower_select(const Expr& e, const BodyValues& values, Analyzer& analyzer) const;
  Expr lower_table(const Expr& e, const BodyValues& values, Analyzer& analyzer) const;

  const std::string& stage_;
  const Storages& storages_;
  const Nest& nest_;
  const LoopScope& scope_;
};

/// What must hold for a physical index to lie in a buffer of this shape; true where it is proven.
Expr inside_condition(const Exprs& index, const std::vector<int64_t>& shape, Analyzer& analyzer);
Expr inside_condition(const Exprs& index, const std::vector<Interval>& ranges, Analyzer& analyzer);
/// Sums in index order: terms of outer variables first, so that loop-invariant parts stand together.
Expr in_loop_order(const Expr& index, const std::vector<std::string>& variables);

}  // namespace altrt::jit
