// The verifier of Computations.
#include <altrt/error.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "jit/expr/analysis.h"
#include "jit/expr/computation.h"
#include "jit/expr/math.h"

namespace altrt {

using namespace jit;

namespace {

std::string size_name(int index) { return "size" + std::to_string(index); }

// What one expression of a stage may mention.
struct Allowed {
  bool accesses = false, state = false, other = false;
};

class Verifier {
 public:
  Verifier(const Computation& c, ErrorCode code) : c_(c), code_(code) {
    for (const TensorDecl& t : c.tensors) names_.push_back(t.name);
  }

  void run() {
    check_names();
    check_tensors();
    check_anchor();
    written_.assign(c_.tensors.size(), 0);
    for (size_t i = 0; i < c_.stages.size(); ++i) {
      stage_ = &c_.stages[i];
      check_stage();
      for (const int t : stage_->outputs) ++written_[t];
    }
    stage_ = nullptr;
    for (size_t t = 0; t < c_.tensors.size(); ++t) check_coverage(static_cast<int>(t));
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(code_,
                "computation " + c_.name + (stage_ ? ", stage " + stage_->name : std::string()) + ": " + message);
  }
  void require(bool condition, const std::string& message) const {
    if (!condition) fail(message);
  }

  void check_names() const {
    std::set<std::string> tensors, stages, axes;
    for (const TensorDecl& t : c_.tensors) {
      require(!t.name.empty() && tensors.insert(t.name).second, "tensor name '" + t.name + "' is not unique");
    }
    for (const Stage& s : c_.stages) {
      require(!s.name.empty() && stages.insert(s.name).second, "stage name '" + s.name + "' is not unique");
      for (const auto* list : {&s.axes, &s.reduce}) {
        for (const Axis& a : *list) {
          require(!a.name.empty() && axes.insert(a.name).second, "axis name '" + a.name + "' is not unique");
        }
      }
    }
  }

  void check_extent(const Extent& e, bool outermost, const std::string& what) const {
    require(e.bound >= 1, what + ": extent " + std::to_string(e.bound) + " is not positive");
    require(!e.is_symbolic() || outermost, what + ": only the outermost extent may be symbolic");
  }

  void check_tensors() const {
    for (const TensorDecl& t : c_.tensors) {
      for (size_t d = 0; d < t.shape.size(); ++d) check_extent(t.shape[d], d == 0, "tensor " + t.name);
    }
  }

  void check_anchor() const {
    const Anchor& a = c_.anchor;
    require(a.stage < static_cast<int>(c_.stages.size()), "the anchor's stage does not exist");
    for (const int t : {a.data, a.weights}) {
      require(t < static_cast<int>(c_.tensors.size()), "the anchor's operand does not exist");
    }
    require(a.kind == AnchorKind::none || a.stage >= 0, "the anchor names no stage");
    const bool window =
        a.kind == AnchorKind::conv || a.kind == AnchorKind::conv_transpose || a.kind == AnchorKind::pool;
    const size_t rank = a.kernel.size();
    require(!window || (a.strides.size() == rank && a.dilations.size() == rank && a.pads.size() == 2 * rank),
            "the anchor's kernel, strides, dilations and pads differ in rank");
  }

  void check_stage() {
    const Stage& s = *stage_;
    for (size_t i = 0; i < s.axes.size(); ++i) check_extent(s.axes[i].extent, i == 0, "axis " + s.axes[i].name);
    for (const Axis& a : s.reduce) check_extent(a.extent, false, "reduction axis " + a.name);
    require(s.state.empty() == s.reduce.empty(), "state and reduction axes must both be there or both be absent");
    check_outputs();
    ranges_ = axis_ranges(s);
    facts_.clear();
    for (const Axis& a : s.axes) {
      if (!a.extent.is_symbolic()) continue;
      const std::string size = size_name(a.extent.size_index);
      ranges_[size] = {0, a.extent.bound};
      facts_.push_back(lt(variable(a.name), variable(size)));
    }
    check_state();
    for (size_t k = 0; k < s.results.size(); ++k) {
      const std::string what = "result " + std::to_string(k);
      require(static_cast<bool>(s.results[k]), what + " is absent");
      require(s.results[k]->type == c_.tensors[s.outputs[k]].type,
              what + " is " + altrt::to_string(s.results[k]->type) + ", its tensor " +
                  altrt::to_string(c_.tensors[s.outputs[k]].type));
      check_variables(s.results[k], what, false);
      check_expr(s.results[k], what, {.accesses = true, .state = true});
    }
    check_store();
  }

  void check_outputs() const {
    const Stage& s = *stage_;
    require(!s.outputs.empty(), "there is no output");
    require(s.results.size() == s.outputs.size(), "results and outputs differ in number");
    for (const int t : s.outputs) {
      require(t >= 0 && t < static_cast<int>(c_.tensors.size()), "output tensor does not exist");
      const TensorDecl& decl = c_.tensors[t];
      require(decl.role == Role::output || decl.role == Role::intermediate,
              "writes tensor " + decl.name + ", which is an input or a constant");
      require(decl.shape == c_.tensors[s.outputs[0]].shape, "outputs differ in shape");
      require(std::count(s.outputs.begin(), s.outputs.end(), t) == 1, "writes tensor " + decl.name + " twice");
    }
  }

  void check_state() {
    const Stage& s = *stage_;
    for (size_t k = 0; k < s.state.size(); ++k) {
      const StateValue& v = s.state[k];
      const std::string what = "state " + std::to_string(k);
      require(v.init && v.update, what + ": initial value or update is absent");
      require(v.init->type == v.type && v.update->type == v.type && (!v.combine || v.combine->type == v.type),
              what + ": types differ");
      check_expr(v.init, what + " initial value", {});
      check_variables(v.init, what + " initial value", false);
      check_variables(v.update, what + " update", true);
      check_expr(v.update, what + " update", {.accesses = true, .state = true});
      if (!v.combine) continue;
      check_expr(v.combine, what + " combine", {.state = true, .other = true});
      check_variables(v.combine, what + " combine", false);
    }
  }

  void check_variables(const Expr& e, const std::string& what, bool reduction) const {
    visit(e, [&](const Expr& node) {
      if (!node.is(ExprKind::variable)) return;
      const auto named = [&](const Axis& a) { return a.name == node->name; };
      const bool known = std::any_of(stage_->axes.begin(), stage_->axes.end(), named) ||
                         (reduction && std::any_of(stage_->reduce.begin(), stage_->reduce.end(), named));
      require(known, what + " uses variable " + node->name + ", which is no axis in scope");
    });
  }

  void check_expr(const Expr& e, const std::string& what, Allowed allowed) {
    visit(e, [&](const Expr& node) { check_node(node, what, allowed); });
    if (!allowed.accesses) return;
    visit_guarded(e, facts_, [&](const Expr& node, const Facts& facts) { check_inside(node, what, facts); });
  }

  void check_node(const Expr& node, const std::string& what, Allowed allowed) const {
    switch (node->kind) {
      case ExprKind::access:
        require(allowed.accesses, what + " must not access tensors");
        check_access(node, what);
        break;
      case ExprKind::state:
      case ExprKind::other: {
        require(node.is(ExprKind::state) ? allowed.state : allowed.other, what + " must not use " + to_string(node));
        const bool known = node->id >= 0 && node->id < static_cast<int>(stage_->state.size());
        require(known, what + " uses " + to_string(node) + ", which does not exist");
        require(stage_->state[node->id].type == node->type, what + " uses " + to_string(node) + " with another type");
        break;
      }
      case ExprKind::call: {
        const MathHelper* helper = find_math_helper(node->name);
        require(helper != nullptr, what + " calls unknown helper " + node->name);
        bool fits = helper->type == node->type && helper->arity == static_cast<int>(node->args.size());
        for (const Expr& a : node->args) fits = fits && a->type == helper->type;
        require(fits, what + " calls " + node->name + " with other arguments than it takes");
        break;
      }
      default:
        break;
    }
  }

  void check_access(const Expr& node, const std::string& what) const {
    require(node->id >= 0 && node->id < static_cast<int>(c_.tensors.size()),
            what + " reads a tensor that does not exist");
    const TensorDecl& t = c_.tensors[node->id];
    require(node->args.size() == t.shape.size(), what + ": " + to_string(node, &names_) + " has the wrong rank");
    require(node->type == t.type, what + ": " + to_string(node, &names_) + " has the wrong type");
    const bool given = t.role == Role::input || t.role == Role::constant;
    const int writers = static_cast<int>(c_.writers(node->id).size());
    require(given || (writers > 0 && written_[node->id] == writers),
            what + " reads " + t.name + " before it is written");
    for (const Expr& index : node->args) {
      visit(index, [&](const Expr& part) {
        if (!part.is(ExprKind::floor_div) && !part.is(ExprKind::floor_mod)) return;
        require(part->args[1].is_int() && part->args[1]->int_value > 0,
                what + ": " + to_string(part) + " divides an index by something other than a positive constant");
      });
    }
  }

  void check_inside(const Expr& node, const std::string& what, const Facts& facts) const {
    if (node.is(ExprKind::table)) {
      prove_inside(node->args[0], Extent(static_cast<int64_t>(node->table->size())), node, what, facts);
      return;
    }
    const std::vector<Extent>& shape = c_.tensors[node->id].shape;
    for (size_t d = 0; d < shape.size(); ++d) prove_inside(node->args[d], shape[d], node, what, facts);
  }

  void prove_inside(const Expr& index, const Extent& extent, const Expr& node, const std::string& what,
                    const Facts& facts) const {
    Analyzer analyzer(ranges_, facts);
    if (analyzer.contradictory()) return;
    Interval i = analyzer.interval(index);
    if (i.lo < 0 || i.hi >= extent.bound) i = analyzer.interval(analyzer.simplify(index));
    const bool inside = i.lo >= 0 && i.hi < extent.bound &&
                        (!extent.is_symbolic() || analyzer.always(lt(index, variable(size_name(extent.size_index)))));
    require(inside, what + ": index " + to_string(index, &names_) + " of " + to_string(node, &names_) +
                        " is not proven to lie in [0, " + std::to_string(extent.bound) + ")");
  }

  // --- where results are stored ---

  // One dimension of a store: {offset + sum of coefficient * axis}.
  struct Lattice {
    int64_t offset = 0, last = 0;  // least and greatest value
    int64_t step = 0;              // gcd of the coefficients
  };

  void check_store() {
    const std::vector<Extent>& shape = c_.tensors[stage_->outputs[0]].shape;
    require(stage_->store.size() == shape.size(), "the store has the wrong rank");
    std::set<std::string> used;
    for (size_t d = 0; d < shape.size(); ++d) {
      const Expr& index = stage_->store[d];
      require(index && index->type == DataType::i64, "a store index is not an i64");
      prove_inside(index, shape[d], index, "the store", facts_);
      check_distinct(linear_form(index), used);
    }
    for (const Axis& a : stage_->axes) {
      require(a.extent.bound == 1 || used.count(a.name), "axis " + a.name + " does not show in the store");
    }
  }

  // Different points of the dimension's axes give different indices: each coefficient exceeds all that the smaller ones
  // reach.
  void check_distinct(const LinearForm& form, std::set<std::string>& used) const {
    std::vector<std::pair<int64_t, int64_t>> steps;
    for (const LinearForm::Term& t : form.terms) {
      require(t.atom.is(ExprKind::variable), "store index " + to_string(form.to_expr()) + " is not affine");
      const auto range = ranges_.find(t.atom->name);
      const bool axis =
          std::any_of(stage_->axes.begin(), stage_->axes.end(), [&](const Axis& a) { return a.name == t.atom->name; });
      require(axis, "store index uses " + t.atom->name + ", which is no axis in scope");
      require(used.insert(t.atom->name).second, "axis " + t.atom->name + " occurs twice in the store");
      require(t.coefficient > 0, "store index runs backwards along " + t.atom->name);
      steps.emplace_back(t.coefficient, range->second.hi);
    }
    std::sort(steps.begin(), steps.end());
    int64_t reach = 0;
    for (const auto& [coefficient, last] : steps) {
      require(last == 0 || coefficient > reach, "store index " + to_string(form.to_expr()) + " repeats values");
      reach += coefficient * last;
    }
  }

  std::vector<Lattice> lattices(const Stage& s) const {
    const Ranges ranges = axis_ranges(s);
    std::vector<Lattice> result;
    for (const Expr& index : s.store) {
      const LinearForm form = linear_form(index);
      Lattice l{form.constant, form.constant, 0};
      for (const LinearForm::Term& t : form.terms) {
        const int64_t last = ranges.at(t.atom->name).hi;
        l.last += t.coefficient * last;
        if (last > 0) l.step = std::gcd(l.step, t.coefficient);
      }
      result.push_back(l);
    }
    return result;
  }

  static bool disjoint(const std::vector<Lattice>& a, const std::vector<Lattice>& b) {
    for (size_t d = 0; d < a.size(); ++d) {
      if (a[d].last < b[d].offset || b[d].last < a[d].offset) return true;
      const int64_t step = std::gcd(a[d].step, b[d].step);
      if (step > 1 && (a[d].offset - b[d].offset) % step != 0) return true;
    }
    return false;
  }

  // Stores are distinct and inside; if those of different stages are disjoint too, their number says whether every
  // element is written.
  void check_coverage(int tensor) const {
    const TensorDecl& t = c_.tensors[tensor];
    const std::vector<int> writers = c_.writers(tensor);
    if (t.role == Role::input || t.role == Role::constant) return;
    int64_t elements = 1, stored = 0;
    for (const Extent& e : t.shape) elements *= e.bound;
    for (size_t i = 0; i < writers.size(); ++i) {
      const Stage& s = c_.stages[writers[i]];
      int64_t points = 1;
      for (const Axis& a : s.axes) points *= a.extent.bound;
      stored += points;
      require(t.shape.empty() || covers_symbolic(s, t),
              "tensor " + t.name + ": stage " + s.name + " does not cover its symbolic extent");
      for (size_t j = 0; j < i; ++j) {
        const Stage& o = c_.stages[writers[j]];
        require(disjoint(lattices(s), lattices(o)),
                "tensor " + t.name + ": stages " + o.name + " and " + s.name + " may store the same element");
      }
    }
    require(stored == elements, "tensor " + t.name + ": " + std::to_string(stored) + " of " + std::to_string(elements) +
                                    " elements are stored");
  }

  // A symbolic dimension is stored by an axis with the same run-time extent, one to one, and by nothing else.
  static bool covers_symbolic(const Stage& s, const TensorDecl& t) {
    const bool symbolic_axis = !s.axes.empty() && s.axes[0].extent.is_symbolic();
    if (!t.shape[0].is_symbolic()) return !symbolic_axis;
    return symbolic_axis && s.axes[0].extent == t.shape[0] && s.store[0].is(ExprKind::variable) &&
           s.store[0]->name == s.axes[0].name;
  }

  const Computation& c_;
  ErrorCode code_;
  std::vector<std::string> names_;
  std::vector<int> written_;  // per tensor: stages so far that wrote it
  const Stage* stage_ = nullptr;
  Ranges ranges_;
  Facts facts_;
};

}  // namespace

void verify(const Computation& c, ErrorCode code) { Verifier(c, code).run(); }

}  // namespace altrt
