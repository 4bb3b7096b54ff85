// What a compiler back end makes and a plan runs: targets, kernel objects, loaded kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace altrt::jit {

/// Every kernel of every provider. Runs tasks [first, last) of its flattened parallel range; starts no threads,
/// allocates nothing. buffers: one pointer per argument, 64-byte aligned unless the argument belongs to the user.
/// sizes: run-time extents. workspace: 64-byte aligned, `KernelObject::workspace_bytes`, private to the calling thread.
using KernelFunction = void (*)(const void* const* buffers, const int64_t* sizes, void* workspace, int64_t first,
                                int64_t last);

/// What code is made for. Features come from CPUID and XGETBV; the CPU's name only tunes.
struct Target {
  std::string triple;    // "x86_64-pc-linux-gnu"
  std::string tune_cpu;  // "sapphirerapids", "znver3", or "generic"
  std::string features;  // "+avx2,+fma,..." sorted
  int lanes = 8;         // f32 elements of the widest vector in use
  int vector_registers = 16;
  int64_t l1_bytes = 32 << 10, l2_bytes = 512 << 10, l3_bytes = 32 << 20;
  // GPUs, whose triple is kGpuTriple, whose features name the architecture ("sm_90") and whose lanes are those of the
  // widest load:
  int multiprocessors = 0;
  int64_t group_bytes = 0;  // shared memory that one block may have

  bool is_gpu() const { return multiprocessors > 0; }
  bool operator==(const Target&) const = default;
};
inline constexpr const char* kGpuTriple = "nvptx64-nvidia-cuda";
std::string to_string(const Target& target);
/// The machine this process runs on (ALTRT_CPU_FEATURES=avx2 restricts it).
Target host_target();
/// Targets that code can be made and assembled for anywhere: "avx2", "avx512", "neon"; GPUs by their architecture:
/// "sm_90".
Target named_target(const std::string& name);

/// A compiled kernel as relocatable bytes; can be written to a file. Loading is separate.
struct KernelObject {
  std::string name;   // unique within a plan; names the symbol too
  std::string entry;  // symbol of a KernelFunction
  std::vector<uint8_t> bytes;
  int64_t workspace_bytes = 0;
  int64_t frame_bytes = 0;  // stack frame of the entry; more than a few saved registers means spilled accumulators
  int64_t code_bytes = 0;
  int threads = 0;  // of a block; 0 = code for a CPU
};

/// LLVM's part in making an object for a CPU: bitcode in, the object's bytes out. Another process may do it. Throws
/// Error.
using Emitter = std::function<std::vector<uint8_t>(std::span<const uint8_t> bitcode, const Target& target)>;

/// Code in executable memory; unmapped when the last reference goes. Thread-safe to call.
class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  virtual KernelFunction function() const = 0;  // null on a device
  /// What the function wants as one more buffer behind its arguments; null = nothing. Lives as long as this.
  virtual const void* state() const { return nullptr; }
};

}  // namespace altrt::jit
