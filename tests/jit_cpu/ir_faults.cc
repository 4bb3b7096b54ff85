#include "tests/jit_cpu/ir_faults.h"

#include <altrt/error.h>

#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <functional>
#include <map>

#include "jit/cpu/cpu.h"
#include "jit/cpu/pipeline.h"

namespace altrt::jit {
namespace {

using llvm::dyn_cast;
using llvm::isa;

/// A place for a fault.
struct Site {
  llvm::Instruction* at;
  std::function<void()> change;
  /// Whether the change makes a difference here and now, as an i1 made before `at`; empty: it always does.
  std::function<llvm::Value*(llvm::IRBuilder<>&)> differs = {};
};
using Sites = std::vector<Site>;

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
    sites.push_back({i, [=] {
                       const int64_t less = end->getSExtValue() - 1;
                       compare->setOperand(1, llvm::ConstantInt::getSigned(end->getType(), less));
                     }});
  }
  return sites;
}

Sites wrong_stride(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* gep = dyn_cast<llvm::GetElementPtrInst>(i);
    llvm::BinaryOperator* mul = gep ? scaled(gep->getOperand(gep->getNumOperands() - 1)) : nullptr;
    if (!mul) continue;
    const auto change = [=] {
      llvm::IRBuilder<> builder(gep);
      auto* stride = llvm::cast<llvm::ConstantInt>(mul->getOperand(1));
      const int64_t wrong = stride->getSExtValue() + (stride->getSExtValue() > 4 ? -4 : 4);
      gep->setOperand(gep->getNumOperands() - 1,
                      builder.CreateMul(mul->getOperand(0), llvm::ConstantInt::getSigned(stride->getType(), wrong)));
    };
    sites.push_back(
        {i, change, [=](llvm::IRBuilder<>& builder) { return builder.CreateIsNotNull(mul->getOperand(0)); }});
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
    const bool masked = is_intrinsic(i, llvm::Intrinsic::masked_store);
    const auto any = [=](llvm::IRBuilder<>& b) -> llvm::Value* {
      if (!masked) return b.getTrue();
      return b.CreateOrReduce(i->getOperand(3));
    };
    if (narrow || masked) sites.push_back({i, [=] { i->eraseFromParent(); }, any});
    auto* branch = dyn_cast<llvm::BranchInst>(i);
    if (!branch || !branch->isConditional() || !branch->getSuccessor(1)->getName().starts_with("else")) continue;
    auto* leave = dyn_cast<llvm::BranchInst>(branch->getSuccessor(1)->getTerminator());
    if (!leave || leave->isConditional() || !leave->getSuccessor(0)->phis().empty()) continue;
    sites.push_back(
        {&*branch->getSuccessor(1)->getFirstInsertionPt(), [=] { branch->setSuccessor(1, leave->getSuccessor(0)); }});
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
    const auto swapped = [=](llvm::IRBuilder<>& builder) {
      auto* byte = builder.getInt8Ty();
      llvm::Value* p =
          builder.CreateGEP(byte, outer->getPointerOperand(), builder.CreateMul(a->getOperand(0), b->getOperand(1)));
      return builder.CreateGEP(byte, p, builder.CreateMul(b->getOperand(0), a->getOperand(1)));
    };
    const auto change = [=] {
      llvm::IRBuilder<> builder(inner);
      inner->replaceAllUsesWith(swapped(builder));
    };
    sites.push_back({inner->getNextNode(), change,
                     [=](llvm::IRBuilder<>& builder) { return builder.CreateICmpNE(inner, swapped(builder)); }});
  }
  return sites;
}

/// Selections by index, masks and the conditions of masked or guarded stores: they hold everywhere.
Sites missing_guard(llvm::Function& f) {
  Sites sites;
  const auto add = [&](llvm::Instruction* i, llvm::Value* condition, unsigned operand) {
    const auto always = [=] { i->setOperand(operand, llvm::Constant::getAllOnesValue(condition->getType())); };
    const auto excludes = [=](llvm::IRBuilder<>& builder) {
      return builder.CreateNot(condition->getType()->isVectorTy() ? builder.CreateAndReduce(condition) : condition);
    };
    sites.push_back({i, always, excludes});
  };
  for (llvm::Instruction* i : instructions_of(f)) {
    if (auto* select = dyn_cast<llvm::SelectInst>(i)) {
      if (isa<llvm::FCmpInst>(select->getCondition())) continue;
      add(i, select->getCondition(), 0);
    }
    if (is_intrinsic(i, llvm::Intrinsic::masked_load) || is_intrinsic(i, llvm::Intrinsic::masked_store)) {
      const unsigned mask = is_intrinsic(i, llvm::Intrinsic::masked_load) ? 2 : 3;
      add(i, i->getOperand(mask), mask);
    }
    auto* branch = dyn_cast<llvm::BranchInst>(i);
    if (!branch || !branch->isConditional()) continue;
    const llvm::StringRef name = branch->getSuccessor(0)->getName();
    if (!name.starts_with("masked") && !name.starts_with("then")) continue;
    add(i, branch->getCondition(), 0);
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
      sites.push_back({i, [=] { compare->replaceAllUsesWith(llvm::Constant::getNullValue(compare->getType())); }});
    } else if (p == llvm::CmpInst::FCMP_OLT || p == llvm::CmpInst::FCMP_OGT) {
      sites.push_back({i, [=] { compare->setPredicate(llvm::CmpInst::getUnorderedPredicate(p)); }});
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
      sites.push_back({i, [=] {
                         llvm::IRBuilder<> builder(load->getNextNode());
                         const unsigned width = llvm::cast<llvm::FixedVectorType>(load->getType())->getNumElements();
                         auto* splat = llvm::cast<llvm::Instruction>(
                             builder.CreateShuffleVector(load, llvm::SmallVector<int>(width, 0)));
                         load->replaceUsesWithIf(splat, [&](llvm::Use& use) { return use.getUser() != splat; });
                       }});
    }
    auto* shuffle = dyn_cast<llvm::ShuffleVectorInst>(i);
    if (!shuffle || !shuffle->isZeroEltSplat()) continue;
    auto* insert = dyn_cast<llvm::InsertElementInst>(shuffle->getOperand(0));
    auto* scalar = insert ? dyn_cast<llvm::LoadInst>(insert->getOperand(1)) : nullptr;
    if (!scalar || is_tile(scalar->getPointerOperand())) continue;
    sites.push_back({i, [=] {
                       llvm::IRBuilder<> builder(shuffle);
                       shuffle->replaceAllUsesWith(builder.CreateAlignedLoad(
                           shuffle->getType(), scalar->getPointerOperand(), scalar->getAlign()));
                     }});
  }
  return sites;
}

Sites missing_initialisation(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    auto* store = dyn_cast<llvm::StoreInst>(i);
    if (store && isa<llvm::Constant>(store->getValueOperand())) sites.push_back({i, [=] { store->eraseFromParent(); }});
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
    sites.push_back({i, [=] {
                       llvm::IRBuilder<> builder(i);
                       llvm::Type* element = i->getOperand(0)->getType()->getScalarType();
                       i->setOperand(1, builder.CreateConstGEP1_64(element, i->getOperand(1), 1));
                     }});
  }
  return sites;
}

Sites wrong_operand(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (is_intrinsic(i, llvm::Intrinsic::fma)) {
      sites.push_back({i, [=] {
                         llvm::Value *b = i->getOperand(1), *c = i->getOperand(2);
                         i->setOperand(1, c);
                         i->setOperand(2, b);
                       }});
    } else if (i->getOpcode() == llvm::Instruction::FAdd) {
      sites.push_back({i, [=] {
                         llvm::IRBuilder<> builder(i);
                         i->replaceAllUsesWith(builder.CreateFSub(i->getOperand(0), i->getOperand(1)));
                       }});
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
    sites.push_back({i, [=] {
                       llvm::IRBuilder<> builder(i);
                       llvm::SmallVector<int> turned;
                       for (unsigned lane = 0; lane < type->getNumElements(); ++lane) {
                         turned.push_back(static_cast<int>((lane + 1) % type->getNumElements()));
                       }
                       i->setOperand(0, builder.CreateShuffleVector(i->getOperand(0), turned));
                     }});
  }
  return sites;
}

/// Vectors claimed to start on whole vectors: the machine refuses others.
Sites false_alignment(llvm::Function& f) {
  Sites sites;
  for (llvm::Instruction* i : instructions_of(f)) {
    if (auto* load = dyn_cast<llvm::LoadInst>(i)) {
      if (!load->getType()->isVectorTy() || is_tile(load->getPointerOperand())) continue;
      sites.push_back({i, [=] { load->setAlignment(llvm::Align(64)); }});
    } else if (auto* store = dyn_cast<llvm::StoreInst>(i)) {
      if (!store->getValueOperand()->getType()->isVectorTy() || is_tile(store->getPointerOperand())) continue;
      sites.push_back({i, [=] { store->setAlignment(llvm::Align(64)); }});
    }
  }
  return sites;
}

void trap_where_it_differs(const Site& site) {
  llvm::IRBuilder<> builder(site.at);
  llvm::Value* differs = site.differs ? site.differs(builder) : builder.getTrue();
  llvm::Instruction* end = llvm::SplitBlockAndInsertIfThen(differs, site.at, /*Unreachable=*/true);
  builder.SetInsertPoint(end);
  builder.CreateIntrinsic(llvm::Intrinsic::trap, {}, {});
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

size_t fault_places(const std::string& fault, const Nest& nest, const Target& target) {
  llvm::LLVMContext context;
  const auto machine = cpu::make_target_machine(target);
  const auto module = cpu::generate(nest, target, *machine, context);
  return finders().at(fault)(*module->getFunction(cpu::entry_name(nest))).size();
}

FaultyKernel compile_with_fault(const std::string& fault, const Nest& nest, const Target& target, size_t place) {
  const auto make = [&](bool witness, std::string* text) {
    llvm::LLVMContext context;
    const auto machine = cpu::make_target_machine(target);
    const auto module = cpu::generate(nest, target, *machine, context);
    const Site site = finders().at(fault)(*module->getFunction(cpu::entry_name(nest))).at(place);
    if (text) llvm::raw_string_ostream(*text) << *site.at;
    if (witness) {
      trap_where_it_differs(site);
    } else {
      site.change();
    }
    if (llvm::verifyModule(*module)) throw Error(ErrorCode::internal, "the fault '" + fault + "' made no valid module");
    return cpu::make_object(*module, *machine, nest);
  };
  FaultyKernel faulty;
  faulty.object = make(false, &faulty.place);
  faulty.witness = make(true, nullptr);
  return faulty;
}

Emitter faulty_emitter(const std::string& fault, size_t kernel, size_t place, size_t places) {
  return [=, left = kernel](std::span<const uint8_t> bitcode, const Target& target) mutable {
    if (left-- != 0) return cpu::emit(bitcode, target);
    llvm::LLVMContext context;
    const llvm::StringRef bytes(reinterpret_cast<const char*>(bitcode.data()), bitcode.size());
    const auto module = llvm::cantFail(llvm::parseBitcodeFile({bytes, "kernel"}, context));
    const auto is_kernel = [](const llvm::Function& f) { return !f.isDeclaration(); };
    const Sites sites = finders().at(fault)(*llvm::find_if(*module, is_kernel));
    if (sites.size() == places) sites[place].change();
    return cpu::emit(cpu::to_bitcode(*module), target);
  };
}

}  // namespace altrt::jit
