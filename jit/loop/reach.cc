#include "jit/loop/reach.h"

#include <algorithm>
#include <string>

#include "jit/expr/analysis.h"

namespace altrt::jit {

namespace {

/// Hulls of all accesses to each argument, with some of the nest's variables confined.
class Hulls {
 public:
  Hulls(const Nest& nest, const Ranges& outer) : nest_(nest) {
    for (const Buffer& buffer : nest.buffers)
      if (buffer.scope == Scope::argument) boxes.emplace_back();
    walk(nest.body, outer);
  }

  std::vector<Box> boxes;  // by argument; empty = untouched

 private:
  void walk(const std::vector<Stmt>& body, const Ranges& ranges) {
    Analyzer analyzer(ranges);
    for (const Stmt& stmt : body) visit_stmt(stmt, analyzer);
  }

  void visit_stmt(const Stmt& stmt, Analyzer& analyzer) {
    if (stmt.value) visit_value(stmt.value, analyzer);
    if (stmt.kind == StmtKind::store) touch(stmt.buffer, stmt.indices, analyzer);
    if (stmt.body.empty()) return;
    Ranges ranges = analyzer.ranges();
    if (stmt.kind == StmtKind::loop) {
      const Interval extent = analyzer.interval(stmt.extent);
      ranges[stmt.name] = {0, extent.hi - 1};
    } else if (stmt.kind == StmtKind::let) {
      const Interval value = analyzer.interval(stmt.value);
      if (value.lo != kMinusInfinity && value.hi != kPlusInfinity) ranges[stmt.name] = value;
    }
    walk(stmt.body, ranges);
    if (!stmt.otherwise.empty()) walk(stmt.otherwise, analyzer.ranges());
  }

  void visit_value(const Expr& value, Analyzer& analyzer) {
    visit(value, [&](const Expr& e) {
      if (e.is(ExprKind::access)) touch(e->id, e->args, analyzer);
    });
  }

  void touch(int number, const Exprs& indices, Analyzer& analyzer) {
    const Buffer& buffer = nest_.buffers[static_cast<size_t>(number)];
    if (buffer.scope != Scope::argument) return;
    Box touched;
    for (size_t d = 0; d < indices.size(); ++d) {
      // Indices that leave the buffer are guarded.
      const Interval index = analyzer.interval(indices[d]);
      const int64_t last = buffer.shape[d] - 1, lo = std::clamp<int64_t>(index.lo, 0, last);
      touched.push_back({lo, std::clamp(index.hi, lo, last)});
    }
    extend(boxes[static_cast<size_t>(number)], touched);
  }

  const Nest& nest_;
};

}  // namespace

void extend(Box& box, const Box& by) {
  if (box.empty()) box = by;
  for (size_t d = 0; d < by.size(); ++d) box[d] = {std::min(box[d].lo, by[d].lo), std::max(box[d].hi, by[d].hi)};
}

Reach reach_between(const std::vector<int64_t>& shape, int64_t element_bytes, const Box& first, const Box& last) {
  Reach reach;
  double furthest = 0;
  for (size_t d = 0; d < std::min(first.size(), last.size()); ++d) {
    const auto moved = static_cast<double>(last[d].lo - first[d].lo + last[d].hi - first[d].hi);
    if (moved / static_cast<double>(shape[d]) <= furthest) continue;
    furthest = moved / static_cast<double>(shape[d]);
    reach = {static_cast<int>(d), shape[d], first[d], last[d]};
  }
  int64_t inner = 1, outer = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (static_cast<int>(d) == reach.dimension) {
      reach.bytes = inner * element_bytes;
      outer = 1;
    } else {
      outer *= shape[d];
    }
    inner *= shape[d];
  }
  reach.runs = outer;
  return reach;
}

std::vector<LoopReach> reach(const Nest& nest) {
  Ranges all;
  for (size_t i = 0; i < nest.size_bounds.size(); ++i) all["size" + std::to_string(i)] = {1, nest.size_bounds[i]};
  for (const ParallelLoop& loop : nest.parallel) {
    if (loop.extent.is_symbolic()) return {};
    all[loop.name] = {0, loop.extent.bound - 1};
  }
  std::vector<LoopReach> result;
  for (const ParallelLoop& loop : nest.parallel) {
    if (loop.extent.bound == 1) continue;
    LoopReach of{loop.extent.bound, {}};
    Ranges first = all, last = all;
    first[loop.name] = {0, 0};
    last[loop.name] = {loop.extent.bound - 1, loop.extent.bound - 1};
    const Hulls begin(nest, first), end(nest, last);
    for (size_t a = 0; a < begin.boxes.size(); ++a)
      of.arguments.push_back(reach_between(nest.buffers[a].shape, static_cast<int64_t>(size_of(nest.buffers[a].type)),
                                           begin.boxes[a], end.boxes[a]));
    result.push_back(std::move(of));
  }
  return result;
}

}  // namespace altrt::jit
