// What the loops of a stage mean where some of them have been entered.
#include <algorithm>

#include "jit/loop/loops.h"

namespace altrt::jit {

std::vector<TailSegment> tail_segments(int64_t extent, int64_t factor, Tail tail) {
  const int64_t blocks = (extent + factor - 1) / factor;
  std::vector<TailSegment> segments;
  if (tail == Tail::peel) {
    segments = {{0, extent / factor, factor, factor, 0}, {extent / factor, 1, extent % factor, factor, 0}};
  } else if (tail == Tail::balance) {
    const int64_t small = extent / blocks, more = extent % blocks;
    segments = {{0, more, small + 1, small + 1, 0}, {more, blocks - more, small, small, more}};
  } else {
    segments = {{0, blocks, factor, factor, 0}};
  }
  std::erase_if(segments, [](const TailSegment& s) { return s.count == 0 || s.inner == 0; });
  return segments;
}

Expr StageLoops::value(const std::string& loop, const LoopScope& scope) const {
  if (const auto found = scope.values.find(loop); found != scope.values.end()) return found->second;
  if (const auto found = splits.find(loop); found != splits.end()) {
    const SplitRecord& split = found->second;
    if (split.has_tail && !is_settled(loop, scope)) return variable(loop);
    const std::vector<TailSegment> segments = segments_at(split, scope);
    size_t segment = 0;
    if (segments.size() > 1) {
      const auto chosen = scope.segments.find(loop);
      if (chosen == scope.segments.end()) return variable(loop);
      segment = static_cast<size_t>(chosen->second);
    }
    const Expr outer = value(split.outer, scope), inner = value(split.inner, scope);
    if (split.tail == Tail::overlap && split.extent % split.factor != 0)
      return min(outer * split.factor, Expr(split.extent - split.factor)) + inner;
    return outer * segments[segment].stride + segments[segment].base + inner;
  }
  if (const auto found = fuses.find(loop); found != fuses.end()) {
    const FuseRecord& fuse = found->second;
    const Expr fused = value(fuse.name, scope);
    return loop == fuse.first ? floor_div(fused, fuse.second_extent) : floor_mod(fused, fuse.second_extent);
  }
  return variable(loop);
}

Expr StageLoops::resolve(const Expr& e, const LoopScope& scope) const {
  return rewrite(e, [&](const Expr& node) {
    return node.is(ExprKind::variable) && extents.count(node->name) ? value(node->name, scope) : node;
  });
}

Extent StageLoops::extent_of(const Loop& loop, const LoopScope& scope) const {
  return loop.extent.is_symbolic() ? loop.extent : Extent(extent_at(loop.name, scope));
}

int64_t StageLoops::extent_at(const std::string& loop, const LoopScope& scope) const {
  const auto outer = outer_of.find(loop), inner = inner_of.find(loop);
  if (outer == outer_of.end() && inner == inner_of.end()) return extents.at(loop);
  const std::string& source = outer != outer_of.end() ? outer->second : inner->second;
  if (!is_settled(source, scope)) return extents.at(loop);
  const std::vector<TailSegment> segments = segments_at(splits.at(source), scope);
  if (outer != outer_of.end()) {
    int64_t blocks = 0;
    for (const TailSegment& s : segments) blocks += s.count;
    return blocks;
  }
  const auto chosen = scope.segments.find(source);
  if (segments.size() == 1) return segments[0].inner;
  return chosen == scope.segments.end() ? extents.at(loop) : segments[static_cast<size_t>(chosen->second)].inner;
}

std::vector<TailSegment> StageLoops::segments_at(const SplitRecord& split, const LoopScope& scope) const {
  return tail_segments(extent_at(split.source, scope), split.factor, split.tail);
}

bool StageLoops::is_settled(const std::string& loop, const LoopScope& scope) const {
  if (const auto outer = outer_of.find(loop); outer != outer_of.end()) return is_settled(outer->second, scope);
  const auto inner = inner_of.find(loop);
  if (inner == inner_of.end()) return true;
  if (!is_settled(inner->second, scope)) return false;
  return segments_at(splits.at(inner->second), scope).size() == 1 || scope.segments.count(inner->second);
}

bool StageLoops::is_entered(const std::string& loop, const LoopScope& scope) const {
  if (scope.values.count(loop)) return true;
  if (const auto found = splits.find(loop); found != splits.end())
    return is_entered(found->second.outer, scope) && is_entered(found->second.inner, scope);
  if (const auto found = fuses.find(loop); found != fuses.end()) return is_entered(found->second.name, scope);
  return false;
}

const SplitRecord* StageLoops::segmented_by(const std::string& outer, const LoopScope& scope) const {
  const auto source = outer_of.find(outer);
  if (source == outer_of.end() || !is_settled(source->second, scope)) return nullptr;
  const SplitRecord& split = splits.at(source->second);
  return segments_at(split, scope).size() > 1 ? &split : nullptr;
}

bool StageLoops::depends(const std::string& loop, const std::string& name) const {
  if (loop == name) return true;
  if (const auto found = splits.find(loop); found != splits.end())
    return depends(found->second.outer, name) || depends(found->second.inner, name);
  if (const auto found = fuses.find(loop); found != fuses.end()) return depends(found->second.name, name);
  return false;
}

size_t StageLoops::position(const std::string& loop) const {
  size_t i = 0;
  while (i < order.size() && order[i].name != loop) ++i;
  return i;
}

const Loop* StageLoops::bound() const {
  const auto found =
      std::find_if(order.begin(), order.end(), [](const Loop& loop) { return loop.kind == LoopKind::thread; });
  return found == order.end() ? nullptr : &*found;
}

std::vector<std::string> StageLoops::reduction_loops() const {
  std::vector<std::string> names;
  for (const Loop& loop : order)
    if (loop.reduction) names.push_back(loop.name);
  return names;
}

}  // namespace altrt::jit
