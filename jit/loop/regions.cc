#include "jit/loop/regions.h"

#include <algorithm>
#include <cstdlib>

#include "jit/expr/scalar.h"

namespace altrt::jit {

namespace {

/// The same modulo `divisor`: which of the divisor's blocks a sum lies in does not matter.
Expr without_multiples(const Expr& e, int64_t divisor) {
  const LinearForm form = linear_form(e);
  Expr sum(form.constant);
  for (const LinearForm::Term& term : form.terms) {
    if (term.coefficient % divisor != 0) sum = sum + term.atom * term.coefficient;
  }
  return sum;
}

}  // namespace

bool SpanFinder::is_outer(const Expr& e) const {
  bool outer = true;
  visit(e, [&](const Expr& node) {
    if (node.is(ExprKind::access) || node.is(ExprKind::state)) outer = false;
    if (node.is(ExprKind::variable) && inner_.count(node->name)) outer = false;
  });
  return outer;
}

std::optional<Span> SpanFinder::by_interval(const Expr& e) const {
  Ranges all = analyzer_.ranges();
  for (const auto& [name, range] : inner_) all[name] = range;
  const auto interval = bounds(e, all);
  if (!interval) return std::nullopt;
  return Span{Expr(interval->lo), interval->hi - interval->lo};
}

std::optional<Span> SpanFinder::of_atom(const Expr& e) const {
  if (is_outer(e)) return Span{e, 0};
  if (e.is(ExprKind::variable)) {
    const Interval range = inner_.at(e->name);
    return Span{Expr(range.lo), range.hi - range.lo};
  }
  if (e.is(ExprKind::floor_div) && e->args[1].is_int() && e->args[1]->int_value > 0) {
    const int64_t divisor = e->args[1]->int_value;
    const auto inner = find(e->args[0]);
    if (!inner) return std::nullopt;
    // floor((b + w) / k) - floor(b / k) <= floor((b mod k + w) / k)
    const Interval rest = analyzer_.interval(analyzer_.simplify(floor_mod(inner->base, divisor)));
    const int64_t most = std::min(rest.hi, divisor - 1);
    return Span{floor_div(inner->base, divisor), floored_div(inner->width + most, divisor)};
  }
  if (e.is(ExprKind::floor_mod) && e->args[1].is_int() && e->args[1]->int_value > 0) {
    const int64_t divisor = e->args[1]->int_value;
    const auto inner = find(without_multiples(e->args[0], divisor));
    if (inner && inner->width < divisor) {
      const Expr base = analyzer_.simplify(floor_mod(inner->base, divisor));
      const Interval start = analyzer_.interval(base);
      if (start.hi + inner->width < divisor) return Span{base, inner->width};
    }
    return Span{Expr(0), divisor - 1};
  }
  if (e.is(ExprKind::min) || e.is(ExprKind::max)) {
    const auto a = find(e->args[0]), b = find(e->args[1]);
    if (a && b) {
      const Expr base = e.is(ExprKind::min) ? min(a->base, b->base) : max(a->base, b->base);
      return Span{base, std::max(a->width, b->width)};
    }
  }
  return by_interval(e);
}

std::optional<Span> SpanFinder::find(const Expr& e) const {
  const auto span = find_sum(e);
  bool quotients = false, remainders = false;
  visit(e, [&](const Expr& node) {
    quotients = quotients || node.is(ExprKind::floor_div);
    remainders = remainders || node.is(ExprKind::floor_mod);
  });
  if (!quotients || !remainders) return span;
  Ranges all = analyzer_.ranges();
  for (const auto& [name, range] : inner_) all[name] = range;
  const auto whole = find_sum(simplify(e, all));
  return whole && (!span || whole->width < span->width) ? whole : span;
}

std::optional<Span> SpanFinder::find_sum(const Expr& e) const {
  const LinearForm form = linear_form(e);
  Span span{Expr(form.constant), 0};
  for (const LinearForm::Term& term : form.terms) {
    const auto part = of_atom(term.atom);
    if (!part) return by_interval(e);
    span.base = span.base + (term.coefficient >= 0 ? part->base : part->base + part->width) * term.coefficient;
    span.width += std::abs(term.coefficient) * part->width;
  }
  return span;
}

std::optional<Span> join(const Span& a, const Span& b, Analyzer& analyzer) {
  const Interval difference = analyzer.interval(b.base - a.base);
  if (difference.lo == kMinusInfinity || difference.hi == kPlusInfinity) return std::nullopt;
  const int64_t before = std::min<int64_t>(difference.lo, 0);
  const int64_t end = std::max(a.width, difference.hi + b.width);
  return Span{a.base + before, end - before};
}

AxisView view_of_loops(const StageLoops& loops, const Stage& stage, const LoopScope& scope) {
  AxisView view;
  for (size_t i = 0; i < stage.axes.size(); ++i) view.values[stage.axes[i].name] = loops.resolve(loops.axes[i], scope);
  for (const Axis& axis : stage.reduce) view.values[axis.name] = loops.value(axis.name, scope);
  for (const auto& [name, extent] : loops.extents) {
    if (!scope.values.count(name)) view.inner[name] = {0, std::min(extent, loops.extent_at(name, scope)) - 1};
  }
  return view;
}

AxisView view_of_region(const Stage& stage, const Region& region) {
  AxisView view;
  for (size_t i = 0; i < stage.axes.size(); ++i) {
    const std::string name = "$" + stage.axes[i].name;
    view.values[stage.axes[i].name] = region.is_whole() ? variable(name) : region.base[i] + variable(name);
    view.inner[name] = {0, region.extent[i].bound - 1};
  }
  for (const Axis& axis : stage.reduce) {
    view.values[axis.name] = variable("$" + axis.name);
    view.inner["$" + axis.name] = {0, axis.extent.bound - 1};
  }
  return view;
}

namespace {

class Inference {
 public:
  Inference(const Computation& c, int stage, Analyzer& analyzer)
      : c_(c), stage_(c.stages[static_cast<size_t>(stage)]), analyzer_(analyzer) {}

  void add_reader(const Stage& reader, const AxisView& view) {
    const SpanFinder finder(view.inner, analyzer_);
    const auto look = [&](const Expr& e) {
      if (!e.is(ExprKind::access)) return;
      if (std::find(stage_.outputs.begin(), stage_.outputs.end(), e->id) == stage_.outputs.end()) return;
      add_access(e, finder, view, reader.name);
    };
    for (const StateValue& state : reader.state) visit(state.update, look);
    for (const Expr& result : reader.results) visit(result, look);
  }

  Region region(const std::vector<bool>& has_border, bool keeps_tiles) const {
    const TensorDecl& tensor = c_.tensors[static_cast<size_t>(stage_.outputs[0])];
    Region region;
    for (size_t d = 0; d < tensor.shape.size(); ++d) {
      Span span = spans_.empty() ? Span{Expr(0), tensor.shape[d].bound - 1} : spans_[d];
      const int64_t whole = tensor.shape[d].bound;
      const bool keeps = keeps_tiles && span.width + 1 < 2 * whole;
      if (!has_border[d] && !keeps && span.width + 1 >= whole) span = Span{Expr(0), whole - 1};
      if (tensor.shape[d].is_symbolic() && span.width > 0)
        refuse(stage_.name, "compute_at", "the region holds the run-time extent of " + stage_.axes[d].name);
      region.base.push_back(analyzer_.simplify(span.base));
      region.extent.emplace_back(span.width + 1);
    }
    return region;
  }

 private:
  void add_access(const Expr& e, const SpanFinder& finder, const AxisView& view, const std::string& reader) {
    std::vector<Span> spans;
    for (size_t d = 0; d < e->args.size(); ++d) {
      const Expr index = substitute(e->args[d], view.values);
      const auto span = finder.find(index);
      if (!span)
        refuse(stage_.name, "compute_at", "stage " + reader + " reads it at the unbounded index " + to_string(index));
      spans.push_back(*span);
    }
    if (spans_.empty()) {
      spans_ = spans;
      return;
    }
    const TensorDecl& tensor = c_.tensors[static_cast<size_t>(e->id)];
    for (size_t d = 0; d < spans.size(); ++d) {
      const auto both = join(spans_[d], spans[d], analyzer_);
      if (both && (both->width < 2 * tensor.shape[d].bound || both->width <= spans_[d].width + spans[d].width + 1)) {
        spans_[d] = *both;
        continue;
      }
      const auto all = join_by_intervals(spans_[d], spans[d]);
      if (!all) refuse(stage_.name, "compute_at", "its readers' regions can't be compared");
      spans_[d] = *all;
    }
  }

  std::optional<Span> join_by_intervals(const Span& a, const Span& b) const {
    const Interval x = analyzer_.interval(a.base), y = analyzer_.interval(b.base);
    const int64_t lo = std::min(x.lo, y.lo), hi = std::max(x.hi, y.hi);
    if (lo == kMinusInfinity || hi == kPlusInfinity) return std::nullopt;
    return Span{Expr(lo), hi - lo + std::max(a.width, b.width)};
  }

  const Computation& c_;
  const Stage& stage_;
  Analyzer& analyzer_;
  std::vector<Span> spans_;
};

}  // namespace

Region infer_region(const Computation& c, int stage, const std::vector<std::pair<int, AxisView>>& readers,
                    const std::vector<bool>& has_border, bool keeps_tiles, Analyzer& analyzer) {
  Inference inference(c, stage, analyzer);
  for (const auto& [reader, view] : readers) inference.add_reader(c.stages[static_cast<size_t>(reader)], view);
  return inference.region(has_border, keeps_tiles);
}

Layout region_layout(const Layout& layout, const std::vector<Extent>& extent) {
  Layout result;
  for (size_t i = 0; i < layout.steps.size(); ++i) {
    LayoutStep step = layout.steps[i];
    const LayoutStep* next = i + 1 < layout.steps.size() ? &layout.steps[i + 1] : nullptr;
    const bool fills_blocks = step.kind == LayoutKind::pad && !step.fill && step.lo == 0 && next &&
                              next->kind == LayoutKind::split && next->dim == step.dim && next->factors.size() == 2 &&
                              next->factors[0] == 0;
    if (fills_blocks) {
      const int64_t now = physical_shape(result, extent)[static_cast<size_t>(step.dim)].bound;
      const int64_t block = next->factors[1];
      step.hi = (now + block - 1) / block * block - now;
      if (step.hi == 0) continue;
    }
    result.steps.push_back(step);
  }
  return result;
}

}  // namespace altrt::jit
