// Constant vectors (biases, scales) stored at the weights that they are used with: ALT's use of store_at.
#include <algorithm>
#include <numeric>

#include <altrt/error.h>

#include "jit/compile/templates.h"
#include "jit/layout/steps.h"
#include "jit/layout/stored.h"

namespace altrt::jit {

namespace {

/// Whether all that reads the anchor's weights reads nothing but constants: it runs once, and what every run reads is
/// what it makes of them.
bool read_at_load_only(const Computation& c) {
  for (const int number : c.readers(c.anchor.weights)) {
    for (const Expr& e : stage_accesses(c.stages[static_cast<size_t>(number)])) {
      if (c.tensors[static_cast<size_t>(e->id)].role != Role::constant) return false;
    }
  }
  return true;
}

/// The dimension of the anchor's weights that runs over output channels; -1 if there is none.
int output_dim(const Computation& c) {
  switch (c.anchor.kind) {
    case AnchorKind::conv:
      return 0;
    case AnchorKind::conv_transpose:
      return c.anchor.groups == 1 ? 1 : -1;
    case AnchorKind::matmul:
      return matmul_operand(c, c.stages[static_cast<size_t>(c.anchor.stage)]).n;
    default:
      return -1;
  }
}

/// What a layout does to one logical dimension, as a layout of a vector along it; and whose each physical dimension is.
struct Projection {
  Layout vector;
  std::vector<bool> own;  // per physical dimension: made of the chosen one
};

size_t made_by(const LayoutStep& step) {
  switch (step.kind) {
    case LayoutKind::split:
      return step.factors.size();
    case LayoutKind::unfold:
      return 2;
    default:
      return 1;
  }
}

size_t taken_by(const LayoutStep& step) {
  if (step.kind == LayoutKind::fuse) return static_cast<size_t>(step.factors[0]);
  return step.kind == LayoutKind::fold ? 2 : 1;
}

/// Of a verified layout without store_at and decouple_at. Empty where a step mixes the chosen dimension with others.
std::optional<Projection> project(const Layout& layout, size_t rank, int dim) {
  Projection p;
  p.own.assign(rank, false);
  p.own[static_cast<size_t>(dim)] = true;
  const auto number = [&](size_t physical) {
    return std::count(p.own.begin(), p.own.begin() + static_cast<std::ptrdiff_t>(physical), true);
  };
  for (LayoutStep step : layout.steps) {
    if (step.kind == LayoutKind::reorder) {
      std::vector<bool> moved;
      std::vector<int64_t> order;
      for (const int64_t from : step.factors) {
        moved.push_back(p.own[static_cast<size_t>(from)]);
        if (moved.back()) order.push_back(number(static_cast<size_t>(from)));
      }
      if (!std::is_sorted(order.begin(), order.end())) p.vector.reorder(order);
      p.own = std::move(moved);
      continue;
    }
    const auto first = p.own.begin() + step.dim;
    const auto last = first + static_cast<std::ptrdiff_t>(taken_by(step));
    const bool own = *first;
    if (std::any_of(first, last, [&](bool other) { return other != own; })) return std::nullopt;
    if (own) {
      LayoutStep copy = step;
      copy.dim = static_cast<int>(number(static_cast<size_t>(step.dim)));
      p.vector.steps.push_back(std::move(copy));
    }
    p.own.insert(p.own.erase(first, last), made_by(step), own);
  }
  return p;
}

/// A constant whose elements are one vector of this length, read by some stage.
bool is_vector(const Computation& c, size_t tensor, DataType type, int64_t length) {
  const TensorDecl& decl = c.tensors[tensor];
  if (decl.role != Role::constant || decl.type != type || decl.shape.empty()) return false;
  int64_t elements = 1;
  bool whole = false;
  for (const Extent& extent : decl.shape) {
    elements *= extent.bound;
    whole = whole || extent.bound == length;
  }
  return whole && elements == length && !c.readers(static_cast<int>(tensor)).empty();
}

/// Why the weights' layout by itself admits no vectors behind it; "" if nothing is wrong.
std::string fault_of(const TensorDecl& weights, const Layout& layout) {
  for (const LayoutStep& step : layout.steps) {
    if (step.kind == LayoutKind::store_at || step.kind == LayoutKind::decouple_at)
      return "the layout of " + weights.name + " has " + to_string(step) + " in it";
  }
  try {
    verify(layout, weights.shape);
  } catch (const Error& error) {
    return weights.name + ": " + error.what();
  }
  return "";
}

}  // namespace

BiasAtWeights with_bias_at_weights(const Computation& c, const Layouts& layouts) {
  const auto refused = [](const std::string& reason) { return BiasAtWeights{std::nullopt, reason}; };
  if (c.anchor.stage < 0 || c.anchor.weights < 0) return refused("the group has no weights");
  const TensorDecl& weights = c.tensors[static_cast<size_t>(c.anchor.weights)];
  if (weights.role != Role::constant) return refused("the weights, " + weights.name + ", are no constant");
  if (read_at_load_only(c)) return refused("other stages bring " + weights.name + " into their own form at load");
  const int dim = output_dim(c);
  if (dim < 0) return refused("no dimension of " + weights.name + " runs over all output channels");
  const Layout& given = layout_of(c, c.anchor.weights, layouts);
  if (const std::string fault = fault_of(weights, given); !fault.empty()) return refused(fault);
  const std::optional<Projection> p = project(given, weights.shape.size(), dim);
  if (!p) return refused("the layout of " + weights.name + " mixes output channels with other dimensions");
  // All other dimensions become one, along which the vectors lie behind the weights.
  const auto first = std::find(p->own.begin(), p->own.end(), false);
  const auto last = std::find(first, p->own.end(), true);
  if (first == p->own.end()) return refused(weights.name + " has no dimension but that of output channels");
  if (std::find(last, p->own.end(), false) != p->own.end())
    return refused("the layout of " + weights.name + " has output channels between its other dimensions");
  const int along = static_cast<int>(first - p->own.begin()), others = static_cast<int>(last - first);

  BiasAtWeights result{layouts, ""};
  bool any = false;
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    if (static_cast<int>(t) == c.anchor.weights) continue;
    const TensorDecl& decl = c.tensors[t];
    if (!is_vector(c, t, weights.type, weights.shape[static_cast<size_t>(dim)].bound)) continue;
    Layout layout;
    if (decl.shape.size() > 1) layout.fuse(0, static_cast<int>(decl.shape.size()));
    layout.steps.insert(layout.steps.end(), p->vector.steps.begin(), p->vector.steps.end());
    (*result.layouts)[decl.name] = layout.store_at(weights.name, along);
    any = true;
  }
  if (!any) return refused("the group has no constant vector over the output channels");
  if (others > 1) (*result.layouts)[weights.name].fuse(along, others);
  try {
    resolve_store_at(c, *result.layouts);
  } catch (const Error& error) {
    return refused(error.what());
  }
  return result;
}

}  // namespace altrt::jit
