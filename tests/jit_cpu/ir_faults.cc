#include "tests/jit_cpu/ir_faults.h"

#include <altrt/error.h>

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Verifier.h>

#include <functional>
#include <map>

#include "jit/cpu/pipeline.h"

namespace altrt::jit {
namespace {

using llvm::dyn_cast;
using llvm::isa;

/// One place each: what to do there.
using Sites = std::vector<std::function<void()>>;

/// The kernel's instructions, as they were before any change.
std::vector<llvm::Instruction*> instructions_of(llvm::Function& f) {
  std::vector<llvm::Instruction*> all;
  for (llvm::Instruction& i : llvm::instructions(f)) all.push_back(&i);
  return all;
}

/// The local array that an address lies in; null for memory of other kinds.
const llvm::AllocaInst* tile_of(const llvm::Value* address) {
  return dyn_cast<llvm::AllocaInst>(address->stripInBoundsOffsets());
}

const llvm::Value* root_of(const llvm::Value* address) {
  while (const auto* gep = dyn_cast<llvm::GetElementPtrInst>(address)) address = gep->getPointerOperand();
  return address;
}

bool is_tile(const llvm::Value* address) { return tile_of(root_of(address)) != nullptr; }

bool is_intrinsic(const llvm::Instruction* i, llvm::Intrinsic::ID id) {
  const auto* call = dyn_cast<llvm::IntrinsicInst>(i);
  return call && call->getIntrinsicID() == id;
}

/// value * constant, as addresses hold it.
llvm::BinaryOperator* scaled(llvm::Value* v) {
  auto* mul = dyn_cast<llvm::BinaryOperator>(v);
  const bool fits = mul && mul->getOpcode() == llvm::Instruction::Mul && isa<llvm::ConstantInt>(mul->getOperand(1));
  return fits ? mul : nullptr;
}

Sites off_by_one_tile(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* compare = dyn_cast<llvm::ICmpInst>(i);
    if (!compare || compare->getPredicate() != llvm::CmpInst::ICMP_NE) continue;
    auto* end = dyn_cast<llvm::ConstantInt>(compare->getOperand(1));
    if (!end || end->getSExtValue() < 2 || !isa<llvm::BinaryOperator>(compare->getOperand(0))) continue;
    sites.push_back(
        [=] { compare->setOperand(1, llvm::ConstantInt::getSigned(end->getType(), end->getSExtValue() - 1)); });
  }
  return sites;
}

Sites wrong_stride(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* gep = dyn_cast<llvm::GetElementPtrInst>(i);
    llvm::BinaryOperator* mul = gep ? scaled(gep->getOperand(gep->getNumOperands() - 1)) : nullptr;
    if (!mul) continue;
    sites.push_back([=] {
      llvm::IRBuilder<> builder(gep);
      auto* stride = llvm::cast<llvm::ConstantInt>(mul->getOperand(1));
      const int64_t wrong = stride->getSExtValue() + (stride->getSExtValue() > 4 ? -4 : 4);
      gep->setOperand(gep->getNumOperands() - 1,
                      builder.CreateMul(mul->getOperand(0), llvm::ConstantInt::getSigned(stride->getType(), wrong)));
    });
  }
  return sites;
}

/// Masked stores, the last and narrower chunk of a vector loop, and what an else holds.
Sites dropped_tail(llvm::Function& f) {
  Sites sites;
  std::map<const llvm::Value*, unsigned> widest;
  const auto width = [](const llvm::StoreInst* s) {
    auto* vector = dyn_cast<llvm::FixedVectorType>(s->getValueOperand()->getType());
    return vector ? vector->getNumElements() : 1;
  };
  for (llvm::Instruction* i : instructions_of(f)) {
    if (auto* s = dyn_cast<llvm::StoreInst>(i)) {
      unsigned& w = widest[root_of(s->getPointerOperand())];
      w = std::max(w, width(s));
    }
  }
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* s = dyn_cast<llvm::StoreInst>(i);
    const bool narrow = s && width(s) < widest[root_of(s->getPointerOperand())];
    if (narrow || is_intrinsic(i, llvm::Intrinsic::masked_store)) sites.push_back([=] { i->eraseFromParent(); });
    auto* branch = dyn_cast<llvm::BranchInst>(i);
    if (!branch || !branch->isConditional() || !branch->getSuccessor(1)->getName().starts_with("else")) continue;
    auto* leave = dyn_cast<llvm::BranchInst>(branch->getSuccessor(1)->getTerminator());
    if (!leave || leave->isConditional() || !leave->getSuccessor(0)->phis().empty()) continue;
    sites.push_back([=] { branch->setSuccessor(1, leave->getSuccessor(0)); });
  }
  return sites;
}

/// Two strides of one access change places.
Sites swapped_layout(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* inner = dyn_cast<llvm::GetElementPtrInst>(i);
    auto* outer = inner ? dyn_cast<llvm::GetElementPtrInst>(inner->getPointerOperand()) : nullptr;
    if (!outer) continue;
    llvm::BinaryOperator *a = scaled(outer->getOperand(1)), *b = scaled(inner->getOperand(1));
    if (!a || !b || a->getOperand(1) == b->getOperand(1)) continue;
    sites.push_back([=] {
      llvm::IRBuilder<> builder(inner);
      auto* byte = builder.getInt8Ty();
      llvm::Value* p =
          builder.CreateGEP(byte, outer->getPointerOperand(), builder.CreateMul(a->getOperand(0), b->getOperand(1)));
      inner->replaceAllUsesWith(builder.CreateGEP(byte, p, builder.CreateMul(b->getOperand(0), a->getOperand(1))));
    });
  }
  return sites;
}

/// Selections by index, masks and the conditions of masked or guarded stores: they hold everywhere.
Sites missing_guard(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (auto* select = dyn_cast<llvm::SelectInst>(i)) {
      if (isa<llvm::FCmpInst>(select->getCondition())) continue;
      sites.push_back(
          [=] { select->setCondition(llvm::Constant::getAllOnesValue(select->getCondition()->getType())); });
    }
    if (is_intrinsic(i, llvm::Intrinsic::masked_load) || is_intrinsic(i, llvm::Intrinsic::masked_store)) {
      const unsigned mask = is_intrinsic(i, llvm::Intrinsic::masked_load) ? 2 : 3;
      sites.push_back([=] { i->setOperand(mask, llvm::Constant::getAllOnesValue(i->getOperand(mask)->getType())); });
    }
    auto* branch = dyn_cast<llvm::BranchInst>(i);
    if (!branch || !branch->isConditional()) continue;
    const llvm::StringRef name = branch->getSuccessor(0)->getName();
    if (!name.starts_with("masked") && !name.starts_with("then")) continue;
    sites.push_back([=] { branch->setCondition(llvm::ConstantInt::getTrue(branch->getContext())); });
  }
  return sites;
}

/// A maximum or minimum that drops its NaN operand: the test for NaN is gone, or the comparison holds for NaN too.
Sites lost_nan(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* compare = dyn_cast<llvm::FCmpInst>(i);
    if (!compare || !compare->hasOneUse() || !isa<llvm::SelectInst>(*compare->user_begin())) continue;
    const llvm::CmpInst::Predicate p = compare->getPredicate();
    if (p == llvm::CmpInst::FCMP_UNO) {
      sites.push_back([=] { compare->replaceAllUsesWith(llvm::Constant::getNullValue(compare->getType())); });
    } else if (p == llvm::CmpInst::FCMP_OLT || p == llvm::CmpInst::FCMP_OGT) {
      sites.push_back([=] { compare->setPredicate(llvm::CmpInst::getUnorderedPredicate(p)); });
    }
  }
  return sites;
}

/// A vector of consecutive elements taken for one element, or the other way round.
Sites wrong_broadcast(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (auto* load = dyn_cast<llvm::LoadInst>(i)) {
      if (!load->getType()->isVectorTy() || is_tile(load->getPointerOperand())) continue;
      sites.push_back([=] {
        llvm::IRBuilder<> builder(load->getNextNode());
        const unsigned width = llvm::cast<llvm::FixedVectorType>(load->getType())->getNumElements();
        auto* splat =
            llvm::cast<llvm::Instruction>(builder.CreateShuffleVector(load, llvm::SmallVector<int>(width, 0)));
        load->replaceUsesWithIf(splat, [&](llvm::Use& use) { return use.getUser() != splat; });
      });
    }
    auto* shuffle = dyn_cast<llvm::ShuffleVectorInst>(i);
    if (!shuffle || !shuffle->isZeroEltSplat()) continue;
    auto* insert = dyn_cast<llvm::InsertElementInst>(shuffle->getOperand(0));
    auto* scalar = insert ? dyn_cast<llvm::LoadInst>(insert->getOperand(1)) : nullptr;
    if (!scalar || is_tile(scalar->getPointerOperand())) continue;
    sites.push_back([=] {
      llvm::IRBuilder<> builder(shuffle);
      shuffle->replaceAllUsesWith(
          builder.CreateAlignedLoad(shuffle->getType(), scalar->getPointerOperand(), scalar->getAlign()));
    });
  }
  return sites;
}

Sites missing_initialisation(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* store = dyn_cast<llvm::StoreInst>(i);
    if (store && isa<llvm::Constant>(store->getValueOperand())) sites.push_back([=] { store->eraseFromParent(); });
  }
  return sites;
}

/// A store of an output lands one element further on.
Sites write_outside(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* store = dyn_cast<llvm::StoreInst>(i);
    const bool masked = is_intrinsic(i, llvm::Intrinsic::masked_store);
    if ((!store && !masked) || is_tile(i->getOperand(1))) continue;
    sites.push_back([=] {
      llvm::IRBuilder<> builder(i);
      llvm::Type* element = i->getOperand(0)->getType()->getScalarType();
      i->setOperand(1, builder.CreateConstGEP1_64(element, i->getOperand(1), 1));
    });
  }
  return sites;
}

Sites wrong_operand(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (is_intrinsic(i, llvm::Intrinsic::fma)) {
      sites.push_back([=] {
        llvm::Value *b = i->getOperand(1), *c = i->getOperand(2);
        i->setOperand(1, c);
        i->setOperand(2, b);
      });
    } else if (i->getOpcode() == llvm::Instruction::FAdd) {
      sites.push_back([=] {
        llvm::IRBuilder<> builder(i);
        i->replaceAllUsesWith(builder.CreateFSub(i->getOperand(0), i->getOperand(1)));
      });
    }
  }
  return sites;
}

/// A vector's elements turned by one lane before they are stored.
Sites shuffled_lanes(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (!isa<llvm::StoreInst>(i) && !is_intrinsic(i, llvm::Intrinsic::masked_store)) continue;
    auto* type = dyn_cast<llvm::FixedVectorType>(i->getOperand(0)->getType());
    if (!type || isa<llvm::Constant>(i->getOperand(0))) continue;
    sites.push_back([=] {
      llvm::IRBuilder<> builder(i);
      llvm::SmallVector<int> turned;
      for (unsigned lane = 0; lane < type->getNumElements(); ++lane) {
        turned.push_back(static_cast<int>((lane + 1) % type->getNumElements()));
      }
      i->setOperand(0, builder.CreateShuffleVector(i->getOperand(0), turned));
    });
  }
  return sites;
}

/// Vectors claimed to start on whole vectors: the machine refuses others.
Sites false_alignment(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (auto* load = dyn_cast<llvm::LoadInst>(i)) {
      if (!load->getType()->isVectorTy() || is_tile(load->getPointerOperand())) continue;
      sites.push_back([=] { load->setAlignment(llvm::Align(64)); });
    } else if (auto* store = dyn_cast<llvm::StoreInst>(i)) {
      if (!store->getValueOperand()->getType()->isVectorTy() || is_tile(store->getPointerOperand())) continue;
      sites.push_back([=] { store->setAlignment(llvm::Align(64)); });
    }
  }
  return sites;
}

using Find = Sites (*)(llvm::Function&);

const std::map<std::string, Find>& finders() {
  static const std::map<std::string, Find> all{
      {"off-by-one tile", off_by_one_tile}, {"wrong stride", wrong_stride},
      {"dropped tail", dropped_tail},       {"swapped layout", swapped_layout},
      {"missing guard", missing_guard},     {"lost NaN", lost_nan},
      {"wrong broadcast", wrong_broadcast}, {"missing initialisation", missing_initialisation},
      {"write outside", write_outside},     {"wrong operand", wrong_operand},
      {"shuffled lanes", shuffled_lanes},   {"false alignment", false_alignment}};
  return all;
}

}  // namespace

const std::vector<std::string>& ir_faults() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const auto& [name, find] : finders()) result.push_back(name);
    return result;
  }();
  return names;
}

std::optional<KernelObject> compile_with_fault(const std::string& fault, const Nest& nest, const Target& target,
                                               property::Random& random) {
  llvm::LLVMContext context;
  const auto machine = cpu::make_target_machine(target);
  const auto module = cpu::generate(nest, target, *machine, context);
  const Sites sites = finders().at(fault)(*module->getFunction(cpu::entry_name(nest)));
  if (sites.empty()) return std::nullopt;
  random.pick(sites)();
  if (llvm::verifyModule(*module)) throw Error(ErrorCode::internal, "the fault '" + fault + "' made no valid module");
  return cpu::make_object(*module, *machine, nest);
}

}  // namespace altrt::jit
