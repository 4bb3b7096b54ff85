// Convolutions: the anchor says which one the group should be, the indices prove that it is.
#include <map>
#include <set>
#include <string>

#include "runtime/onednn/match.h"

namespace altrt::onednn {
namespace {

using jit::Expr;
using jit::ExprKind;

using Point = std::map<std::string, int64_t>;

// The value of an integer or boolean expression at a point; nothing where it holds anything else than index
// arithmetic.
std::optional<int64_t> value_at(const Expr& e, const Point& point) {
  if (e.is_int()) return e->int_value;
  if (e.is(ExprKind::variable)) {
    const auto found = point.find(e->name);
    return found == point.end() ? std::nullopt : std::optional<int64_t>(found->second);
  }
  if (e->args.empty() || e->args.size() > 2) return {};
  const std::optional<int64_t> a = value_at(e->args[0], point);
  const std::optional<int64_t> b = e->args.size() == 2 ? value_at(e->args[1], point) : 0;
  if (!a || !b) return {};
  const auto floor_div = [&] { return *a / *b - (*a % *b < 0 ? 1 : 0); };
  switch (e->kind) {
    case ExprKind::add:
      return *a + *b;
    case ExprKind::sub:
      return *a - *b;
    case ExprKind::mul:
      return *a * *b;
    case ExprKind::neg:
      return -*a;
    case ExprKind::floor_div:
      return *b > 0 ? std::optional<int64_t>(floor_div()) : std::nullopt;
    case ExprKind::floor_mod:
      return *b > 0 ? std::optional<int64_t>(*a - floor_div() * *b) : std::nullopt;
    case ExprKind::lt:
      return *a < *b;
    case ExprKind::le:
      return *a <= *b;
    case ExprKind::logical_and:
      return *a && *b;
    case ExprKind::logical_not:
      return !*a;
    default:
      return {};
  }
}

std::set<std::string> variables_of(const Expr& e) {
  std::set<std::string> names;
  jit::visit(e, [&](const Expr& part) {
    if (part.is(ExprKind::variable)) names.insert(part->name);
  });
  return names;
}

void conjuncts(const Expr& e, std::vector<Expr>& into) {
  if (!e.is(ExprKind::logical_and)) return into.push_back(e);
  for (const Expr& part : e->args) conjuncts(part, into);
}

class Matcher {
 public:
  explicit Matcher(const jit::Computation& c) : c_(c), anchor_(c.anchor), stage_(c.stages[0]) {}

  std::optional<Convolution> match() {
    if (!read_geometry()) return {};
    const std::optional<Factors> f = factors(stage_);
    if (!f) return {};
    for (const auto& [data, weights] : {std::pair(f->a, f->b), std::pair(f->b, f->a)}) {
      if (is_data(data) && is_weights(weights)) return conv_;
    }
    return {};
  }

 private:
  bool read_geometry() {
    if (stage_.axes.size() < 3 || stage_.axes.size() > 5) return false;
    rank_ = stage_.axes.size() - 2;
    const std::vector<int64_t> x = fixed_shape(c_.tensors[static_cast<size_t>(anchor_.data)]);
    const std::vector<int64_t> w = fixed_shape(c_.tensors[static_cast<size_t>(anchor_.weights)]);
    if (x.size() != rank_ + 2 || w.size() != rank_ + 2 || !find_reduction({w.begin() + 1, w.end()})) return false;
    if (anchor_.kernel.size() != rank_ || anchor_.strides.size() != rank_ || anchor_.dilations.size() != rank_ ||
        anchor_.pads.size() != 2 * rank_) {
      return false;
    }
    conv_.batch = stage_.axes[0].extent.bound;
    conv_.outputs = stage_.axes[1].extent.bound;
    conv_.groups = anchor_.groups;
    conv_.channels = x[1];
    if (x[0] != conv_.batch || w[0] != conv_.outputs || conv_.groups < 1 || conv_.channels % conv_.groups ||
        conv_.outputs % conv_.groups || w[1] != conv_.channels / conv_.groups) {
      return false;
    }
    for (size_t d = 0; d < rank_; ++d) {
      if (w[d + 2] != anchor_.kernel[d]) return false;
      conv_.in.push_back(x[d + 2]);
      conv_.out.push_back(stage_.axes[d + 2].extent.bound);
      conv_.pads_lo.push_back(anchor_.pads[d]);
      conv_.pads_hi.push_back(anchor_.pads[rank_ + d]);
      const int64_t reach = (anchor_.kernel[d] - 1) * anchor_.dilations[d] + 1;
      const int64_t room = conv_.in[d] + conv_.pads_lo[d] + conv_.pads_hi[d] - reach;
      if (conv_.pads_lo[d] < 0 || conv_.pads_hi[d] < 0 || room < 0) return false;
      if (room / anchor_.strides[d] + 1 != conv_.out[d]) return false;
    }
    conv_.kernel = anchor_.kernel;
    conv_.strides = anchor_.strides;
    conv_.dilations = anchor_.dilations;
    return true;
  }

  // The reduction axes for input channels and taps; those of one point may be missing.
  bool find_reduction(const std::vector<int64_t>& extents) {
    size_t next = 0;
    for (const int64_t extent : extents) {
      const bool there = next < stage_.reduce.size() && stage_.reduce[next].extent == jit::Extent(extent);
      if (!there && extent != 1) return false;
      reduce_.push_back(there ? stage_.reduce[next++] : jit::Axis{"", 1});
    }
    return next == stage_.reduce.size();
  }

  bool is_weights(const Expr& e) const {
    if (!e.is(ExprKind::access) || e->id != anchor_.weights || !is_axis(e->args[0], stage_.axes[1])) return false;
    for (size_t d = 0; d <= rank_; ++d) {
      if (!is_axis(e->args[d + 1], reduce_[d])) return false;
    }
    return true;
  }

  // The element at (n, channel of o and i, stride * out + dilation * tap - pad), 0 exactly outside the tensor.
  bool is_data(const Expr& e) const {
    Expr access = e;
    std::vector<Expr> conditions;
    if (e.is(ExprKind::select)) {
      const Expr& outside = e->args[2];
      if (!outside.is(ExprKind::constant) || outside->float_value != 0) return false;
      conjuncts(e->args[0], conditions);
      access = e->args[1];
    }
    if (!access.is(ExprKind::access) || access->id != anchor_.data) return false;
    if (!is_axis(access->args[0], stage_.axes[0]) || !is_channel(access->args[1])) return false;
    std::vector<std::vector<Expr>> by_dimension(rank_);
    for (const Expr& condition : conditions) {
      const int d = dimension_of(condition);
      if (d < 0) return false;
      by_dimension[static_cast<size_t>(d)].push_back(condition);
    }
    for (size_t d = 0; d < rank_; ++d) {
      if (!is_window(access->args[d + 2], by_dimension[d], d)) return false;
    }
    return true;
  }

  bool is_channel(const Expr& e) const {
    const jit::Axis &o = stage_.axes[1], &i = reduce_[0];
    const int64_t inputs = conv_.channels / conv_.groups, outputs = conv_.outputs / conv_.groups;
    for (int64_t at = 0; at < conv_.outputs; ++at) {
      for (int64_t channel = 0; channel < inputs; ++channel) {
        if (conv_.groups == 1 && is_axis(e, i)) return true;
        if (value_at(e, {{o.name, at}, {i.name, channel}}) != at / outputs * inputs + channel) return false;
      }
    }
    return true;
  }

  // The only spatial dimension that a condition speaks of; -1 if there is not exactly one.
  int dimension_of(const Expr& condition) const {
    int found = -1;
    for (const std::string& name : variables_of(condition)) {
      int dimension = -1;
      for (size_t d = 0; d < rank_; ++d) {
        if (name == stage_.axes[d + 2].name || name == reduce_[d + 1].name) dimension = static_cast<int>(d);
      }
      if (dimension < 0 || (found >= 0 && found != dimension)) return -1;
      found = dimension;
    }
    return found;
  }

  bool is_window(const Expr& index, const std::vector<Expr>& conditions, size_t d) const {
    for (int64_t out = 0; out < conv_.out[d]; ++out) {
      for (int64_t tap = 0; tap < conv_.kernel[d]; ++tap) {
        const Point point{{stage_.axes[d + 2].name, out}, {reduce_[d + 1].name, tap}};
        const int64_t expected = out * conv_.strides[d] + tap * conv_.dilations[d] - conv_.pads_lo[d];
        if (value_at(index, point) != expected) return false;
        bool inside = true;
        for (const Expr& condition : conditions) {
          const std::optional<int64_t> holds = value_at(condition, point);
          if (!holds) return false;
          inside &= *holds != 0;
        }
        if (inside != (expected >= 0 && expected < conv_.in[d])) return false;
      }
    }
    return true;
  }

  const jit::Computation& c_;
  const jit::Anchor& anchor_;
  const jit::Stage& stage_;
  size_t rank_ = 0;
  std::vector<jit::Axis> reduce_;  // input channels, then taps
  Convolution conv_;
};

}  // namespace

std::optional<Convolution> match_convolution(const jit::Computation& c) { return Matcher(c).match(); }

}  // namespace altrt::onednn
