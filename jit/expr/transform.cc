// Functions Computation -> Computation used when groups are formed.
#include <altrt/error.h>

#include <algorithm>
#include <map>
#include <optional>

#include "jit/expr/computation.h"

namespace altrt::jit {
namespace {

using Accesses = std::function<Expr(const Expr& access)>;

Stage map_stage(const Stage& s, const std::function<Expr(const Expr&)>& f) {
  Stage result = s;
  for (StateValue& v : result.state) v.update = f(v.update);
  for (Expr& e : result.results) e = f(e);
  return result;
}

Expr rewrite_accesses(const Expr& e, const Accesses& f) {
  return rewrite(e, [&](const Expr& node) { return node.is(ExprKind::access) ? f(node) : node; });
}

int output_number(const Stage& s, int tensor) {
  const auto found = std::find(s.outputs.begin(), s.outputs.end(), tensor);
  return found == s.outputs.end() ? -1 : static_cast<int>(found - s.outputs.begin());
}

bool is_fixed(const Axis& a) { return a.extent == Extent(1); }

// The linear form without axes of extent 1, which are always 0; terms by descending coefficient. Empty if something
// else than axes occurs.
std::optional<LinearForm> axis_form(const Expr& index, const std::vector<Axis>& axes) {
  LinearForm form = linear_form(index), kept;
  kept.constant = form.constant;
  for (const LinearForm::Term& t : form.terms) {
    if (!t.atom.is(ExprKind::variable)) return std::nullopt;
    const auto axis = std::find_if(axes.begin(), axes.end(), [&](const Axis& a) { return a.name == t.atom->name; });
    if (axis == axes.end()) return std::nullopt;
    if (!is_fixed(*axis)) kept.terms.push_back(t);
  }
  std::sort(kept.terms.begin(), kept.terms.end(),
            [](const auto& a, const auto& b) { return a.coefficient > b.coefficient; });
  return kept;
}

const Axis& axis_named(const std::vector<Axis>& axes, const std::string& name) {
  return *std::find_if(axes.begin(), axes.end(), [&](const Axis& a) { return a.name == name; });
}

// The producer's axes as functions of the place where it stores: digits of a mixed-radix number per dimension.
Substitution invert_store(const Stage& producer, const Exprs& index) {
  Substitution axes;
  for (const Axis& a : producer.axes) {
    if (is_fixed(a)) axes[a.name] = Expr(0);
  }
  for (size_t d = 0; d < index.size(); ++d) {
    const auto form = axis_form(producer.store[d], producer.axes);
    if (!form) throw Error(ErrorCode::internal, "stage " + producer.name + ": its store is not affine in its axes");
    Expr rest = index[d] - Expr(form->constant);
    for (size_t i = 0; i < form->terms.size(); ++i) {
      const Expr coefficient(form->terms[i].coefficient);
      axes[form->terms[i].atom->name] = floor_div(rest, coefficient);
      if (i + 1 < form->terms.size()) rest = floor_mod(rest, coefficient);
    }
  }
  return axes;
}

Computation keep_only(const Computation& c, const std::vector<bool>& tensors, const std::vector<bool>& stages) {
  Computation result = c;
  result.tensors.clear();
  result.stages.clear();
  std::vector<int> number(c.tensors.size(), -1), stage_number(c.stages.size(), -1);
  for (size_t t = 0; t < c.tensors.size(); ++t) {
    if (tensors[t]) number[t] = result.add_tensor(c.tensors[t]);
  }
  const Accesses renumber = [&](const Expr& a) { return access(number[a->id], a->type, a->args); };
  for (size_t s = 0; s < c.stages.size(); ++s) {
    if (!stages[s]) continue;
    stage_number[s] = static_cast<int>(result.stages.size());
    Stage stage = map_stage(c.stages[s], [&](const Expr& e) { return rewrite_accesses(e, renumber); });
    for (int& t : stage.outputs) t = number[t];
    result.stages.push_back(std::move(stage));
  }
  Anchor& anchor = result.anchor;
  if (anchor.data >= 0) anchor.data = number[anchor.data];
  if (anchor.weights >= 0) anchor.weights = number[anchor.weights];
  if (anchor.stage >= 0) anchor.stage = stage_number[anchor.stage];
  if (anchor.stage < 0) anchor = Anchor();
  return result;
}

// Which axis of the producer each axis of the consumer is, if the consumer reads the producer's output at `index`,
// exactly where it was stored.
std::optional<Substitution> match_axes(const Stage& producer, const Stage& consumer, const Exprs& index) {
  Substitution axes;
  for (size_t d = 0; d < index.size(); ++d) {
    const auto stored = axis_form(producer.store[d], producer.axes), read = axis_form(index[d], consumer.axes);
    if (!stored || !read || stored->constant != read->constant || stored->terms.size() != read->terms.size()) {
      return std::nullopt;
    }
    for (size_t i = 0; i < stored->terms.size(); ++i) {
      const LinearForm::Term &s = stored->terms[i], &r = read->terms[i];
      const Axis &to = axis_named(producer.axes, s.atom->name), &from = axis_named(consumer.axes, r.atom->name);
      if (s.coefficient != r.coefficient || !(to.extent == from.extent)) return std::nullopt;
      if (!axes.emplace(from.name, s.atom).second) return std::nullopt;
    }
  }
  size_t producer_axes = 0;
  for (const Axis& a : producer.axes) producer_axes += !is_fixed(a);
  for (const Axis& a : consumer.axes) {
    if (is_fixed(a)) {
      axes[a.name] = Expr(0);
    } else if (!axes.count(a.name)) {
      return std::nullopt;
    } else {
      --producer_axes;
    }
  }
  if (producer_axes != 0) return std::nullopt;
  return axes;
}

/// One digit of an axis: axis / divisor, modulo what the digits above it leave.
struct AxisDigit {
  std::string axis;
  int64_t divisor = 1;
  int64_t modulus = 0;  // 0: none
};

std::optional<AxisDigit> axis_digit(const Expr& index) {
  if (index.is(ExprKind::variable)) return AxisDigit{index->name};
  const bool quotient = index.is(ExprKind::floor_div);
  if ((!quotient && !index.is(ExprKind::floor_mod)) || !index->args[1].is_int()) return std::nullopt;
  std::optional<AxisDigit> digit = axis_digit(index->args[0]);
  const int64_t by = index->args[1]->int_value;
  if (!digit || by < 1) return std::nullopt;
  if (quotient) {
    if (digit->modulus % by != 0) return std::nullopt;
    digit->divisor *= by;
    digit->modulus /= by;
    return digit;
  }
  if (digit->modulus % by != 0) return std::nullopt;
  digit->modulus = by;
  return digit;
}

/// As match_axes, where axes of the consumer are made of several of the producer's: the producer stores at its own
/// axes, and each of them is read at one digit.
std::optional<Substitution> match_digits(const Stage& producer, const Stage& consumer, const Exprs& index) {
  struct Part {
    AxisDigit digit;
    Axis axis;
  };
  std::map<std::string, std::vector<Part>> parts;
  size_t used = 0;
  for (size_t d = 0; d < index.size(); ++d) {
    const auto stored = axis_form(producer.store[d], producer.axes);
    if (!stored || stored->constant != 0 || stored->terms.size() > 1) return std::nullopt;
    if (stored->terms.empty()) {
      if (!simplify(index[d], axis_ranges(consumer)).is_int(0)) return std::nullopt;
      continue;
    }
    const std::optional<AxisDigit> digit = axis_digit(index[d]);
    if (!digit || stored->terms[0].coefficient != 1) return std::nullopt;
    parts[digit->axis].push_back({*digit, axis_named(producer.axes, stored->terms[0].atom->name)});
    ++used;
  }
  if (used != static_cast<size_t>(std::count_if(producer.axes.begin(), producer.axes.end(),
                                                [](const Axis& axis) { return !is_fixed(axis); })))
    return std::nullopt;
  Substitution axes;
  for (const Axis& axis : consumer.axes) {
    std::vector<Part>& digits = parts[axis.name];
    std::sort(digits.begin(), digits.end(),
              [](const Part& a, const Part& b) { return a.digit.divisor < b.digit.divisor; });
    int64_t covered = 1;
    Expr value(0);
    for (const Part& part : digits) {
      const int64_t extent = part.axis.extent.bound;
      const bool top = &part == &digits.back();
      if (part.axis.extent.is_symbolic() && digits.size() > 1) return std::nullopt;
      if (part.digit.divisor != covered) return std::nullopt;
      if (part.digit.modulus != extent && !(top && part.digit.modulus == 0)) return std::nullopt;
      value = value + variable(part.axis.name) * covered;
      covered *= extent;
    }
    const bool whole = axis.extent.is_symbolic() ? digits.size() == 1 && digits[0].axis.extent == axis.extent
                                                 : covered == axis.extent.bound;
    if (!whole) return std::nullopt;
    axes[axis.name] = value;
  }
  return axes;
}

bool same_places(const Substitution& a, const Substitution& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && equal(x.second, y.second); });
}

// As match_axes, for all reads of the producer's outputs; empty also if there is none.
std::optional<Substitution> match_reads(const Stage& producer, const Stage& consumer) {
  std::optional<Substitution> axes;
  bool fits = true;
  for (const Expr& result : consumer.results) {
    visit(result, [&](const Expr& node) {
      if (!fits || !node.is(ExprKind::access) || output_number(producer, node->id) < 0) return;
      auto match = match_axes(producer, consumer, node->args);
      if (!match) match = match_digits(producer, consumer, node->args);
      fits = match && (!axes || same_places(*axes, *match));
      axes = match;
    });
  }
  return fits ? axes : std::nullopt;
}

Stage merged_stage(const Stage& producer, const Stage& consumer, const Substitution& axes) {
  Stage merged = producer;
  merged.outputs = consumer.outputs;
  merged.results.clear();
  merged.store.clear();
  const Ranges ranges = axis_ranges(producer);
  for (const Expr& e : consumer.store) merged.store.push_back(simplify(substitute(e, axes), ranges));
  // A unit axis is always at 0; naming it keeps the store recognisable as the axes themselves.
  for (size_t d = 0; d < merged.store.size() && merged.store.size() == merged.axes.size(); ++d) {
    if (merged.store[d].is_int(0) && merged.axes[d].extent == Extent(1))
      merged.store[d] = variable(merged.axes[d].name);
  }
  for (const Expr& result : consumer.results) {
    const Expr placed = rewrite_accesses(substitute(result, axes), [&](const Expr& a) {
      const int k = output_number(producer, a->id);
      return k < 0 ? a : producer.results[k];
    });
    merged.results.push_back(simplify(placed, ranges));
  }
  return merged;
}

bool same_store(const Exprs& a, const Exprs& b, const Ranges& ranges) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const Expr& x, const Expr& y) { return equal(simplify(x, ranges), simplify(y, ranges)); });
}

bool is_needed(const Computation& c, int tensor, int without_reader) {
  if (c.tensors[tensor].role == Role::output) return true;
  const std::vector<int> readers = c.readers(tensor);
  return std::any_of(readers.begin(), readers.end(), [&](int r) { return r != without_reader; });
}

}  // namespace

Computation inline_stage(const Computation& c, int producer) {
  const Stage& p = c.stages.at(producer);
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::internal, "computation " + c.name + ": stage " + p.name + " can't be inlined: " + why);
  };
  if (!p.reduce.empty()) refuse("it has reduction axes");
  for (const int t : p.outputs) {
    if (c.tensors[t].role == Role::output) refuse("it writes output " + c.tensors[t].name);
    if (c.writers(t).size() > 1) refuse("other stages write " + c.tensors[t].name + " too");
  }
  Computation result = c;
  for (Stage& s : result.stages) {
    const Ranges ranges = axis_ranges(s);
    s = map_stage(s, [&](const Expr& e) {
      bool changed = false;
      const Expr inlined = rewrite_accesses(e, [&](const Expr& a) {
        const int k = output_number(p, a->id);
        if (k < 0) return a;
        changed = true;
        return substitute(p.results[k], invert_store(p, a->args));
      });
      return changed ? simplify(inlined, ranges) : e;
    });
  }
  // A matrix product's operand that is moved to is the one that is moved from; others know their operands by dimension.
  for (int* operand : {&result.anchor.data, &result.anchor.weights}) {
    const int k = *operand < 0 || c.anchor.kind != AnchorKind::matmul ? -1 : output_number(p, *operand);
    if (k >= 0 && p.results[k].is(ExprKind::access)) *operand = p.results[k]->id;
  }
  std::vector<bool> tensors(c.tensors.size(), true), stages(c.stages.size(), true);
  stages[producer] = false;
  for (const int t : p.outputs) tensors[t] = false;
  return keep_only(result, tensors, stages);
}

bool merge_epilogue(Computation& c, int producer, int consumer) {
  const Stage &p = c.stages.at(producer), &q = c.stages.at(consumer);
  if (!q.reduce.empty() || producer >= consumer) return false;
  for (const int t : p.outputs) {
    if (c.writers(t).size() > 1) return false;
    for (const int reader : c.readers(t)) {
      if (reader < consumer) return false;
    }
  }
  const auto axes = match_reads(p, q);
  if (!axes) return false;
  Stage merged = merged_stage(p, q, *axes);
  std::vector<bool> tensors(c.tensors.size(), true), stages(c.stages.size(), true);
  for (size_t k = 0; k < p.outputs.size(); ++k) {
    const int t = p.outputs[k];
    if (!is_needed(c, t, consumer)) {
      tensors[t] = false;
      continue;
    }
    if (c.tensors[t].shape != c.tensors[q.outputs[0]].shape || !same_store(p.store, merged.store, axis_ranges(p))) {
      return false;
    }
    merged.outputs.push_back(t);
    merged.results.push_back(p.results[k]);
  }
  Computation result = c;
  result.stages[consumer] = std::move(merged);
  if (result.anchor.stage == producer) result.anchor.stage = consumer;
  stages[producer] = false;
  c = keep_only(result, tensors, stages);
  return true;
}

Computation prune(const Computation& c) {
  std::vector<bool> tensors(c.tensors.size(), false), stages(c.stages.size(), false);
  for (const int t : c.with_role(Role::output)) tensors[t] = true;
  for (size_t i = c.stages.size(); i-- > 0;) {  // readers come after writers
    const Stage& s = c.stages[i];
    stages[i] = std::any_of(s.outputs.begin(), s.outputs.end(), [&](int t) { return tensors[t]; });
    if (!stages[i]) continue;
    for (const int t : s.outputs) tensors[t] = true;
    map_stage(s, [&](const Expr& e) {
      visit(e, [&](const Expr& node) {
        if (node.is(ExprKind::access)) tensors[node->id] = true;
      });
      return e;
    });
  }
  return keep_only(c, tensors, stages);
}

}  // namespace altrt::jit
