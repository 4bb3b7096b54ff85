#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/tuner/bad_workers.h"

namespace altrt::tuner {
namespace {

constexpr const char* kEntry =
    "altrt_bad_kernel_whose_name_is_longer_than_any_that_the_compiler_gives_to_a_kernel_of_a_candidate";

std::vector<uint8_t> object_of(const std::string& kind) {
  static const std::map<std::string, std::string> files{{"loop", ALTRT_BAD_LOOP},     {"crash", ALTRT_BAD_CRASH},
                                                        {"beside", ALTRT_BAD_BESIDE}, {"wild", ALTRT_BAD_WILD},
                                                        {"memory", ALTRT_BAD_MEMORY}, {"abort", ALTRT_BAD_ABORT}};
  std::ifstream file(files.at(kind), std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) throw std::runtime_error("no object " + files.at(kind));
  return bytes;
}

// The kernel's symbol, out of an object's string table.
std::string entry_of(const std::vector<uint8_t>& object) {
  const std::string mark = "altrt_k_";
  const auto at = std::search(object.begin(), object.end(), mark.begin(), mark.end());
  return {at, std::find(at, object.end(), 0)};
}

bool contains(std::span<const uint8_t> bytes, const std::string& text) {
  return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) != bytes.end();
}

}  // namespace

std::vector<uint8_t> compile_bomb() {
  constexpr int kLoads = 300'000;
  llvm::LLVMContext context;
  llvm::Module module("bomb", context);
  module.setTargetTriple("x86_64-pc-linux-gnu");
  llvm::IRBuilder<> builder(context);
  auto* type = llvm::FunctionType::get(builder.getVoidTy(), {builder.getPtrTy()}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, "altrt_k_bomb", module);
  builder.SetInsertPoint(llvm::BasicBlock::Create(context, "", function));
  llvm::Value* const from = function->getArg(0);
  for (int i = 0; i < kLoads; ++i) {
    llvm::Value* const value = builder.CreateLoad(
        builder.getFloatTy(), builder.CreateConstGEP1_64(builder.getFloatTy(), from, int64_t{17} * i));
    builder.CreateStore(value, builder.CreateConstGEP1_64(builder.getFloatTy(), from, int64_t{31} * i + 1));
  }
  builder.CreateRetVoid();
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  llvm::WriteBitcodeToFile(module, stream);
  stream.flush();
  return {bytes.begin(), bytes.end()};
}

const std::vector<std::string>& bad_kinds() {
  static const std::vector<std::string> kinds{"loop", "crash", "beside", "wild", "memory", "abort", "bomb"};
  return kinds;
}

BadWorkers::BadWorkers(const base::Team& team, const jit::Target& target, std::vector<std::string> kinds, int each)
    : Workers(ALTRT_WORKER_FILE, team, target), kinds_(std::move(kinds)), each_(each) {
  if (std::find(kinds_.begin(), kinds_.end(), "bomb") != kinds_.end()) bomb_ = compile_bomb();
  runner().start();
}

jit::Emitter BadWorkers::emitter(int thread) {
  const jit::Emitter real = Workers::emitter(thread);
  return
      [this, real](std::span<const uint8_t> bitcode, const jit::Target& target) { return emit(real, bitcode, target); };
}

std::vector<uint8_t> BadWorkers::emit(const jit::Emitter& real, std::span<const uint8_t> bitcode,
                                      const jit::Target& target) {
  std::string kind;
  {
    const std::lock_guard lock(mutex_);
    const bool first_kernel = contains(bitcode, "_0") && !contains(bitcode, "altrt_naive");
    if (first_kernel && ++candidates_ % each_ == 0) {
      kind = kinds_[next_++ % kinds_.size()];
      ++counts_[kind];
    }
  }
  if (kind.empty()) return real(bitcode, target);
  if (kind == "bomb") return real(bomb_, target);
  const std::string entry = entry_of(real(bitcode, target));
  std::vector<uint8_t> bad = object_of(kind);
  const std::string place = kEntry;
  for (auto at = bad.begin();; ++at) {
    at = std::search(at, bad.end(), place.begin(), place.end());
    if (at == bad.end()) break;
    std::copy(entry.begin(), entry.end(), at);
    *(at + static_cast<ptrdiff_t>(entry.size())) = 0;
  }
  const std::lock_guard lock(mutex_);
  bad_.insert(bad);
  return bad;
}

int BadWorkers::count(const std::string& kind) const {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(kind);
  return found == counts_.end() ? 0 : found->second;
}

int BadWorkers::count() const {
  int sum = 0;
  for (const std::string& kind : bad_kinds()) sum += count(kind);
  return sum;
}

bool BadWorkers::is_bad(const jit::KernelObject& object) const {
  const std::lock_guard lock(mutex_);
  return bad_.count(object.bytes) > 0;
}

void use_worker() { setenv("ALTRT_WORKER", ALTRT_WORKER_FILE, 1); }

}  // namespace altrt::tuner
