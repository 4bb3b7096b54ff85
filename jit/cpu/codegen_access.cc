// Loads and stores. The index's dependence on the lane decides the form: the same for all lanes (scalar), consecutive,
// stride 2, anything else. Under a guard that does not hold nothing outside the buffers is touched: uniform guards turn
// the address into that of zeros, lane-varying ones give masked loads.
#include <llvm/IR/Constants.h>

#include <algorithm>

#include "jit/cpu/codegen.h"
#include "jit/expr/scalar.h"
#include "jit/expr/simplify.h"

namespace altrt::jit::cpu {

using llvm::Align;
using llvm::Value;

namespace {

Align element_align(DataType type) { return Align(size_of(type)); }

bool has_remainder(const Expr& index) {
  return index.is(ExprKind::floor_mod) || std::any_of(index->args.begin(), index->args.end(), has_remainder);
}

}  // namespace

llvm::VectorType* Codegen::vector_of(DataType type) const {
  return llvm::FixedVectorType::get(memory_type_of(type), static_cast<unsigned>(chunk_.width));
}

Value* Codegen::from_memory(DataType type, Value* v) {
  return type == DataType::boolean ? builder_.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType())) : v;
}

Value* Codegen::to_memory(DataType type, Value* v) {
  if (type != DataType::boolean) return v;
  llvm::Type* byte = builder_.getInt8Ty();
  return builder_.CreateZExt(v, v->getType()->isVectorTy() ? vector_of(type) : byte);
}

void Codegen::annotate(const Memory& m, llvm::Instruction* access, bool is_load) {
  if (m.scope) access->setMetadata(llvm::LLVMContext::MD_alias_scope, m.scope);
  if (m.noalias) access->setMetadata(llvm::LLVMContext::MD_noalias, m.noalias);
  if (is_load && m.invariant) {
    access->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
  }
}

Value* Codegen::load_at(const Memory& m, Value* address, llvm::Type* type) {
  llvm::LoadInst* load = builder_.CreateAlignedLoad(type, address, element_align(m.type));
  annotate(m, load, true);
  return load;
}

void Codegen::store_at(const Memory& m, Value* address, Value* v) {
  annotate(m, builder_.CreateAlignedStore(v, address, element_align(m.type)), false);
}

Affine Codegen::flatten(const Memory& m, const Exprs& indices) {
  if (indices.size() != m.shape.size()) fail("an access whose rank is not its buffer's");
  if (std::any_of(indices.begin(), indices.end(), has_remainder)) return affine(joined(m, indices));
  Affine flat;
  int64_t stride = 1;
  for (size_t d = indices.size(); d-- > 0;) {
    flat = sum(flat, scaled(affine(indices[d]), stride));
    stride *= m.shape[d];
  }
  return flat;
}

// Digits of one number, as of a loop over several dimensions, are put together where the dimensions lie side by side:
// x/8*8 + x%8 is x, which moves by one from lane to lane.
const Expr& Codegen::joined(const Memory& m, const Exprs& indices) {
  std::pair<std::vector<const ExprNode*>, std::vector<int64_t>> key{{}, m.shape};
  for (const Expr& index : indices) key.first.push_back(index.get());
  const auto [place, is_new] = joined_.try_emplace(std::move(key), Joined{indices, Expr(0)});
  Expr& flat = place->second.flat;
  if (!is_new) return flat;
  int64_t stride = 1;
  for (size_t d = indices.size(); d-- > 0;) {
    flat = indices[d] * stride + flat;
    stride *= m.shape[d];
  }
  return flat = simplify(flat, {});
}

// Outer loops first and the constant last, so that the invariant part is hoisted and the constant ends in the
// addressing mode.
Value* Codegen::address(const Memory& m, const Affine& index) {
  const int64_t bytes = static_cast<int64_t>(size_of(m.type));
  llvm::Type* byte = builder_.getInt8Ty();
  Value* p = m.base;
  for (const Affine::Term& t : index.terms) {
    const int64_t c = wrapping_mul(t.coefficient, bytes);
    p = builder_.CreateGEP(byte, p, c == 1 ? t.value : builder_.CreateMul(t.value, i64(c)));
  }
  return index.constant == 0 ? p : builder_.CreateGEP(byte, p, i64(wrapping_mul(index.constant, bytes)));
}

llvm::GlobalVariable* Codegen::constant_data(const std::string& name, llvm::Constant* contents) {
  auto* data = llvm::cast<llvm::GlobalVariable>(module_.getOrInsertGlobal(name, contents->getType()));
  data->setLinkage(llvm::GlobalValue::PrivateLinkage);
  data->setConstant(true);
  data->setInitializer(contents);
  data->setAlignment(Align(64));
  return data;
}

Value* Codegen::address_or_zeros(Value* address, Value* condition) {
  if (!condition) return address;
  if (!zeros_) {
    auto* type = llvm::ArrayType::get(i64_, static_cast<uint64_t>(target_.lanes) + 1);
    zeros_ = constant_data("zeros", llvm::ConstantAggregateZero::get(type));
  }
  return builder_.CreateSelect(condition, address, zeros_);
}

Value* Codegen::lane_of(Value* v, int lane) {
  return v && v->getType()->isVectorTy() ? builder_.CreateExtractElement(v, static_cast<uint64_t>(lane)) : v;
}

Value* Codegen::any_lane(Value* condition) {
  return condition && condition->getType()->isVectorTy() ? builder_.CreateOrReduce(condition) : condition;
}

Value* Codegen::load(const Memory& m, const Affine& index) {
  if (m.is_tile) return load_tile(m, index);
  if (index.is_uniform()) {
    return load_at(m, address_or_zeros(address(m, index), any_lane(guard_)), memory_type_of(m.type));
  }
  const bool varying_guard = guard_ && guard_->getType()->isVectorTy();
  if (!index.lanes && index.lane == 1) return load_contiguous(m, index);
  if (!index.lanes && index.lane == -1 && !varying_guard) {
    Affine reversed = index;
    reversed.constant -= chunk_.width - 1;
    reversed.lane = 1;
    return builder_.CreateVectorReverse(load_contiguous(m, reversed));
  }
  if (!index.lanes && index.lane == 2 && chunk_.width >= 4 && size_of(m.type) == 4) return load_stride_two(m, index);
  if (!varying_guard) {
    if (Value* v = load_row(m, index)) return v;
  }
  return load_lane_by_lane(m, index);
}

// Every lane's element lies in one short row of the buffer, at a place known now: the row is loaded whole and shuffled.
// Null where that is not so.
Value* Codegen::load_row(const Memory& m, const Affine& index) {
  const int64_t row = m.shape.empty() ? 0 : m.shape.back();
  if (row < 2 || row > 2 * chunk_.width) return nullptr;
  for (const Affine::Term& t : index.terms) {
    if (t.coefficient % row != 0) return nullptr;
  }
  auto* lanes = llvm::dyn_cast_or_null<llvm::Constant>(index.lanes);
  if (index.lanes && !lanes) return nullptr;
  llvm::SmallVector<int, 16> pick;
  int64_t first = 0;
  for (int k = 0; k < chunk_.width; ++k) {
    int64_t element = index.constant + index.lane * k;
    if (lanes) {
      auto* offset = llvm::dyn_cast_or_null<llvm::ConstantInt>(lanes->getAggregateElement(static_cast<unsigned>(k)));
      if (!offset) return nullptr;
      element += offset->getSExtValue();
    }
    const int64_t start = floored_div(element, row) * row;
    if (k == 0) first = start;
    if (start != first) return nullptr;
    pick.push_back(static_cast<int>(element - first));
  }
  Affine begin = index;
  begin.lane = 0;
  begin.lanes = nullptr;
  begin.constant = first;
  auto* type = llvm::FixedVectorType::get(memory_type_of(m.type), static_cast<unsigned>(row));
  Value* whole = load_at(m, address_or_zeros(address(m, begin), guard_), type);
  return builder_.CreateShuffleVector(whole, pick);
}

Value* Codegen::load_contiguous(const Memory& m, const Affine& index) {
  Value* p = address(m, at_lane(index, 0));
  if (!guard_ || !guard_->getType()->isVectorTy()) return load_at(m, address_or_zeros(p, guard_), vector_of(m.type));
  return load_where(m, p, guard_);
}

// Zero elsewhere, where nothing is touched.
Value* Codegen::load_where(const Memory& m, Value* address, Value* mask) {
  llvm::CallInst* load = builder_.CreateMaskedLoad(vector_of(m.type), address, element_align(m.type), mask,
                                                   llvm::Constant::getNullValue(vector_of(m.type)));
  annotate(m, load, true);
  return load;
}

// Two vectors that end with the last element needed, then one shuffle: the even elements of the first, the odd ones of
// the second.
Value* Codegen::load_stride_two(const Memory& m, const Affine& index) {
  const int n = chunk_.width;
  const bool varying_guard = guard_ && guard_->getType()->isVectorTy();
  const auto load_from = [&](int first) {
    Affine start = at_lane(index, 0);
    start.constant += first;
    if (!varying_guard) return load_at(m, address_or_zeros(address(m, start), guard_), vector_of(m.type));
    llvm::SmallVector<int, 16> lanes;  // whose elements these are; n = nobody's
    for (int k = 0; k < n; ++k) lanes.push_back((first + k) % 2 == 0 ? (first + k) / 2 : n);
    Value* mask = builder_.CreateShuffleVector(guard_, llvm::Constant::getNullValue(guard_->getType()), lanes);
    return load_where(m, address(m, start), mask);
  };
  Value *low = load_from(0), *high = load_from(n - 1);
  llvm::SmallVector<int, 16> pick;
  for (int k = 0; k < n; ++k) pick.push_back(2 * k < n ? 2 * k : n + 2 * k - (n - 1));
  return builder_.CreateShuffleVector(low, high, pick);
}

Value* Codegen::load_lane_by_lane(const Memory& m, const Affine& index) {
  Value* r = llvm::PoisonValue::get(vector_of(m.type));
  for (int k = 0; k < chunk_.width; ++k) {
    Value* p = address_or_zeros(address(m, at_lane(index, k)), lane_of(guard_, k));
    r = builder_.CreateInsertElement(r, load_at(m, p, memory_type_of(m.type)), static_cast<uint64_t>(k));
  }
  return r;
}

// The lanes [first, second) of a contiguous access to a tile lie inside it; others may only exist where they are
// masked off, or where the code is never reached.
std::pair<int, int> Codegen::lanes_inside(const Memory& m, const Affine& index, Value* condition) const {
  const int64_t width = in_vector() ? chunk_.width : 1;
  const int64_t first = std::clamp<int64_t>(-index.constant, 0, width);
  const int64_t end = std::clamp<int64_t>(m.elements - index.constant, first, width);
  if (end - first < width && !condition && branches_ == 0) fail("an index outside its register tile");
  return {static_cast<int>(first), static_cast<int>(end)};
}

// Register tiles are never guarded: reading an element for nothing costs nothing, and only plain accesses become SSA
// values.
Value* Codegen::load_tile(const Memory& m, const Affine& index) {
  if (!index.terms.empty()) fail("an index of a register tile varies");
  if (index.is_uniform()) {
    const bool inside = index.constant >= 0 && index.constant < m.elements;
    if (!inside && !guard_ && branches_ == 0) fail("an index outside its register tile");
    llvm::Type* type = memory_type_of(m.type);
    return inside ? load_at(m, address(m, index), type) : llvm::Constant::getNullValue(type);
  }
  if (!index.lanes && index.lane == 1) {
    const auto [first, end] = lanes_inside(m, index, guard_);
    if (first == end) return llvm::Constant::getNullValue(vector_of(m.type));
    auto* type = llvm::FixedVectorType::get(memory_type_of(m.type), static_cast<unsigned>(end - first));
    Value* part = load_at(m, address(m, at_lane(index, first)), type);
    if (end - first == chunk_.width) return part;
    llvm::SmallVector<int, 16> pick;
    for (int k = 0; k < chunk_.width; ++k) pick.push_back(k >= first && k < end ? k - first : -1);
    return builder_.CreateShuffleVector(part, pick);
  }
  Value* r = llvm::PoisonValue::get(vector_of(m.type));
  for (int k = 0; k < chunk_.width; ++k) {
    r = builder_.CreateInsertElement(r, load_tile(m, at_lane(index, k)), static_cast<uint64_t>(k));
  }
  return r;
}

void Codegen::where(Value* condition, llvm::function_ref<void()> body) {
  if (!condition) return body();
  auto* yes = llvm::BasicBlock::Create(context_, "masked", function_);
  auto* after = llvm::BasicBlock::Create(context_, "unmasked", function_);
  builder_.CreateCondBr(condition, yes, after);
  builder_.SetInsertPoint(yes);
  body();
  builder_.CreateBr(after);
  builder_.SetInsertPoint(after);
}

void Codegen::store_to(const Memory& m, const PendingStore& s) {
  if (m.is_tile) return store_tile(m, s);
  if (!in_vector()) return where(s.mask, [&] { store_at(m, address(m, s.index), s.value); });
  if (!s.index.lanes && s.index.lane == 1) return store_contiguous(m, s);
  if (s.index.is_uniform() && !s.mask) return store_at(m, address(m, s.index), lane_of(s.value, chunk_.width - 1));
  store_lane_by_lane(m, s);
}

void Codegen::store_contiguous(const Memory& m, const PendingStore& s) {
  Value* p = address(m, at_lane(s.index, 0));
  Value* v = broadcast(s.value);
  if (!s.mask || !s.mask->getType()->isVectorTy()) return where(s.mask, [&] { store_at(m, p, v); });
  annotate(m, builder_.CreateMaskedStore(v, p, element_align(m.type), s.mask), false);
}

// In lane order, so that the last lane wins where several store to one place.
void Codegen::store_lane_by_lane(const Memory& m, const PendingStore& s) {
  for (int k = 0; k < chunk_.width; ++k) {
    Value* v = lane_of(s.value, k);
    where(lane_of(s.mask, k), [&] { store_at(m, address(m, at_lane(s.index, k)), v); });
  }
}

// Where a mask holds: the new value is chosen before the store, which stays a plain one.
void Codegen::store_tile(const Memory& m, const PendingStore& s) {
  if (!s.index.terms.empty()) fail("an index of a register tile varies");
  if (in_vector() && !s.index.lanes && s.index.lane == 1) {
    const auto [first, end] = lanes_inside(m, s.index, s.mask);
    if (first == end || (end - first < chunk_.width && !s.mask)) return;  // masked off, or never reached
    Value* v = broadcast(s.value);
    Value* mask = s.mask ? broadcast(s.mask) : nullptr;
    if (end - first < chunk_.width) {
      llvm::SmallVector<int, 16> pick;
      for (int k = first; k < end; ++k) pick.push_back(k);
      v = builder_.CreateShuffleVector(v, pick);
      mask = builder_.CreateShuffleVector(mask, pick);
    }
    Value* p = address(m, at_lane(s.index, first));
    return store_at(m, p, mask ? builder_.CreateSelect(mask, v, load_at(m, p, v->getType())) : v);
  }
  for (int k = 0; k < std::max(1, chunk_.width); ++k) {
    const Affine index = at_lane(s.index, k);
    Value *v = lane_of(s.value, k), *mask = lane_of(s.mask, k);
    if (index.constant < 0 || index.constant >= m.elements) {
      if (!mask && branches_ == 0) fail("an index outside its register tile");
      continue;
    }
    Value* p = address(m, index);
    store_at(m, p, mask ? builder_.CreateSelect(mask, v, load_at(m, p, v->getType())) : v);
  }
}

Codegen::Memory& Codegen::table_memory(const ExprNode& e) {
  Memory& m = tables_[{e.table.get(), e.type}];
  if (m.base) return m;
  llvm::SmallVector<llvm::Constant*> values;
  llvm::Type* type = memory_type_of(e.type);
  for (double v : *e.table) {
    values.push_back(is_float(e.type)
                         ? llvm::ConstantFP::get(type, v)
                         : llvm::ConstantInt::get(type, static_cast<uint64_t>(float_to_int(e.type, v)), true));
  }
  auto* array = llvm::ArrayType::get(type, values.size());
  m.base = constant_data("table" + std::to_string(tables_.size()), llvm::ConstantArray::get(array, values));
  m.type = e.type;
  m.shape = {static_cast<int64_t>(values.size())};
  m.elements = m.shape[0];
  m.invariant = true;
  return m;
}

}  // namespace altrt::jit::cpu
