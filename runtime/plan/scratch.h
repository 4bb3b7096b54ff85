// Memory that is used again and again while weights are packed: pages that nobody has touched yet are dear.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace altrt::plan {

/// One thread.
class ScratchMemory {
 public:
  /// Buffers have room for `usual` bytes at least; what is not touched costs nothing.
  explicit ScratchMemory(size_t usual) : usual_(usual) {}

  /// At least `bytes` of unknown contents, aligned; given back when nobody holds it any more.
  std::shared_ptr<void> take(size_t bytes);

 private:
  struct Buffer {
    std::shared_ptr<void> memory;
    size_t bytes = 0;
  };
  size_t usual_;
  std::vector<Buffer> buffers_;
};

}  // namespace altrt::plan
