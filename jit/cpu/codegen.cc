#include "jit/cpu/codegen.h"

#include <altrt/error.h>

#include <llvm/IR/MDBuilder.h>

namespace altrt::jit::cpu {

using llvm::ArrayRef;
using llvm::Value;

Codegen::Codegen(llvm::Module& module, const Nest& nest, const Target& target)
    : module_(module),
      context_(module.getContext()),
      nest_(nest),
      target_(target),
      builder_(context_),
      i64_(llvm::Type::getInt64Ty(context_)) {
  memos_.emplace_back();
}

void Codegen::run(const std::string& entry) {
  llvm::Function* f = declare(entry);
  function_ = f;
  load_arguments(f);
  add_alias_scopes();
  task_loop(f);
}

void Codegen::fail(const std::string& what) const {
  std::string message = "code generation of " + nest_.name + ": " + what;
  if (at_ && at_->kind == StmtKind::store && at_->buffer >= 0) {
    message += " (in a store to " + nest_.buffers[at_->buffer].name + ")";
  } else if (at_ && !at_->name.empty()) {
    message += " (at " + at_->name + ")";
  }
  throw Error(ErrorCode::internal, message);
}

llvm::Function* Codegen::declare(const std::string& entry) {
  llvm::Type* pointer = builder_.getPtrTy();
  auto* type = llvm::FunctionType::get(builder_.getVoidTy(), {pointer, pointer, pointer, i64_, i64_}, false);
  auto* f = llvm::Function::Create(type, llvm::Function::ExternalLinkage, entry, module_);
  static const char* const kNames[] = {"buffers", "sizes", "workspace", "first", "last"};
  for (int i = 0; i < 5; ++i) f->getArg(i)->setName(kNames[i]);
  f->addFnAttr(llvm::Attribute::NoUnwind);
  f->addFnAttr("no-builtins");
  f->addFnAttr("no-stack-arg-probe");
  f->addFnAttr("target-features", target_.features);
  f->addFnAttr("tune-cpu", target_.tune_cpu);
  const std::string bits = std::to_string(target_.lanes * 32);
  f->addFnAttr("prefer-vector-width", bits);
  f->addFnAttr("min-legal-vector-width", bits);
  return f;
}

void Codegen::load_arguments(llvm::Function* f) {
  builder_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", f));
  llvm::MDNode* empty = llvm::MDNode::get(context_, {});
  for (size_t b = 0; b < nest_.buffers.size(); ++b) {
    const Buffer& buffer = nest_.buffers[b];
    Memory m;
    m.type = buffer.type;
    m.shape = buffer.shape;
    m.elements = buffer.elements();
    if (buffer.scope == Scope::argument) {
      auto* load = builder_.CreateLoad(builder_.getPtrTy(),
                                       builder_.CreateConstGEP1_64(builder_.getPtrTy(), f->getArg(0), buffer.argument));
      load->setMetadata(llvm::LLVMContext::MD_invariant_load, empty);
      load->setName(buffer.name);
      m.base = load;
      m.invariant = !buffer.written;
    } else if (buffer.scope == Scope::thread) {
      m.base = builder_.CreateConstGEP1_64(builder_.getInt8Ty(), f->getArg(2),
                                           nest_.workspace_offset(static_cast<int>(b)), buffer.name);
    } else if (buffer.scope == Scope::register_tile) {
      m.is_tile = true;
      m.base =
          builder_.CreateAlloca(llvm::ArrayType::get(memory_type_of(buffer.type), m.elements), nullptr, buffer.name);
    } else {
      throw Error(ErrorCode::unsupported, nest_.name + ": group scope exists on GPUs only");
    }
    memories_.push_back(std::move(m));
  }
  for (int s = 0; s < nest_.sizes; ++s) {
    auto* load = builder_.CreateLoad(i64_, builder_.CreateConstGEP1_64(i64_, f->getArg(1), s));
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, empty);
    const std::string name = "size" + std::to_string(s);
    load->setName(name);
    const size_t i = static_cast<size_t>(s);
    const int64_t bound = i < nest_.size_bounds.size() ? nest_.size_bounds[i] : int64_t{1} << 40;
    bindings_[name] = affine_of(load, Interval{0, bound});
  }
}

// Different buffers never overlap, which the passes learn from one alias scope a buffer.
void Codegen::add_alias_scopes() {
  llvm::MDBuilder metadata(context_);
  llvm::MDNode* domain = metadata.createAnonymousAliasScopeDomain(nest_.name);
  std::vector<llvm::Metadata*> scopes;
  for (size_t b = 0; b < memories_.size(); ++b) {
    scopes.push_back(metadata.createAnonymousAliasScope(domain, nest_.buffers[b].name));
  }
  for (size_t b = 0; b < memories_.size(); ++b) {
    if (memories_[b].is_tile) continue;
    std::vector<llvm::Metadata*> others;
    for (size_t o = 0; o < memories_.size(); ++o) {
      if (o != b && !memories_[o].is_tile) others.push_back(scopes[o]);
    }
    memories_[b].scope = llvm::MDNode::get(context_, {scopes[b]});
    if (!others.empty()) memories_[b].noalias = llvm::MDNode::get(context_, others);
  }
}

void Codegen::task_loop(llvm::Function* f) {
  Value *first = f->getArg(3), *last = f->getArg(4);
  auto* begin = llvm::BasicBlock::Create(context_, "tasks", f);
  auto* done = llvm::BasicBlock::Create(context_, "done", f);
  builder_.CreateCondBr(builder_.CreateICmpSLT(first, last), begin, done);
  builder_.SetInsertPoint(begin);
  ++depth_;
  emit_loop("task", first, last, [&](Value* task) {
    bind_parallel(task);
    block(nest_.body);
  });
  --depth_;
  builder_.CreateBr(done);
  builder_.SetInsertPoint(done);
  builder_.CreateRetVoid();
}

// The outermost digit of the task number needs no modulus, so that its extent may be symbolic.
void Codegen::bind_parallel(Value* task) {
  Value* rest = task;
  for (size_t i = nest_.parallel.size(); i-- > 0;) {
    const ParallelLoop& p = nest_.parallel[i];
    if (p.extent.bound == 1 && !p.extent.is_symbolic()) {
      bindings_[p.name] = {};
      continue;
    }
    Value* digit = rest;
    bool outermost = true;
    for (size_t o = 0; o < i; ++o) outermost &= nest_.parallel[o].extent == Extent(1);
    if (!outermost) {
      digit = builder_.CreateURem(rest, i64(p.extent.bound), p.name);
      rest = builder_.CreateUDiv(rest, i64(p.extent.bound));
    }
    bindings_[p.name] = affine_of(digit, Interval{0, p.extent.bound - 1});
  }
}

llvm::Type* Codegen::type_of(DataType type) const {
  return type == DataType::boolean ? llvm::Type::getInt1Ty(context_) : memory_type_of(type);
}

llvm::Type* Codegen::memory_type_of(DataType type) const {
  switch (type) {
    case DataType::f32:
      return llvm::Type::getFloatTy(context_);
    case DataType::f64:
      return llvm::Type::getDoubleTy(context_);
    case DataType::i64:
      return llvm::Type::getInt64Ty(context_);
    case DataType::i32:
      return llvm::Type::getInt32Ty(context_);
    default:
      return llvm::Type::getInt8Ty(context_);
  }
}

Value* Codegen::broadcast(Value* v) {
  return in_vector() && !v->getType()->isVectorTy() ? builder_.CreateVectorSplat(chunk_.width, v) : v;
}

Value* Codegen::like(Value* v, Value* other) { return other->getType()->isVectorTy() ? broadcast(v) : v; }

Value* Codegen::intrinsic(llvm::Intrinsic::ID id, ArrayRef<llvm::Type*> types, ArrayRef<Value*> args) {
  return builder_.CreateIntrinsic(id, types, args);
}

}  // namespace altrt::jit::cpu
