// The public entry points that make code, and what is read back from the object they made.
#include <altrt/error.h>

#include <llvm/BinaryFormat/ELF.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/DataExtractor.h>
#include <llvm/Support/raw_ostream.h>

#include "jit/cpu/cpu.h"
#include "jit/cpu/pipeline.h"
#include "jit/expr/math.h"
#include "runtime/base/env.h"
#include "runtime/base/log.h"

namespace altrt::jit::cpu {
namespace {

template <typename T>
T take(llvm::Expected<T> value, const std::string& name) {
  if (value) return std::move(*value);
  throw Error(ErrorCode::internal, name + ": " + llvm::toString(value.takeError()));
}

// Objects may need the helpers of jit/expr/math.h and nothing else.
void check_symbols(const llvm::object::ObjectFile& object, const std::string& name) {
  for (const llvm::object::SymbolRef& symbol : object.symbols()) {
    if (!(take(symbol.getFlags(), name) & llvm::object::SymbolRef::SF_Undefined)) continue;
    const std::string needed = take(symbol.getName(), name).str();
    if (needed.empty() || needed == "_GLOBAL_OFFSET_TABLE_") continue;
    if (needed.rfind("altrt_h_", 0) == 0 && find_math_helper(needed.substr(8))) continue;
    throw Error(ErrorCode::internal, name + ": the object needs the symbol " + needed);
  }
}

// .stack_sizes: for each function its address and, as ULEB128, its frame in bytes.
int64_t largest_frame(llvm::StringRef section, bool little_endian) {
  llvm::DataExtractor data(section, little_endian, 8);
  llvm::DataExtractor::Cursor cursor(0);
  int64_t largest = 0;
  while (cursor && !data.eof(cursor)) {
    data.getAddress(cursor);
    largest = std::max(largest, static_cast<int64_t>(data.getULEB128(cursor)));
  }
  llvm::consumeError(cursor.takeError());
  return largest;
}

void read_back(KernelObject* kernel) {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(kernel->bytes.data()), kernel->bytes.size());
  auto object =
      take(llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(bytes, kernel->name)), kernel->name);
  check_symbols(*object, kernel->name);
  for (const llvm::object::SectionRef& section : object->sections()) {
    if (section.isText()) kernel->code_bytes += static_cast<int64_t>(section.getSize());
    if (take(section.getName(), kernel->name) == ".stack_sizes") {
      kernel->frame_bytes = largest_frame(take(section.getContents(), kernel->name), object->isLittleEndian());
    }
    const uint64_t flags = llvm::object::ELFSectionRef(section).getFlags();
    if ((flags & llvm::ELF::SHF_WRITE) && section.getSize() > 0) {
      throw Error(ErrorCode::internal, kernel->name + ": the object has writable data");
    }
  }
}

void expect_clean(const KernelObject& kernel, const Target& target) {
  const std::vector<std::string> findings = audit(kernel, target);
  if (!findings.empty()) {
    throw Error(ErrorCode::internal, "an instruction outside " + target.features + " in " + findings[0]);
  }
  base::log(base::LogLevel::debug, "audited " + kernel.name + " for " + target.features);
}

}  // namespace

namespace {

KernelObject object_of(std::vector<uint8_t> bytes, const Nest& nest) {
  KernelObject kernel;
  kernel.name = nest.name;
  kernel.entry = entry_name(nest);
  kernel.bytes = std::move(bytes);
  kernel.workspace_bytes = nest.workspace_bytes();
  read_back(&kernel);
  return kernel;
}

std::vector<uint8_t> object_bytes(llvm::Module& module, llvm::TargetMachine& machine) {
  optimize(module, machine);
  const llvm::SmallVector<char, 0> bytes = emit(module, machine, true);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

KernelObject make_object(llvm::Module& module, llvm::TargetMachine& machine, const Nest& nest) {
  return object_of(object_bytes(module, machine), nest);
}

KernelObject compile(const Nest& nest, const Target& target, const Emitter& emitter) {
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  const std::unique_ptr<llvm::Module> module = generate(nest, target, *machine, context);
  KernelObject kernel =
      emitter ? object_of(emitter(to_bitcode(*module), target), nest) : make_object(*module, *machine, nest);
  if (base::verify_stages()) expect_clean(kernel, target);
  return kernel;
}

std::string llvm_ir(const Nest& nest, const Target& target) {
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  const std::unique_ptr<llvm::Module> module = generate(nest, target, *machine, context);
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "; --- generated ---\n" << *module;
  optimize(*module, *machine);
  stream << "\n; --- after the passes ---\n" << *module;
  return stream.str();
}

std::string assembly(const Nest& nest, const Target& target) {
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  const std::unique_ptr<llvm::Module> module = generate(nest, target, *machine, context);
  optimize(*module, *machine);
  const llvm::SmallVector<char, 0> text = emit(*module, *machine, false);
  return std::string(text.begin(), text.end());
}

std::string llvm_version() { return LLVM_VERSION_STRING; }

}  // namespace altrt::jit::cpu
