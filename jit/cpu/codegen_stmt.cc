// Statements: loops, lets, conditions and stores.
#include "jit/cpu/codegen.h"

#include <altrt/error.h>

namespace altrt::jit::cpu {

using llvm::Value;

void Codegen::emit_loop(const std::string& name, Value* first, Value* last, llvm::function_ref<void(Value*)> body) {
  llvm::BasicBlock* before = builder_.GetInsertBlock();
  auto* inside = llvm::BasicBlock::Create(context_, name, function_);
  auto* after = llvm::BasicBlock::Create(context_, name + ".end", function_);
  builder_.CreateBr(inside);
  builder_.SetInsertPoint(inside);
  llvm::PHINode* i = builder_.CreatePHI(i64_, 2, name);
  i->addIncoming(first, before);
  body(i);
  Value* next = builder_.CreateAdd(i, i64(1), name + ".next", true, true);
  i->addIncoming(next, builder_.GetInsertBlock());
  builder_.CreateCondBr(builder_.CreateICmpNE(next, last), inside, after);
  builder_.SetInsertPoint(after);
}

void Codegen::block(const std::vector<Stmt>& body) {
  for (const Stmt& s : body) statement(s);
}

void Codegen::statement(const Stmt& s) {
  const Stmt* outer = at_;
  at_ = &s;
  memos_.assign(1, Memo());
  switch (s.kind) {
    case StmtKind::loop:
      loop(s);
      break;
    case StmtKind::let:
      let(s);
      break;
    case StmtKind::store:
      store(s);
      break;
    case StmtKind::if_then:
      if_then(s);
      break;
    case StmtKind::allocate:  // thread scope has its place in the workspace, a register tile in the frame
      block(s.body);
      break;
    case StmtKind::barrier:
      throw Error(ErrorCode::unsupported, nest_.name + ": barriers exist on GPUs only");
  }
  at_ = outer;
}

void Codegen::with_binding(const std::string& name, Affine value, const std::vector<Stmt>& body) {
  auto place = bindings_.find(name);
  std::optional<Affine> shadowed;
  if (place != bindings_.end()) shadowed = std::move(place->second);
  bindings_[name] = std::move(value);
  block(body);
  if (shadowed) {
    bindings_[name] = std::move(*shadowed);
  } else {
    bindings_.erase(name);
  }
}

void Codegen::loop(const Stmt& s) {
  const Affine extent = affine(s.extent);
  if (s.loop == LoopKind::thread) {
    throw Error(ErrorCode::unsupported,
                nest_.name + ": loop " + s.name + " over threads of a block exists on GPUs only");
  }
  if (s.loop != LoopKind::serial && !extent.is_constant()) fail("the extent of a vector or unrolled loop varies");
  if (extent.is_constant()) {
    if (extent.constant <= 0) return;
    if (extent.constant == 1) return with_binding(s.name, {}, s.body);
  }
  if (s.loop == LoopKind::vector) return vector_loop(s, extent.constant);
  if (s.loop == LoopKind::unrolled) {
    for (int64_t i = 0; i < extent.constant; ++i) {
      Affine value;
      value.constant = i;
      with_binding(s.name, std::move(value), s.body);
    }
    return;
  }
  serial_loop(s, extent);
}

void Codegen::serial_loop(const Stmt& s, const Affine& extent) {
  if (!vector_variable_.empty()) fail("a loop inside a vector loop");
  Value* last = materialise(extent);
  llvm::BasicBlock* skip = nullptr;
  if (!extent.is_constant()) {
    auto* enter = llvm::BasicBlock::Create(context_, s.name + ".enter", function_);
    skip = llvm::BasicBlock::Create(context_, s.name + ".skip", function_);
    builder_.CreateCondBr(builder_.CreateICmpSGT(last, i64(0)), enter, skip);
    builder_.SetInsertPoint(enter);
  }
  const std::optional<Interval> range = bounds(extent);
  ++depth_;
  branches_ += skip != nullptr;
  emit_loop(s.name, i64(0), last, [&](Value* i) {
    std::optional<Interval> inside;
    if (range) inside = Interval{0, range->hi - 1};
    with_binding(s.name, affine_of(i, inside), s.body);
  });
  branches_ -= skip != nullptr;
  --depth_;
  if (skip) {
    builder_.CreateBr(skip);
    builder_.SetInsertPoint(skip);
  }
}

// Full chunks of the target's width, then one with the rest, which LLVM widens to the next register.
void Codegen::vector_loop(const Stmt& s, int64_t extent) {
  if (!vector_variable_.empty()) fail("a vector loop inside a vector loop");
  vector_variable_ = s.name;
  for (int64_t first = 0; first < extent; first += target_.lanes) {
    chunks_.push_back({first, static_cast<int>(std::min<int64_t>(target_.lanes, extent - first))});
  }
  block(s.body);
  chunks_.clear();
  vector_variable_.clear();
}

void Codegen::let(const Stmt& s) {
  if (!vector_variable_.empty()) fail("a let inside a vector loop");
  Affine value = affine(s.value);
  with_binding(s.name, std::move(value), s.body);
}

bool Codegen::depends_on_lane(const Expr& e) const {
  if (vector_variable_.empty()) return false;
  if (e.is(ExprKind::variable)) return e->name == vector_variable_;
  for (const Expr& a : e->args) {
    if (depends_on_lane(a)) return true;
  }
  return false;
}

void Codegen::if_then(const Stmt& s) {
  if (depends_on_lane(s.value)) {
    conditions_.push_back({s.value, false});
    block(s.body);
    conditions_.back().second = true;
    block(s.otherwise);
    conditions_.pop_back();
    return;
  }
  Value* condition = value(s.value);
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition)) return block(known->isZero() ? s.otherwise : s.body);
  auto* yes = llvm::BasicBlock::Create(context_, "then", function_);
  auto* no = s.otherwise.empty() ? nullptr : llvm::BasicBlock::Create(context_, "else", function_);
  auto* after = llvm::BasicBlock::Create(context_, "endif", function_);
  builder_.CreateCondBr(condition, yes, no ? no : after);
  ++branches_;
  builder_.SetInsertPoint(yes);
  block(s.body);
  builder_.CreateBr(after);
  if (no) {
    builder_.SetInsertPoint(no);
    block(s.otherwise);
    builder_.CreateBr(after);
  }
  --branches_;
  builder_.SetInsertPoint(after);
}

// Where the statement's conditions hold, for the current chunk: null = everywhere.
Value* Codegen::current_mask(bool* never) {
  Value* mask = nullptr;
  for (const auto& [condition, negated] : conditions_) {
    Value* c = value(condition);
    if (negated) c = builder_.CreateNot(c);
    if (auto* known = llvm::dyn_cast<llvm::Constant>(c)) {
      if (known->isAllOnesValue()) continue;
      if (known->isNullValue()) *never = true;
    }
    mask = mask ? builder_.CreateAnd(like(mask, c), like(c, mask)) : c;
  }
  return mask;
}

// Inside a vector loop all iterations are evaluated before the first is stored.
void Codegen::store(const Stmt& s) {
  const Memory& m = memories_[s.buffer];
  std::vector<Chunk> chunks = chunks_;
  if (vector_variable_.empty()) chunks.push_back({0, 1});
  std::vector<PendingStore> pending;
  for (const Chunk& chunk : chunks) {
    chunk_ = chunk;
    memos_.assign(1, Memo());
    bool never = false;
    guard_ = nullptr;
    Value* mask = current_mask(&never);
    if (never) continue;
    guard_ = mask;
    memos_.emplace_back();
    Affine index = flatten(m, s.indices);
    Value* v = value(s.value);
    guard_ = nullptr;
    pending.push_back({chunk, std::move(index), to_memory(m.type, v), mask});
  }
  for (const PendingStore& p : pending) {
    chunk_ = p.chunk;
    store_to(m, p);
  }
  chunk_ = {};
  memos_.assign(1, Memo());
}

}  // namespace altrt::jit::cpu
