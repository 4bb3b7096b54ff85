// Links objects with JITLink, without ORC: a kernel needs nothing but the helper functions, so there is nothing to look
// up anywhere else.
#include <altrt/error.h>

#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>
#include <llvm/Support/MemoryBufferRef.h>

#include "jit/cpu/cpu.h"
#include "jit/cpu/memory.h"
#include "jit/expr/math.h"

namespace altrt::jit::cpu {
namespace {

namespace jl = llvm::jitlink;
namespace orc = llvm::orc;

llvm::Error failure(const std::string& message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

bool is_writable(orc::MemProt protection) {
  return (static_cast<unsigned>(protection) & static_cast<unsigned>(orc::MemProt::Write)) != 0;
}

/// Code and constants of one object, placed in the batch's memory one after the other.
class Placed : public jl::JITLinkMemoryManager::InFlightAlloc {
 public:
  void abandon(OnAbandonedFunction done) override { done(llvm::Error::success()); }
  void finalize(OnFinalizedFunction done) override {
    done(jl::JITLinkMemoryManager::FinalizedAlloc(orc::ExecutorAddr(1)));
  }
};

class MemoryManager : public jl::JITLinkMemoryManager {
 public:
  explicit MemoryManager(CodeMemory& memory) : memory_(memory) {}

  void allocate(const jl::JITLinkDylib*, jl::LinkGraph& graph, OnAllocatedFunction done) override {
    jl::BasicLayout layout(graph);
    for (auto& [group, segment] : layout.segments()) {
      const size_t size = segment.ContentSize + segment.ZeroFillSize;
      if (size == 0) continue;
      if (is_writable(group.getMemProt())) return done(failure("writable data"));
      const size_t offset = memory_.reserve(size, std::max<size_t>(64, segment.Alignment.value()));
      if (offset == SIZE_MAX) return done(failure("more memory than the object's size"));
      segment.WorkingMem = reinterpret_cast<char*>(memory_.write_address(offset));
      segment.Addr = orc::ExecutorAddr::fromPtr(memory_.run_address(offset));
    }
    if (llvm::Error error = layout.apply()) return done(std::move(error));
    done(std::make_unique<Placed>());
  }
  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction done) override {
    for (FinalizedAlloc& a : allocations) a.release();
    done(llvm::Error::success());
  }

 private:
  CodeMemory& memory_;
};

/// What one link() leaves behind.
struct Linked {
  uint64_t entry = 0;
  std::string error;
};

class LinkContext : public jl::JITLinkContext {
 public:
  LinkContext(MemoryManager& memory, std::string entry, Linked& result)
      : JITLinkContext(nullptr), memory_(memory), entry_(std::move(entry)), result_(result) {}

  jl::JITLinkMemoryManager& getMemoryManager() override { return memory_; }
  void notifyFailed(llvm::Error error) override { result_.error = llvm::toString(std::move(error)); }
  void lookup(const LookupMap& symbols, std::unique_ptr<jl::JITLinkAsyncLookupContinuation> done) override {
    jl::AsyncLookupResult found;
    for (const auto& [symbol, flags] : symbols) {
      const std::string name = std::string(llvm::StringRef(*&symbol));
      const MathHelper* helper = name.rfind("altrt_h_", 0) == 0 ? find_math_helper(name.substr(8)) : nullptr;
      if (!helper) return done->run(failure("the object needs the symbol " + name));
      found[symbol] = {orc::ExecutorAddr::fromPtr(helper->address), llvm::JITSymbolFlags::Exported};
    }
    done->run(std::move(found));
  }
  llvm::Error notifyResolved(jl::LinkGraph& graph) override {
    for (const jl::Symbol* symbol : graph.defined_symbols()) {
      if (symbol->hasName() && llvm::StringRef(symbol->getName()) == entry_)
        result_.entry = symbol->getAddress().getValue();
    }
    return result_.entry ? llvm::Error::success() : failure("the object does not define " + entry_);
  }
  void notifyFinalized(jl::JITLinkMemoryManager::FinalizedAlloc allocation) override { allocation.release(); }
  jl::LinkGraphPassFunction getMarkLivePass(const llvm::Triple&) const override { return jl::markAllSymbolsLive; }

 private:
  MemoryManager& memory_;
  std::string entry_;
  Linked& result_;
};

class Kernel : public LoadedKernel {
 public:
  Kernel(std::shared_ptr<const CodeMemory> memory, KernelFunction function)
      : memory_(std::move(memory)), function_(function) {}
  KernelFunction function() const override { return function_; }

 private:
  std::shared_ptr<const CodeMemory> memory_;
  KernelFunction function_;
};

uint64_t link_one(const KernelObject& object, MemoryManager& memory) {
  const llvm::StringRef bytes(reinterpret_cast<const char*>(object.bytes.data()), object.bytes.size());
  auto graph = jl::createLinkGraphFromObject(llvm::MemoryBufferRef(bytes, object.name));
  if (!graph) throw Error(ErrorCode::internal, "linking " + object.name + ": " + llvm::toString(graph.takeError()));
  Linked result;
  jl::link(std::move(*graph), std::make_unique<LinkContext>(memory, object.entry, result));
  if (!result.error.empty()) throw Error(ErrorCode::internal, "linking " + object.name + ": " + result.error);
  return result.entry;
}

}  // namespace

// A section's contents never take more than its object; what linking adds (a jump and a table entry for each helper)
// fits in the slack.
std::vector<std::shared_ptr<LoadedKernel>> load(const std::vector<KernelObject>& objects) {
  std::vector<std::shared_ptr<LoadedKernel>> kernels;
  if (objects.empty()) return kernels;
  size_t capacity = 0;
  for (const KernelObject& object : objects) capacity += object.bytes.size() + 4096;
  auto memory = std::make_shared<CodeMemory>(capacity);
  MemoryManager manager(*memory);
  std::vector<uint64_t> entries;
  for (const KernelObject& object : objects) entries.push_back(link_one(object, manager));
  memory->seal();
  for (uint64_t entry : entries) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the linker gives addresses as integers
    kernels.push_back(std::make_shared<Kernel>(memory, reinterpret_cast<KernelFunction>(entry)));
  }
  return kernels;
}

}  // namespace altrt::jit::cpu
