// Matrix products: indices that are linear in the axes, as strides in the flat tensors.
#include <map>
#include <string>

#include "runtime/onednn/match.h"

namespace altrt::onednn {
namespace {

using jit::Expr;
using jit::ExprKind;

struct Linear {
  int64_t constant = 0;
  std::map<std::string, int64_t> strides;
};

// Adds factor * e; false if e is not linear.
bool add_linear(const Expr& e, int64_t factor, Linear& to) {
  if (e.is_int()) {
    to.constant += factor * e->int_value;
    return true;
  }
  switch (e->kind) {
    case ExprKind::variable:
      to.strides[e->name] += factor;
      return true;
    case ExprKind::add:
      return add_linear(e->args[0], factor, to) && add_linear(e->args[1], factor, to);
    case ExprKind::sub:
      return add_linear(e->args[0], factor, to) && add_linear(e->args[1], -factor, to);
    case ExprKind::neg:
      return add_linear(e->args[0], -factor, to);
    case ExprKind::mul:
      if (e->args[0].is_int()) return add_linear(e->args[1], factor * e->args[0]->int_value, to);
      return e->args[1].is_int() && add_linear(e->args[0], factor * e->args[1]->int_value, to);
    default:
      return false;
  }
}

// The element that an access reads, counted in the row-major tensor.
std::optional<Linear> flat_index(const jit::Computation& c, const Expr& e) {
  const std::vector<int64_t> shape = fixed_shape(c.tensors[static_cast<size_t>(e->id)]);
  Linear flat;
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (!add_linear(e->args[d], stride, flat)) return {};
    stride *= shape[d];
  }
  return flat;
}

class Matcher {
 public:
  explicit Matcher(const jit::Computation& c) : c_(c), stage_(c.stages[0]) {}

  std::optional<Product> match() {
    if (stage_.reduce.size() != 1 || stage_.axes.empty()) return {};
    const std::optional<Factors> f = factors(stage_);
    if (!f || !f->a.is(ExprKind::access) || !f->b.is(ExprKind::access)) return {};
    const bool swapped = f->a->id != c_.anchor.data;
    const Expr &a = swapped ? f->b : f->a, &b = swapped ? f->a : f->b;
    if (a->id != c_.anchor.data || b->id != c_.anchor.weights) return {};
    const std::optional<Linear> a_index = flat_index(c_, a), b_index = flat_index(c_, b);
    if (!a_index || !b_index || a_index->constant || b_index->constant) return {};
    a_ = a_index->strides;
    b_ = b_index->strides;
    if (!sort_axes()) return {};
    if (!finish()) return {};
    product_.whole_b = is_whole(b->id);
    return product_;
  }

 private:
  int64_t stride(const std::map<std::string, int64_t>& strides, const jit::Axis& axis) const {
    const auto found = strides.find(axis.name);
    return found == strides.end() ? 0 : found->second;
  }

  // Every axis of the output becomes a row, a column or a batch dimension.
  bool sort_axes() {
    int64_t out = 1;
    for (const jit::Axis& axis : stage_.axes) out *= axis.extent.bound;
    for (size_t d = 0; d < stage_.axes.size(); ++d) {
      const jit::Axis& axis = stage_.axes[d];
      const int64_t extent = axis.extent.bound, a = stride(a_, axis), b = stride(b_, axis);
      out /= extent;
      if (extent == 1) continue;
      if (a < 0 || b < 0 || (!a && !b)) return false;
      if (a && b) {
        product_.batch.push_back(extent);
        product_.a.push_back(a);
        product_.b.push_back(b);
        product_.out.push_back(out);
      } else if (b) {
        if (has_n_ || d + 1 != stage_.axes.size()) return false;
        has_n_ = true;
        product_.n = extent;
        b_n_ = b;
      } else {
        // Rows of several axes must be evenly spaced.
        if (has_m_ && (a_m_ != a * extent || out_m_ != out * extent)) return false;
        has_m_ = true;
        product_.m *= extent;
        a_m_ = a;
        out_m_ = out;
      }
    }
    return true;
  }

  bool finish() {
    const jit::Axis& k = stage_.reduce[0];
    product_.k = k.extent.bound;
    int64_t a_k = stride(a_, k), b_k = stride(b_, k);
    if (product_.k == 1) {
      a_k = 1;
      b_k = product_.n;
    }
    if (a_k <= 0 || b_k <= 0) return false;
    if (!has_m_) {
      a_m_ = product_.k * a_k;
      out_m_ = product_.n;
    }
    if (!has_n_) b_n_ = b_k == 1 ? product_.k : 1;
    product_.a.insert(product_.a.end(), {a_m_, a_k});
    product_.b.insert(product_.b.end(), {b_k, b_n_});
    product_.out.insert(product_.out.end(), {out_m_, 1});
    return true;
  }

  bool is_whole(int tensor) const {
    const jit::TensorDecl& decl = c_.tensors[static_cast<size_t>(tensor)];
    if (decl.role != jit::Role::constant || decl.shape.size() != 2 || !product_.batch.empty()) return false;
    const int64_t k = product_.k, n = product_.n, rows = decl.shape[0].bound, columns = decl.shape[1].bound;
    const int64_t b_k = product_.b[0];
    if (k == 1 || n == 1) return false;
    return (rows == k && columns == n && b_k == n && b_n_ == 1) || (rows == n && columns == k && b_k == 1 && b_n_ == k);
  }

  const jit::Computation& c_;
  const jit::Stage& stage_;
  std::map<std::string, int64_t> a_, b_;
  int64_t a_m_ = 0, b_n_ = 0, out_m_ = 0;
  bool has_m_ = false, has_n_ = false;
  Product product_;
};

}  // namespace

std::optional<Product> match_product(const jit::Computation& c) { return Matcher(c).match(); }

}  // namespace altrt::onednn
