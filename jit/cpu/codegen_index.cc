// i64 values as sums of terms: what indices, conditions and let values are made of.
#include <llvm/IR/Constants.h>

#include <algorithm>

#include "jit/cpu/codegen.h"
#include "jit/expr/scalar.h"

namespace altrt::jit::cpu {

using llvm::Value;

namespace {

bool within(const std::optional<Interval>& range, int64_t lo, int64_t hi) {
  return range && range->lo >= lo && range->hi <= hi;
}

// a + factor * b; nothing where 62 bits do not hold it.
std::optional<Interval> plus(const Interval& a, const Interval& b, int64_t factor) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  int64_t x, y, lo, hi;
  if (__builtin_mul_overflow(b.lo, factor, &x) || __builtin_mul_overflow(b.hi, factor, &y)) return std::nullopt;
  if (x > y) std::swap(x, y);
  if (__builtin_add_overflow(a.lo, x, &lo) || __builtin_add_overflow(a.hi, y, &hi)) return std::nullopt;
  if (lo < -kLimit || hi > kLimit) return std::nullopt;
  return Interval{lo, hi};
}

}  // namespace

Affine Codegen::affine_of(Value* v, std::optional<Interval> range, int depth) {
  Affine a;
  if (auto* c = llvm::dyn_cast<llvm::ConstantInt>(v)) {
    a.constant = c->getSExtValue();
  } else if (v->getType()->isVectorTy()) {
    a.lanes = v;
    normalise(&a);
  } else {
    facts_.try_emplace(v, Fact{depth < 0 ? depth_ : depth, static_cast<int>(facts_.size()), range});
    a.terms.push_back({v, 1});
  }
  return a;
}

// Constant lane vectors that are affine after all become the constant and the lane coefficient.
void Codegen::normalise(Affine* a) {
  auto* c = llvm::dyn_cast_or_null<llvm::Constant>(a->lanes);
  if (!c) return;
  llvm::SmallVector<int64_t, 16> values;
  for (int i = 0; i < chunk_.width; ++i) {
    auto* element = llvm::dyn_cast_or_null<llvm::ConstantInt>(c->getAggregateElement(i));
    if (!element) return;
    values.push_back(element->getSExtValue());
  }
  const int64_t step = values.size() > 1 ? wrapping_sub(values[1], values[0]) : 0;
  for (size_t i = 1; i < values.size(); ++i) {
    if (wrapping_sub(values[i], values[i - 1]) != step) return;
  }
  a->constant = wrapping_add(a->constant, values[0]);
  a->lane = wrapping_add(a->lane, step);
  a->lanes = nullptr;
}

Affine Codegen::scaled(Affine a, int64_t factor) {
  if (factor == 0) return {};
  for (Affine::Term& t : a.terms) t.coefficient = wrapping_mul(t.coefficient, factor);
  a.constant = wrapping_mul(a.constant, factor);
  a.lane = wrapping_mul(a.lane, factor);
  if (a.lanes && factor != 1) {
    a.lanes = builder_.CreateMul(a.lanes, llvm::ConstantInt::get(a.lanes->getType(), factor, true));
    normalise(&a);
  }
  return a;
}

Affine Codegen::sum(const Affine& a, const Affine& b) {
  Affine r;
  auto before = [&](const Affine::Term& x, const Affine::Term& y) {
    const Fact &f = facts_.find(x.value)->second, &g = facts_.find(y.value)->second;
    return f.depth != g.depth ? f.depth < g.depth : f.order < g.order;
  };
  auto x = a.terms.begin(), y = b.terms.begin();
  while (x != a.terms.end() || y != b.terms.end()) {
    if (y == b.terms.end() || (x != a.terms.end() && before(*x, *y))) {
      r.terms.push_back(*x++);
    } else if (x == a.terms.end() || before(*y, *x)) {
      r.terms.push_back(*y++);
    } else {
      const int64_t c = wrapping_add(x->coefficient, y->coefficient);
      if (c != 0) r.terms.push_back({x->value, c});
      ++x, ++y;
    }
  }
  r.constant = wrapping_add(a.constant, b.constant);
  r.lane = wrapping_add(a.lane, b.lane);
  r.lanes = a.lanes && b.lanes ? builder_.CreateAdd(a.lanes, b.lanes) : a.lanes ? a.lanes : b.lanes;
  if (a.lanes && b.lanes) normalise(&r);
  return r;
}

std::optional<Interval> Codegen::bounds(const Affine& a) const {
  if (a.lanes) return std::nullopt;
  std::optional<Interval> r = Interval{a.constant, a.constant};
  if (a.lane != 0) r = plus(*r, Interval{0, chunk_.width - 1}, a.lane);
  for (const Affine::Term& t : a.terms) {
    const Fact& fact = facts_.find(t.value)->second;
    if (!r || !fact.range) return std::nullopt;
    r = plus(*r, *fact.range, t.coefficient);
  }
  return r;
}

Affine Codegen::affine(const Expr& e) {
  switch (e->kind) {
    case ExprKind::constant: {
      Affine a;
      a.constant = e->int_value;
      return a;
    }
    case ExprKind::variable: {
      if (e->name == vector_variable_ && !vector_variable_.empty()) {
        Affine a;
        a.constant = chunk_.first;
        a.lane = in_vector() ? 1 : 0;
        return a;
      }
      auto place = bindings_.find(e->name);
      if (place == bindings_.end()) fail("variable " + e->name + " is not in scope");
      return place->second;
    }
    case ExprKind::add:
      return sum(affine(e->args[0]), affine(e->args[1]));
    case ExprKind::sub:
      return sum(affine(e->args[0]), scaled(affine(e->args[1]), -1));
    case ExprKind::neg:
      return scaled(affine(e->args[0]), -1);
    case ExprKind::mul: {
      Affine a = affine(e->args[0]), b = affine(e->args[1]);
      if (b.is_constant()) return scaled(std::move(a), b.constant);
      if (a.is_constant()) return scaled(std::move(b), a.constant);
      Value *x = materialise(a), *y = materialise(b);
      return affine_of(builder_.CreateMul(like(x, y), like(y, x)), std::nullopt);
    }
    case ExprKind::floor_div:
    case ExprKind::floor_mod:
      return affine_div_mod(*e);
    case ExprKind::min:
    case ExprKind::max: {
      Affine a = affine(e->args[0]), b = affine(e->args[1]);
      const std::optional<Interval> r = bounds(a), s = bounds(b);
      if (!r || !s) break;
      const bool is_min = e->kind == ExprKind::min;
      if (is_min ? r->hi <= s->lo : r->lo >= s->hi) return a;
      if (is_min ? s->hi <= r->lo : s->lo >= r->hi) return b;
      const Interval both = is_min ? Interval{std::min(r->lo, s->lo), std::min(r->hi, s->hi)}
                                   : Interval{std::max(r->lo, s->lo), std::max(r->hi, s->hi)};
      return affine_of(value(e), both);
    }
    default:
      break;
  }
  return affine_of(value(e), std::nullopt);
}

// The part of `a` whose terms are multiples of d, divided by d; what is left, with a constant in [0, d), goes to *rest.
Affine Codegen::split_multiples(const Affine& a, int64_t d, Affine* rest) const {
  Affine quotient;
  *rest = {};
  for (const Affine::Term& t : a.terms) {
    if (t.coefficient % d == 0) {
      quotient.terms.push_back({t.value, t.coefficient / d});
    } else {
      rest->terms.push_back(t);
    }
  }
  (a.lane % d == 0 ? quotient.lane : rest->lane) = a.lane % d == 0 ? a.lane / d : a.lane;
  quotient.constant = floored_div(a.constant, d);
  rest->constant = floored_mod(a.constant, d);
  rest->lanes = a.lanes;
  return quotient;
}

// Splitting off multiples is exact only while nothing wraps, which bounds() being known guarantees.
Affine Codegen::affine_div_mod(const ExprNode& e) {
  const Affine a = affine(e.args[0]), b = affine(e.args[1]);
  const bool is_div = e.kind == ExprKind::floor_div;
  if (!b.is_constant() || b.constant <= 0) {
    Value *x = materialise(a), *y = materialise(b);
    return affine_of(integer_division(e.kind, e.type, like(x, y), like(y, x)), std::nullopt);
  }
  const int64_t d = b.constant;
  if (d == 1) return is_div ? a : Affine{};
  const std::optional<Interval> range = bounds(a);
  if (!range) return divide(e.kind, a, d);
  if (floored_div(range->lo, d) == floored_div(range->hi, d)) {
    Affine q;
    q.constant = floored_div(range->lo, d);
    return is_div ? q : sum(a, scaled(q, -d));
  }
  Affine rest;
  const Affine quotient = split_multiples(a, d, &rest);
  const Affine part = divide(e.kind, rest, d);
  return is_div ? sum(quotient, part) : part;
}

// floor_div or floor_mod of `a` by a constant d > 1.
Affine Codegen::divide(ExprKind kind, const Affine& a, int64_t d) {
  const std::optional<Interval> range = bounds(a);
  const bool is_div = kind == ExprKind::floor_div;
  if (a.is_constant() || within(range, 0, d - 1)) {
    Affine q;
    q.constant = a.is_constant() ? floored_div(a.constant, d) : 0;
    return is_div ? q : sum(a, scaled(q, -d));
  }
  const bool non_negative = range && range->lo >= 0;
  if (a.is_uniform()) {
    std::optional<Interval> result;
    if (range) result = Interval{floored_div(range->lo, d), floored_div(range->hi, d)};
    int depth = 0;
    for (const Affine::Term& t : a.terms) depth = std::max(depth, facts_.find(t.value)->second.depth);
    Value* q = divide_uniform(kind, materialise(a), d, non_negative);
    return affine_of(q, is_div ? result : Interval{0, d - 1}, depth);
  }
  if (a.terms.empty() && !a.lanes) {
    return affine_of(integer_division(kind, DataType::i64, materialise(a), broadcast(i64(d))), std::nullopt);
  }
  // Lane by lane: vectors of i64 have no division, and each lane's result is most often an address of its own.
  Value* lanes = llvm::PoisonValue::get(llvm::FixedVectorType::get(i64_, chunk_.width));
  for (int k = 0; k < chunk_.width; ++k) {
    Value* x = divide_uniform(kind, materialise(at_lane(a, k)), d, non_negative);
    lanes = builder_.CreateInsertElement(lanes, x, static_cast<uint64_t>(k));
  }
  return affine_of(lanes, std::nullopt);
}

Value* Codegen::divide_uniform(ExprKind kind, Value* x, int64_t d, bool non_negative) {
  const bool is_div = kind == ExprKind::floor_div;
  if (non_negative) return is_div ? builder_.CreateUDiv(x, i64(d)) : builder_.CreateURem(x, i64(d));
  if ((d & (d - 1)) == 0) {
    return is_div ? builder_.CreateAShr(x, i64(__builtin_ctzll(d))) : builder_.CreateAnd(x, i64(d - 1));
  }
  return integer_division(kind, DataType::i64, x, i64(d));
}

Affine Codegen::at_lane(const Affine& a, int lane) {
  Affine r = a;
  r.constant = wrapping_add(r.constant, wrapping_mul(a.lane, lane));
  r.lane = 0;
  r.lanes = nullptr;
  return a.lanes ? sum(r, affine_of(builder_.CreateExtractElement(a.lanes, static_cast<uint64_t>(lane)), std::nullopt))
                 : r;
}

Value* Codegen::lane_numbers(llvm::Type* element, int64_t step) {
  llvm::SmallVector<llvm::Constant*, 16> numbers;
  for (int k = 0; k < chunk_.width; ++k)
    numbers.push_back(llvm::ConstantInt::get(element, wrapping_mul(k, step), true));
  return llvm::ConstantVector::get(numbers);
}

Value* Codegen::materialise_uniform(const Affine& a) {
  Value* r = nullptr;
  for (const Affine::Term& t : a.terms) {
    Value* term = t.coefficient == 1 ? t.value : builder_.CreateMul(t.value, i64(t.coefficient));
    r = r ? builder_.CreateAdd(r, term) : term;
  }
  if (!r) return i64(a.constant);
  return a.constant == 0 ? r : builder_.CreateAdd(r, i64(a.constant));
}

Value* Codegen::materialise(const Affine& a) {
  Value* r = materialise_uniform(a);
  if (a.is_uniform()) return r;
  r = broadcast(r);
  if (a.lane != 0) r = builder_.CreateAdd(r, lane_numbers(i64_, a.lane));
  return a.lanes ? builder_.CreateAdd(r, a.lanes) : r;
}

}  // namespace altrt::jit::cpu
