// Modules as bytes: code generation in another process than the one that knows the nest.
#include <altrt/error.h>

#include <llvm/ADT/SmallVector.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/MemoryBufferRef.h>
#include <llvm/Support/raw_ostream.h>

#include "jit/cpu/cpu.h"
#include "jit/cpu/pipeline.h"

namespace altrt::jit::cpu {
namespace {

void (*fatal_handler)(const char* reason, bool out_of_memory) = nullptr;

}  // namespace

std::vector<uint8_t> to_bitcode(const llvm::Module& module) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::WriteBitcodeToFile(module, stream, /*ShouldPreserveUseListOrder=*/true);
  return {bytes.begin(), bytes.end()};
}

std::vector<uint8_t> emit(std::span<const uint8_t> bitcode, const Target& target) {
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  const llvm::StringRef bytes(reinterpret_cast<const char*>(bitcode.data()), bitcode.size());
  llvm::Expected<std::unique_ptr<llvm::Module>> module =
      llvm::parseBitcodeFile(llvm::MemoryBufferRef(bytes, "kernel"), context);
  if (!module) throw Error(ErrorCode::invalid_argument, "bitcode: " + llvm::toString(module.takeError()));
  optimize(**module, *machine);
  const llvm::SmallVector<char, 0> object = emit(**module, *machine, true);
  return {object.begin(), object.end()};
}

void on_fatal_error(void (*handler)(const char* reason, bool out_of_memory)) {
  fatal_handler = handler;
  llvm::install_fatal_error_handler([](void*, const char* reason, bool) { fatal_handler(reason, false); });
  llvm::install_bad_alloc_error_handler([](void*, const char* reason, bool) { fatal_handler(reason, true); });
}

}  // namespace altrt::jit::cpu
