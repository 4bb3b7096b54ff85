// Values of any type. Scalar while no operand differs between the lanes of the chunk, <width x T> from there on.
#include <altrt/error.h>

#include <llvm/IR/Constants.h>

#include "jit/cpu/codegen.h"
#include "jit/expr/analysis.h"
#include "jit/expr/math.h"
#include "jit/expr/scalar.h"

namespace altrt::jit::cpu {

using llvm::Constant;
using llvm::Value;
using llvm::Intrinsic::ID;

namespace {

bool is_unsigned(DataType type) { return type == DataType::u8 || type == DataType::boolean; }

const Constant* known(Value* v) { return llvm::dyn_cast<Constant>(v); }

// A float constant (or a vector of one) that is not NaN, and then whether it is zero.
bool is_number(Value* v, bool* zero) {
  const Constant* c = known(v);
  if (c && c->getType()->isVectorTy()) c = c->getSplatValue();
  auto* f = llvm::dyn_cast_or_null<llvm::ConstantFP>(c);
  if (!f || f->isNaN()) return false;
  *zero = f->isZero();
  return true;
}

bool is_plus_zero(const Expr& e) {
  if (e.is_int()) return e->int_value == 0;
  return e.is(ExprKind::constant) && e->float_value == 0 && !std::signbit(e->float_value);
}

}  // namespace

Value* Codegen::memoised(const Expr& e) const {
  for (const Memo& memo : memos_) {
    auto place = memo.find(e.get());
    if (place != memo.end()) return place->second;
  }
  return nullptr;
}

Value* Codegen::value(const Expr& e) {
  if (Value* v = memoised(e)) return v;
  Value* v = compute(e);
  memos_.back()[e.get()] = v;
  return v;
}

Value* Codegen::compute(const Expr& e) {
  switch (e->kind) {
    case ExprKind::constant:
      return constant(*e);
    case ExprKind::variable:
      return materialise(affine(e));
    case ExprKind::add:
    case ExprKind::sub:
    case ExprKind::mul:
    case ExprKind::floor_div:
    case ExprKind::floor_mod:
      return e->type == DataType::i64 ? materialise(affine(e)) : arithmetic(*e);
    case ExprKind::div:
    case ExprKind::logical_and:
    case ExprKind::logical_or:
      return arithmetic(*e);
    case ExprKind::min:
    case ExprKind::max:
      return minimum_maximum(*e);
    case ExprKind::eq:
    case ExprKind::ne:
      return comparison(*e);
    case ExprKind::lt:
    case ExprKind::le: {
      const Expr& plain = undivided(e);
      return equal(plain, e) ? comparison(*e) : value(plain);
    }
    case ExprKind::logical_not:
      return builder_.CreateNot(value(e->args[0]));
    case ExprKind::select:
      return select(*e);
    case ExprKind::cast:
      return cast(*e);
    case ExprKind::call:
      return call(*e);
    case ExprKind::access: {
      const Memory& m = memories_[e->id];
      return from_memory(m.type, load(m, flatten(m, e->args)));
    }
    case ExprKind::table:
      return table(*e);
    case ExprKind::shuffle:
      fail("a shuffle exists on GPUs only");
    case ExprKind::state:
    case ExprKind::other:
      fail("a reduction state outside its stage");
    case ExprKind::exp:
    case ExprKind::log:
    case ExprKind::tanh:
    case ExprKind::erf:
    case ExprKind::sigmoid:
      fail("an elementary function that expand_math left");
    default:
      return math(*e);
  }
}

Value* Codegen::constant(const ExprNode& e) {
  if (is_float(e.type)) return llvm::ConstantFP::get(type_of(e.type), e.float_value);
  return llvm::ConstantInt::get(type_of(e.type), static_cast<uint64_t>(e.int_value), true);
}

// The entry that is meant for the whole chunk, if that is known now.
std::optional<double> Codegen::known_entry(const Expr& e) {
  if (!e.is(ExprKind::table)) return std::nullopt;
  const Affine index = affine(e->args[0]);
  if (!index.is_constant()) return std::nullopt;
  if (index.constant < 0 || index.constant >= static_cast<int64_t>(e->table->size()))
    fail("an index outside its table");
  return (*e->table)[index.constant];
}

Value* Codegen::table(const ExprNode& e) {
  const Affine index = affine(e.args[0]);
  const auto size = static_cast<int64_t>(e.table->size());
  const Memory& m = table_memory(e);
  if (!index.terms.empty() || index.lanes || guard_) return from_memory(m.type, load(m, index));
  llvm::SmallVector<Constant*, 16> entries;
  for (int k = 0; k < std::max(1, chunk_.width); ++k) {
    const int64_t i = index.constant + k * index.lane;
    if (i < 0 || i >= size) fail("an index outside its table");
    const double entry = (*e.table)[i];
    entries.push_back(
        is_float(e.type)
            ? llvm::ConstantFP::get(type_of(e.type), entry)
            : llvm::ConstantInt::get(type_of(e.type), static_cast<uint64_t>(static_cast<int64_t>(entry)), true));
  }
  return index.lane == 0 ? entries[0] : llvm::ConstantVector::get(entries);
}

// Products with a known table entry of 0, 1 or -1 (transform matrices are full of them); null for all others.
Value* Codegen::product_with_entry(const ExprNode& e) {
  for (int side = 0; side < 2; ++side) {
    const std::optional<double> entry = known_entry(e.args[side]);
    if (!entry || (*entry != 0 && std::abs(*entry) != 1)) continue;
    const bool is_fma = e.kind == ExprKind::fma;
    if (*entry == 0) return is_fma ? value(e.args[2]) : constant(*jit::constant(e.type, 0));
    Value* x = value(e.args[1 - side]);
    if (!is_fma) return *entry == 1 ? x : builder_.CreateFNeg(x);
    Value* c = value(e.args[2]);
    x = like(x, c);
    c = like(c, x);
    return *entry == 1 ? builder_.CreateFAdd(c, x) : builder_.CreateFSub(c, x);
  }
  return nullptr;
}

std::pair<Value*, Value*> Codegen::pair(const ExprNode& e) {
  Value *a = value(e.args[0]), *b = value(e.args[1]);
  return {like(a, b), like(b, a)};
}

Value* Codegen::arithmetic(const ExprNode& e) {
  const bool floats = is_float(e.type);
  if (floats && e.kind == ExprKind::mul) {
    if (Value* v = product_with_entry(e)) return v;
  }
  auto [a, b] = pair(e);
  switch (e.kind) {
    case ExprKind::add:
      return floats ? builder_.CreateFAdd(a, b) : builder_.CreateAdd(a, b);
    case ExprKind::sub:
      return floats ? builder_.CreateFSub(a, b) : builder_.CreateSub(a, b);
    case ExprKind::mul:
      return floats ? builder_.CreateFMul(a, b) : builder_.CreateMul(a, b);
    case ExprKind::logical_and:
      return builder_.CreateAnd(a, b);
    case ExprKind::logical_or:
      return builder_.CreateOr(a, b);
    default:
      return floats ? builder_.CreateFDiv(a, b) : integer_division(e.kind, e.type, a, b);
  }
}

// No division by 0 or of the least integer by -1 is ever executed, whatever the operands.
Value* Codegen::integer_division(ExprKind kind, DataType type, Value* a, Value* b) {
  llvm::Type* t = a->getType();
  Constant *zero = Constant::getNullValue(t), *one = llvm::ConstantInt::get(t, 1);
  Value* by_zero = builder_.CreateICmpEQ(b, zero);
  if (is_unsigned(type)) {
    Value* d = builder_.CreateSelect(by_zero, one, b);
    Value* q = kind == ExprKind::floor_mod ? builder_.CreateURem(a, d) : builder_.CreateUDiv(a, d);
    return builder_.CreateSelect(by_zero, zero, q);
  }
  Value* by_minus_one = builder_.CreateICmpEQ(b, Constant::getAllOnesValue(t));
  Value* d = builder_.CreateSelect(builder_.CreateOr(by_zero, by_minus_one), one, b);
  Value* q = builder_.CreateSelect(by_minus_one, builder_.CreateNeg(a), builder_.CreateSDiv(a, d));
  q = builder_.CreateSelect(by_zero, zero, q);
  if (kind == ExprKind::div) return q;
  Value* r = builder_.CreateSub(a, builder_.CreateMul(q, b));
  Value* adjust =
      builder_.CreateAnd(builder_.CreateICmpNE(r, zero), builder_.CreateICmpSLT(builder_.CreateXor(r, b), zero));
  adjust = builder_.CreateAnd(adjust, builder_.CreateNot(by_zero));
  if (kind == ExprKind::floor_div) return builder_.CreateSub(q, builder_.CreateSelect(adjust, one, zero));
  Value* mod = builder_.CreateAdd(r, builder_.CreateSelect(adjust, b, zero));
  return builder_.CreateSelect(by_zero, zero, mod);
}

// nan_min and nan_max of jit/expr/scalar.h: b where b is NaN, b where it is strictly beyond a, else a. Written so that
// a constant that is not NaN costs one instruction (minps and maxps return their second operand where either is NaN or
// both are zero).
Value* Codegen::minimum_maximum(const ExprNode& e) {
  auto [a, b] = pair(e);
  const bool is_min = e.kind == ExprKind::min;
  if (!is_float(e.type)) {
    if (e.type == DataType::boolean) return is_min ? builder_.CreateAnd(a, b) : builder_.CreateOr(a, b);
    const ID id = is_unsigned(e.type) ? (is_min ? llvm::Intrinsic::umin : llvm::Intrinsic::umax)
                                      : (is_min ? llvm::Intrinsic::smin : llvm::Intrinsic::smax);
    return intrinsic(id, {a->getType()}, {a, b});
  }
  bool zero = false;
  if (is_number(a, &zero) && !zero) {  // ties have equal bits, so that either may be returned
    Value* keep = is_min ? builder_.CreateFCmpOLT(a, b) : builder_.CreateFCmpOGT(a, b);
    return builder_.CreateSelect(keep, a, b);
  }
  Value* take = is_min ? builder_.CreateFCmpOLT(b, a) : builder_.CreateFCmpOGT(b, a);
  Value* r = builder_.CreateSelect(take, b, a);
  if (is_number(b, &zero)) return r;
  return builder_.CreateSelect(builder_.CreateFCmpUNO(b, b), b, r);
}

// Lanes would divide one by one.
const Expr& Codegen::undivided(const Expr& e) {
  if (!depends_on_lane(e)) return e;
  const auto [place, is_new] = undivided_.try_emplace(e.get(), Undivided{e, e});
  if (is_new) place->second.plain = Analyzer({}).undivided(e);
  return place->second.plain;
}

Value* Codegen::comparison(const ExprNode& e) {
  const DataType type = e.args[0]->type;
  if (type == DataType::i64) {
    const Affine a = affine(e.args[0]), b = affine(e.args[1]);
    return index_comparison(e.kind, a, b);
  }
  auto [a, b] = pair(e);
  using Predicate = llvm::CmpInst::Predicate;
  if (is_float(type)) {
    const Predicate p = e.kind == ExprKind::eq   ? Predicate::FCMP_OEQ
                        : e.kind == ExprKind::ne ? Predicate::FCMP_UNE
                        : e.kind == ExprKind::lt ? Predicate::FCMP_OLT
                                                 : Predicate::FCMP_OLE;
    return builder_.CreateFCmp(p, a, b);
  }
  const bool u = is_unsigned(type);
  const Predicate p = e.kind == ExprKind::eq   ? Predicate::ICMP_EQ
                      : e.kind == ExprKind::ne ? Predicate::ICMP_NE
                      : e.kind == ExprKind::lt ? (u ? Predicate::ICMP_ULT : Predicate::ICMP_SLT)
                                               : (u ? Predicate::ICMP_ULE : Predicate::ICMP_SLE);
  return builder_.CreateICmp(p, a, b);
}

// Decided by the operands' ranges where they allow it. Lane-varying comparisons of indices run in i32: the uniform side
// is clamped first.
Value* Codegen::index_comparison(ExprKind kind, const Affine& a, const Affine& b) {
  using Predicate = llvm::CmpInst::Predicate;
  const Predicate p = kind == ExprKind::eq   ? Predicate::ICMP_EQ
                      : kind == ExprKind::ne ? Predicate::ICMP_NE
                      : kind == ExprKind::lt ? Predicate::ICMP_SLT
                                             : Predicate::ICMP_SLE;
  if (!bounds(a) || !bounds(b)) {
    Value *x = materialise(a), *y = materialise(b);
    return builder_.CreateICmp(p, like(x, y), like(y, x));
  }
  Affine d = sum(a, scaled(b, -1));  // a - b, compared with 0
  const Interval r = *bounds(d);
  if (kind == ExprKind::lt && (r.hi < 0 || r.lo >= 0)) return builder_.getInt1(r.hi < 0);
  if (kind == ExprKind::le && (r.hi <= 0 || r.lo > 0)) return builder_.getInt1(r.hi <= 0);
  if ((kind == ExprKind::eq || kind == ExprKind::ne) && (r.hi < 0 || r.lo > 0 || (r.lo == 0 && r.hi == 0))) {
    return builder_.getInt1((r.lo == 0 && r.hi == 0) == (kind == ExprKind::eq));
  }
  const int64_t lane = d.lane;
  if (lane == 0) return builder_.CreateICmp(p, materialise(d), i64(0));
  d.lane = 0;
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max() / 2;
  if (std::abs(lane) > kMax / chunk_.width) {
    return builder_.CreateICmp(p, builder_.CreateAdd(broadcast(materialise(d)), lane_numbers(i64_, lane)),
                               broadcast(i64(0)));
  }
  Value* uniform = materialise(d);
  const std::optional<Interval> range = bounds(d);
  if (!range || range->lo < -kMax || range->hi > kMax) {
    uniform = intrinsic(llvm::Intrinsic::smax, {i64_}, {uniform, i64(-kMax)});
    uniform = intrinsic(llvm::Intrinsic::smin, {i64_}, {uniform, i64(kMax)});
  }
  llvm::Type* i32 = builder_.getInt32Ty();
  Value* limit = broadcast(builder_.CreateTrunc(builder_.CreateNeg(uniform), i32));
  return builder_.CreateICmp(p, lane_numbers(i32, lane), limit);
}

bool Codegen::reads_memory(const Expr& e) {
  if (e.is(ExprKind::access) || e.is(ExprKind::table)) return true;
  if (e->args.empty()) return false;
  auto place = reads_memory_.find(e.get());
  if (place != reads_memory_.end()) return place->second;
  bool reads = false;
  for (const Expr& a : e->args) reads |= reads_memory(a);
  reads_memory_[e.get()] = reads;
  return reads;
}

// The value of `e` for use where `condition` (or its negation) holds: no access is performed elsewhere.
Value* Codegen::guarded(const Expr& e, Value* condition, bool negate) {
  if (!reads_memory(e)) return value(e);
  if (negate) condition = builder_.CreateNot(condition);
  Value* outer = guard_;
  guard_ = outer ? builder_.CreateAnd(like(outer, condition), like(condition, outer)) : condition;
  memos_.emplace_back();
  Value* v = value(e);
  memos_.pop_back();
  guard_ = outer;
  return v;
}

Value* Codegen::select(const ExprNode& e) {
  Value* condition = value(e.args[0]);
  if (const Constant* c = known(condition)) {
    if (c->isAllOnesValue()) return value(e.args[1]);
    if (c->isNullValue()) return value(e.args[2]);
  }
  const bool fresh = !memoised(e.args[1]);
  Value* a = guarded(e.args[1], condition, false);
  // A guarded access yields zero where its guard does not hold, except one element for lanes of both kinds.
  const bool is_load = e.args[1].is(ExprKind::access) && !memories_[e.args[1]->id].is_tile;
  const bool by_lane = a->getType()->isVectorTy() || !condition->getType()->isVectorTy();
  if (is_load && fresh && by_lane && is_plus_zero(e.args[2])) return a;
  Value* b = guarded(e.args[2], condition, true);
  if (condition->getType()->isVectorTy()) return builder_.CreateSelect(condition, broadcast(a), broadcast(b));
  a = like(a, b);
  b = like(b, a);
  return builder_.CreateSelect(like(condition, a), a, b);  // a scalar condition of vectors would become a branch
}

Value* Codegen::math(const ExprNode& e) {
  if (e.kind == ExprKind::fma) return fma(e);
  Value* a = value(e.args[0]);
  llvm::Type* t = a->getType();
  const bool floats = is_float(e.type);
  switch (e.kind) {
    case ExprKind::neg:
      return floats ? builder_.CreateFNeg(a) : builder_.CreateNeg(a);
    case ExprKind::abs:
      if (is_unsigned(e.type)) return a;
      return floats ? intrinsic(llvm::Intrinsic::fabs, {t}, {a})
                    : intrinsic(llvm::Intrinsic::abs, {t}, {a, builder_.getFalse()});
    case ExprKind::sqrt:
      return intrinsic(llvm::Intrinsic::sqrt, {t}, {a});
    case ExprKind::floor:
      return intrinsic(llvm::Intrinsic::floor, {t}, {a});
    case ExprKind::ceil:
      return intrinsic(llvm::Intrinsic::ceil, {t}, {a});
    case ExprKind::round_even:
      return intrinsic(llvm::Intrinsic::roundeven, {t}, {a});
    case ExprKind::bitcast: {
      llvm::Type* to = type_of(e.type);
      if (t->isVectorTy()) to = llvm::FixedVectorType::get(to, chunk_.width);
      return builder_.CreateBitCast(a, to);
    }
    case ExprKind::shift_left:
    case ExprKind::shift_right: {
      Value* n = llvm::ConstantInt::get(t, static_cast<uint64_t>(e.args[1]->int_value));
      return e.kind == ExprKind::shift_left ? builder_.CreateShl(a, n) : builder_.CreateAShr(a, n);
    }
    default:
      fail("an operation without code");
  }
}

Value* Codegen::fma(const ExprNode& e) {
  if (Value* v = product_with_entry(e)) return v;
  Value *a = value(e.args[0]), *b = value(e.args[1]), *c = value(e.args[2]);
  a = like(like(a, b), c);
  b = like(b, a);
  c = like(c, a);
  return intrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
}

// Helpers are scalar and pure; a vector calls once a lane.
Value* Codegen::call(const ExprNode& e) {
  const MathHelper* helper = find_math_helper(e.name);
  if (!helper || helper->arity != static_cast<int>(e.args.size())) fail("no helper function " + e.name);
  llvm::SmallVector<Value*, 2> args;
  bool vector = false;
  for (const Expr& a : e.args) {
    args.push_back(value(a));
    vector |= args.back()->getType()->isVectorTy();
  }
  llvm::Type* type = type_of(e.type);
  llvm::SmallVector<llvm::Type*, 2> types(e.args.size(), type);
  auto callee = module_.getOrInsertFunction("altrt_h_" + e.name, llvm::FunctionType::get(type, types, false));
  auto* f = llvm::cast<llvm::Function>(callee.getCallee());
  f->setDoesNotAccessMemory();
  f->setDoesNotThrow();
  f->setWillReturn();
  if (!vector) return builder_.CreateCall(callee, args);
  Value* r = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, chunk_.width));
  for (int k = 0; k < chunk_.width; ++k) {
    llvm::SmallVector<Value*, 2> lane;
    for (Value* a : args) lane.push_back(builder_.CreateExtractElement(broadcast(a), static_cast<uint64_t>(k)));
    r = builder_.CreateInsertElement(r, builder_.CreateCall(callee, lane), static_cast<uint64_t>(k));
  }
  return r;
}

Value* Codegen::cast(const ExprNode& e) {
  const DataType from = e.args[0]->type, to = e.type;
  Value* a = value(e.args[0]);
  llvm::Type* t = type_of(to);
  if (a->getType()->isVectorTy()) t = llvm::FixedVectorType::get(t, chunk_.width);
  if (to == DataType::boolean) {
    Constant* zero = Constant::getNullValue(a->getType());
    return is_float(from) ? builder_.CreateFCmpUNE(a, zero) : builder_.CreateICmpNE(a, zero);
  }
  if (is_float(from)) {
    if (is_float(to)) return builder_.CreateFPCast(a, t);
    return intrinsic(is_unsigned(to) ? llvm::Intrinsic::fptoui_sat : llvm::Intrinsic::fptosi_sat, {t, a->getType()},
                     {a});
  }
  if (is_float(to)) return is_unsigned(from) ? builder_.CreateUIToFP(a, t) : builder_.CreateSIToFP(a, t);
  return builder_.CreateIntCast(a, t, !is_unsigned(from));
}

}  // namespace altrt::jit::cpu
