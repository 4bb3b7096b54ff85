// Executable memory for one batch of kernels. Internal to jit/cpu.
#pragma once

#include <cstddef>
#include <cstdint>

namespace altrt::jit::cpu {

/// A block of memory that is written once through one address and run through another: a memfd mapped twice, so that no
/// page is ever writable and executable and hosts that refuse to make a written page executable still run kernels.
/// Where memfd does not serve, one private mapping that changes from writable to executable. Error(unavailable) where
/// the host forbids both. Not thread-safe until sealed.
class CodeMemory {
 public:
  explicit CodeMemory(size_t capacity);
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;
  ~CodeMemory();

  /// Offset of `size` fresh bytes, or SIZE_MAX if the capacity does not hold them.
  size_t reserve(size_t size, size_t alignment);
  /// Where byte `offset` is written until seal(), and where it runs.
  uint8_t* write_address(size_t offset) const { return writable_ + offset; }
  uint8_t* run_address(size_t offset) const { return executable_ + offset; }
  /// Nothing can be written afterwards; the code may run.
  void seal();

 private:
  bool map_twice();
  bool map_once();

  size_t capacity_;
  size_t used_ = 0;
  uint8_t* writable_ = nullptr;    // unmapped by seal()
  uint8_t* executable_ = nullptr;  // equals writable_ where one mapping serves for both
};

}  // namespace altrt::jit::cpu
